//! Directories that others than root can write to: who can may replace redisguard's files there, whatever the
//! mode of those files.

use super::types::{Command, Finding, FindingKind};
use crate::host::receipt::Receipt;
use crate::host::rules_service::DIRECTORY;
use crate::host::{Host, receipt};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// One finding for each, with the command that repairs it.
pub(super) fn writable_by_others(host: &Host, receipt: &Receipt) -> Vec<Finding> {
    let mut directories: BTreeSet<String> = receipt.directories.iter().cloned().collect();
    directories.insert(DIRECTORY.to_owned());
    let mut open = vec![receipt::STATE.to_owned()];
    while let Some(directory) = open.pop() {
        let entries = fs::read_dir(host.path(&directory)).into_iter().flatten().flatten();
        let below = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        open.extend(below.map(|one| format!("{directory}/{}", one.file_name().to_string_lossy())));
        directories.insert(directory);
    }
    let mut findings = Vec::new();
    for directory in directories {
        let here = host.path(&directory);
        let Ok(metadata) = fs::metadata(&here) else { continue };
        let path = here.display();
        let mut found = |detail: String, fix: String| {
            let finding = Finding::new(FindingKind::File, &directory, detail);
            findings.push(finding.command(Command::Shell(fix)));
        };
        // An offline tree belongs to the user who builds it.
        if host.is_live() && metadata.uid() != 0 {
            let uid = metadata.uid();
            found(format!("belongs to user {uid}, not to root"), format!("chown root {path}"));
        }
        let mode = metadata.mode() & 0o7777;
        if mode & 0o022 != 0 {
            let detail = format!("can be written by others than root (mode {mode:04o})");
            found(detail, format!("chmod go-w {path}"));
        }
    }
    findings
}
