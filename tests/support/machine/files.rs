//! Reads and writes files of a machine, and lists those that differ from the base tree.

use super::{Machine, bounded, output};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// What a running systemd writes by itself, whatever else happens.
const RESTLESS: [&str; 5] = [
    "/var/lib/systemd/",
    "/var/log/journal/",
    "/var/log/wtmp",
    "/var/log/lastlog",
    "/var/tmp/systemd-",
];

/// A path that is not as it was in the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// What is there now.
    pub what: What,
    /// Its permission bits; 0 for a link and for nothing.
    pub mode: u32,
    /// Its user and group.
    pub owner: (u32, u32),
    /// When a file was last written, in seconds and nanoseconds; 0 for all else.
    pub written: (i64, i64),
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A file, by the SHA-256 of its content.
    File(String),
    /// A symbolic link, by its target.
    Link(String),
    /// A directory.
    Directory,
    /// Nothing any more.
    Nothing,
    /// A device, a socket, a pipe.
    Special,
}

impl Machine {
    /// A file's content, links followed as in the machine.
    pub fn read_file(&self, path: &str) -> String {
        self.in_files(&["cat", path], &[]).ok()
    }

    /// Writes a file, with the directories above it.
    pub fn write_file(&self, path: &str, content: impl AsRef<[u8]>) {
        const WRITE: &str = r#"mkdir -p "$(dirname "$0")" && cat >"$0""#;
        self.in_files(&["sh", "-c", WRITE, path], content.as_ref()).ok();
    }

    /// Copies a program of this host into the machine.
    pub fn install(&self, program: &Path, path: &str) {
        self.write_file(path, fs::read(program).expect("a program"));
        self.in_files(&["chmod", "755", path], &[]).ok();
    }

    /// Runs a command of the machine on its files; also while it is off.
    fn in_files(&self, command: &[&str], input: &[u8]) -> super::Output {
        let mut entered = match &self.container {
            Some(container) => bounded(container.init, &self.namespaces()),
            None => {
                let mut entered = bounded(self.holder_pid, &["--mount", "--pid"]);
                entered.args(["chroot", "/run/machine/root"]);
                entered
            }
        };
        output(entered.args(command), input)
    }

    /// Every path that differs from the base tree: by kind, content, mode or owner.
    pub fn changed_files(&self) -> BTreeMap<String, Changed> {
        let mut changed = BTreeMap::new();
        let directory = self.machine_directory();
        let base = directory.join("../base");
        collect(&directory.join("upper"), &base, "", &mut changed);
        changed.retain(|path, _| !RESTLESS.iter().any(|restless| path.starts_with(restless)));
        changed
    }

    /// The same, whenever they were written.
    pub fn changed_contents(&self) -> BTreeMap<String, Changed> {
        let mut changed = self.changed_files();
        changed.values_mut().for_each(|changed| changed.written = (0, 0));
        changed
    }
}

fn collect(upper: &Path, base: &Path, above: &str, changed: &mut BTreeMap<String, Changed>) {
    for entry in fs::read_dir(upper).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let path = format!("{above}/{}", name.to_string_lossy());
        let (here, before) = (entry.path(), base.join(&name));
        // It may be gone again: the machine runs.
        let Ok(metadata) = fs::symlink_metadata(&here) else { continue };
        let now = look(&here, &metadata);
        let was = fs::symlink_metadata(&before).ok().map(|metadata| look(&before, &metadata));
        let same = match &was {
            Some(was) => (&was.what, was.mode, was.owner) == (&now.what, now.mode, now.owner),
            None => now.what == What::Nothing,
        };
        if !same {
            changed.insert(path.clone(), now);
        }
        if metadata.is_dir() {
            collect(&here, &before, &path, changed);
        }
    }
}

fn look(path: &Path, metadata: &Metadata) -> Changed {
    let kind = metadata.file_type();
    let what = if kind.is_dir() {
        What::Directory
    } else if kind.is_symlink() {
        What::Link(fs::read_link(path).unwrap_or_default().to_string_lossy().into_owned())
    } else if kind.is_file() {
        let digest = Sha256::digest(fs::read(path).unwrap_or_default());
        What::File(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    } else if kind.is_char_device() && metadata.rdev() == 0 {
        // How an overlay says that a file of the tree below is gone.
        What::Nothing
    } else {
        What::Special
    };
    let bits = metadata.mode() & 0o7777;
    let mode = if matches!(what, What::Link(_) | What::Nothing) { 0 } else { bits };
    let written = match what {
        What::File(_) => (metadata.mtime(), metadata.mtime_nsec()),
        _ => (0, 0),
    };
    let owner = if what == What::Nothing { (0, 0) } else { (metadata.uid(), metadata.gid()) };
    Changed { what, mode, owner, written }
}
