//! Writes the files that differ.
//!
//! Guarantees: every new file is on the disk beside its target before the first one is replaced, so a full
//! disk or a missing permission changes nothing. Each file is replaced atomically.

use super::diff::{Change, Fix};
use crate::bundle::SUMS;
use crate::cli::output::{err, out};
use crate::error::Error;
use crate::files::{self, Staged};
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::thread;

/// Waits until no other run writes below this directory, and keeps others out until the file is
/// dropped or the process ends. Where it cannot be locked, nothing in it can be written either, and
/// that is told better; a Windows directory cannot be opened as a file.
pub(super) fn lock(directory: &Path) -> Option<File> {
    File::open(directory).ok().filter(|directory| directory.lock().is_ok())
}

/// Writes and removes files, and prints each of them unless `quiet`.
pub(super) fn write(changes: &[Change], quiet: bool) -> Result<(), Error> {
    let say = |text: String| {
        if !quiet {
            out!("{text}")
        }
    };
    if changes.is_empty() {
        say("up to date".to_owned());
    }
    let mut made = Vec::new();
    let staged = stage(changes, &mut made).map_err(|error| {
        files::remove_directories(&made);
        error.and("nothing was written")
    })?;
    let mut directories: BTreeSet<PathBuf> = BTreeSet::new();
    for (change, file) in staged {
        file.commit()?;
        directories.insert(files::directory_of(&change.path).to_path_buf());
        let verb = if change.old.is_some() { "changed" } else { "wrote" };
        say(format!("{verb} {}", change.path.display()));
    }
    for change in changes {
        match change.fix {
            Fix::Write { .. } => {}
            Fix::Remove => {
                files::remove(&change.path)?;
                say(format!("removed {}", change.path.display()));
            }
            Fix::LeaveAlone => {
                err!("warning: {} is not ours and was left alone", change.path.display());
            }
        }
    }
    let directories: Vec<PathBuf> = directories.into_iter().collect();
    in_parallel(&directories, |directory| files::sync_directory(directory)).map(drop)
}

/// Writes every new file beside its target; appends the directories that it made to `made`. SHA256SUMS
/// comes last, so that a bundle whose run was killed does not match it.
fn stage<'a>(
    changes: &'a [Change],
    made: &mut Vec<PathBuf>,
) -> Result<Vec<(&'a Change, Staged)>, Error> {
    let mut written: Vec<(&Change, &[u8], u32)> = Vec::new();
    for change in changes {
        if let Fix::Write { bytes, mode } = &change.fix {
            made.extend(files::make_directories(files::directory_of(&change.path))?);
            written.push((change, bytes, *mode));
        }
    }
    written.sort_by_key(|(change, ..)| change.path.ends_with(SUMS));
    let staged = in_parallel(&written, |(change, bytes, mode)| {
        files::stage(&change.path, bytes, *mode, None)
    })?;
    Ok(written.into_iter().map(|(change, ..)| change).zip(staged).collect())
}

/// Acts on all items, several at a time, because most of the time is waiting for the disk. The results are
/// in order; of several errors, the first one's is returned.
fn in_parallel<T: Sync, R: Send>(
    all: &[T],
    act: impl Fn(&T) -> Result<R, Error> + Sync,
) -> Result<Vec<R>, Error> {
    const MAX_THREADS: usize = 8;
    let share = all.len().div_ceil(MAX_THREADS).max(1);
    thread::scope(|scope| {
        let act = &act;
        let shares =
            all.chunks(share).map(|share| scope.spawn(move || share.iter().map(act).collect()));
        let shares: Vec<_> = shares.collect();
        let mut results = Vec::with_capacity(all.len());
        for share in shares {
            let done: Result<Vec<R>, Error> =
                share.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            results.extend(done?);
        }
        Ok(results)
    })
}
