//! The locks that keep two processes from changing one host at a time.
//!
//! Guarantees: a lock is gone when its process is, however that ended (flock(2)). The file of the host's lock
//! is removed when the lock is released.

use super::root::Host;
use crate::error::Error;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The file of a running host's lock.
const FILE: &str = "/run/redisguard.lock";
/// The file of the lock of the rules in the host's own network.
const RULES_FILE: &str = "/run/redisguard-rules.lock";

/// Held while the host is changed.
pub struct Lock {
    file: Flock<File>,
    /// Where the file is, if it is removed with the lock.
    path: Option<PathBuf>,
}

impl Lock {
    /// Whether the file that was locked is still the one at its path. One that another process removed
    /// when it released the lock locks nothing any more.
    fn is_current(&self) -> bool {
        let Some(path) = &self.path else { return true };
        let known = self.file.metadata().ok().zip(fs::symlink_metadata(path).ok());
        known.is_some_and(|(own, there)| (own.dev(), own.ino()) == (there.dev(), there.ino()))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed while the lock is held: a process that waits for it finds another file, or none, and tries again.
        if let Some(path) = self.path.as_ref().filter(|_| self.is_current()) {
            let _ = fs::remove_file(path);
        }
    }
}

/// Waits for the lock of a host; calls `on_wait` if another process holds it. An offline tree is locked by
/// its root directory itself, so that no file is left in the image.
///
/// # Errors
/// A lock that cannot be opened: no right to change this host.
pub fn take(host: &Host, on_wait: impl FnOnce()) -> Result<Lock, Error> {
    const ACTION: &str = "lock the host";
    if !host.is_live() {
        let file = wait(ACTION, File::open(host.path("/")), on_wait)?;
        return Ok(Lock { file, path: None });
    }
    take_file(&host.path(FILE), ACTION, on_wait)
}

/// Waits for the lock on a file, which is created, and removed with the lock.
fn take_file(path: &Path, action: &str, on_wait: impl FnOnce()) -> Result<Lock, Error> {
    let mut on_wait = Some(on_wait);
    loop {
        let mut options = OpenOptions::new();
        let file = options.create(true).write(true).truncate(false).mode(0o600).open(path);
        let file = wait(action, file, || on_wait.take().into_iter().for_each(|tell| tell()))?;
        let lock = Lock { file, path: Some(path.to_path_buf()) };
        if lock.is_current() {
            return Ok(lock);
        }
    }
}

/// Waits for the lock of the rules alone: the block unit takes it while apply holds that of the host. In the
/// host's own network it is a file that only root can open, since any user could hold a lock on the network
/// namespace. It is on the namespace elsewhere, as for a rehearsal, and where /run cannot be written.
///
/// # Errors
/// A kernel that has no such file.
pub fn take_for_rules() -> Result<Lock, Error> {
    const ACTION: &str = "lock the rules";
    let network = |process| fs::read_link(format!("/proc/{process}/ns/net")).ok();
    let of_the_namespace = || {
        let file = wait(ACTION, File::open("/proc/self/ns/net"), || {})?;
        Ok(Lock { file, path: None })
    };
    // A confined unit may not read it: only the host's own network has such units.
    let is_elsewhere = network("1").is_some_and(|hosts| network("self") != Some(hosts));
    if is_elsewhere {
        return of_the_namespace();
    }
    take_file(Path::new(RULES_FILE), ACTION, || {}).or_else(|_| of_the_namespace())
}

fn wait(
    action: &str,
    file: io::Result<File>,
    on_wait: impl FnOnce(),
) -> Result<Flock<File>, Error> {
    let failed = |error: &dyn Display| Error::new(action, error);
    let mut file = file.map_err(|error| match error.kind() {
        ErrorKind::StorageFull => failed(&error).help("free some space in /run, then run it again"),
        ErrorKind::ReadOnlyFilesystem => {
            failed(&error).help("make /run writable, then run it again")
        }
        _ => failed(&error).help("run it as root"),
    })?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(locked) => return Ok(locked),
        Err((held, _)) => file = held,
    }
    on_wait();
    loop {
        match Flock::lock(file, FlockArg::LockExclusive) {
            Ok(locked) => return Ok(locked),
            Err((again, Errno::EINTR)) => file = again,
            Err((_, error)) => return Err(failed(&error)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    #[test]
    fn one_holds_the_lock_at_a_time_and_no_file_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let (holders, most) = (AtomicU32::new(0), AtomicU32::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let lock = take_file(&path, "lock", || {}).unwrap();
                        most.fetch_max(
                            holders.fetch_add(1, Ordering::SeqCst) + 1,
                            Ordering::SeqCst,
                        );
                        thread::yield_now();
                        holders.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
        assert_eq!(most.into_inner(), 1);
        assert!(!path.exists());
    }
}
