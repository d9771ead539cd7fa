//! File systems that `apply` must write to and cannot: full ones, and those that are mounted read-only.

use crate::host::{Host, receipt};
use crate::plan::Step;
use nix::sys::statvfs::{FsFlags, statvfs};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// What the receipt, its directories and a lock take, generously.
const RECORD: u64 = 64 << 10;

/// What a person must do before `apply` can carry out these steps, one sentence for each file system.
pub(super) fn obstacles(host: &Host, steps: &[Step]) -> Vec<String> {
    let mut sizes = BTreeMap::from([(existing(host, receipt::PATH), RECORD)]);
    for step in steps {
        let (path, size) = match step {
            Step::WriteFile { path, new, .. } => (path, new.bytes.len() as u64),
            Step::RemoveFile { path, .. } | Step::Link { path, .. } | Step::Unlink { path } => {
                (path, 0)
            }
            _ => continue,
        };
        *sizes.entry(existing(host, path)).or_default() += size;
    }
    let mut sentences = Vec::new();
    let mut by_device: BTreeMap<u64, (u64, Vec<PathBuf>)> = BTreeMap::new();
    for (directory, size) in sizes {
        let Ok(mount) = statvfs(&directory) else { continue };
        let path = directory.display();
        if mount.flags().contains(FsFlags::ST_RDONLY) {
            sentences.push(format!("make {path} writable: its file system is mounted read-only"));
        }
        let Ok(metadata) = directory.metadata() else { continue };
        let (all, directories) = by_device.entry(metadata.dev()).or_default();
        *all += size;
        directories.push(directory);
    }
    for (needed, directories) in by_device.into_values() {
        let Some(Ok(mount)) = directories.first().map(statvfs) else { continue };
        let free = mount.blocks_available() * mount.fragment_size();
        if free < needed {
            let paths: Vec<String> =
                directories.iter().map(|path| path.display().to_string()).collect();
            sentences.push(format!(
                "free space on the disk of {}: {} KiB are free, and apply needs {} KiB",
                paths.join(" and "),
                free >> 10,
                needed.div_ceil(1 << 10)
            ));
        }
    }
    sentences
}

/// The directory that a path is in, or will be made in.
fn existing(host: &Host, path: &str) -> PathBuf {
    let here = host.path(path);
    let mut above = here.ancestors().skip(1);
    above.find(|directory| directory.is_dir()).map_or_else(|| host.path("/"), PathBuf::from)
}
