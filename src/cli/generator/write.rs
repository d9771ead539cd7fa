//! Writing: everything is on the disk beside its place before the first file is replaced, so that a full
//! disk or a missing right changes nothing. Each file is replaced in one step.

use super::diff::Change;
use crate::bundle::SUMS;
use crate::cli::output::{err, out};
use crate::error::Error;
use crate::files;
use crate::files::Staged;
use nix::fcntl::{Flock, FlockArg};
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::thread;

/// Keeps two runs in one place apart; goes with the process, however it ends.
pub(super) struct Lock(#[allow(dead_code, reason = "it is held")] Option<Flock<File>>);

/// Waits until no other run writes below this directory. Where it cannot be locked, nothing in it can
/// be written either, and that is told better.
pub(super) fn lock(directory: &Path) -> Lock {
    let locked = File::open(directory).ok().map(|file| Flock::lock(file, FlockArg::LockExclusive));
    Lock(locked.and_then(Result::ok))
}

/// Writes; says on standard output what, unless it shall be quiet.
pub(super) fn write(changes: &[Change], quiet: bool) -> Result<(), Error> {
    let said = |text: String| {
        if !quiet {
            out!("{text}")
        }
    };
    if changes.is_empty() {
        said("up to date".to_owned());
    }
    let mut made = Vec::new();
    let (staged, removed) = stage(changes, &mut made).map_err(|trouble| {
        files::remove_directories(&made);
        trouble.and("nothing was written")
    })?;
    let mut directories: BTreeSet<PathBuf> = BTreeSet::new();
    for (change, file) in staged {
        file.commit()?;
        directories.insert(files::directory_of(&change.path).to_path_buf());
        let verb = if change.old.is_some() { "changed" } else { "wrote" };
        said(format!("{verb} {}", change.path.display()));
    }
    for change in removed {
        if change.ours {
            files::remove(&change.path)?;
            said(format!("removed {}", change.path.display()));
        } else {
            err!("warning: {} is not ours and was left alone", change.path.display());
        }
    }
    let directories: Vec<PathBuf> = directories.into_iter().collect();
    side_by_side(&directories, |directory| files::sync_directory(directory)).map(drop)
}

type Work<'a> = (Vec<(&'a Change, Staged)>, Vec<&'a Change>);

/// Writes every new file beside its place. The sums come last: a run that was killed is seen as one.
fn stage<'a>(changes: &'a [Change], made: &mut Vec<PathBuf>) -> Result<Work<'a>, Error> {
    let (new, removed): (Vec<_>, Vec<_>) = changes.iter().partition(|change| change.new.is_some());
    let (sums, others): (Vec<_>, Vec<_>) =
        new.into_iter().partition(|change| change.path.ends_with(SUMS));
    let new = [others, sums].concat();
    for change in &new {
        made.extend(files::make_directories(files::directory_of(&change.path))?);
    }
    let staged = side_by_side(&new, |change| {
        let bytes = change.new.as_deref().unwrap_or_default();
        files::stage(&change.path, bytes, change.mode, None)
    })?;
    Ok((new.into_iter().zip(staged).collect(), removed))
}

/// Does the same to all, some at once: most of it is waiting for the disk. The results are in order; of
/// several troubles the first one's.
fn side_by_side<T: Sync, R: Send>(
    all: &[T],
    act: impl Fn(&T) -> Result<R, Error> + Sync,
) -> Result<Vec<R>, Error> {
    const AT_ONCE: usize = 8;
    let share = all.len().div_ceil(AT_ONCE).max(1);
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
