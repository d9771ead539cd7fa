//! The locks that keep two processes from changing one host at a time.
//!
//! Guarantees: a lock is gone when its process is, however that ended (flock(2)).

use super::root::Host;
use crate::error::Error;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;

/// Held while the host is changed.
pub struct Lock {
    _file: Flock<File>,
}

/// Waits for the lock of a host; calls `on_wait` if another process holds it. An offline tree is locked by
/// its root directory itself, so that no file is left in the image.
///
/// # Errors
/// A lock that cannot be opened: no right to change this host.
pub fn take(host: &Host, on_wait: impl FnOnce()) -> Result<Lock, Error> {
    let file = if host.is_live() {
        let path = host.path("/run/redisguard.lock");
        OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(path)
    } else {
        File::open(host.path("/"))
    };
    wait("lock the host", file, on_wait)
}

/// Waits for the lock of the rules alone: the block unit takes it while apply holds that of the host. It
/// is on the network namespace, which the rules belong to.
///
/// # Errors
/// A kernel that has no such file.
pub fn take_for_rules() -> Result<Lock, Error> {
    wait("lock the rules", File::open("/proc/self/ns/net"), || {})
}

fn wait(action: &str, file: io::Result<File>, on_wait: impl FnOnce()) -> Result<Lock, Error> {
    let failed = |error: &dyn Display| Error::new(action, error).help("run it as root");
    let mut file = file.map_err(|error| failed(&error))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(locked) => return Ok(Lock { _file: locked }),
        Err((held, _)) => file = held,
    }
    on_wait();
    loop {
        match Flock::lock(file, FlockArg::LockExclusive) {
            Ok(locked) => return Ok(Lock { _file: locked }),
            Err((again, Errno::EINTR)) => file = again,
            Err((_, error)) => return Err(failed(&error)),
        }
    }
}
