//! What the options of a verb name: the host and its lock, the bundle.

use crate::args::InstallerArgs;
use crate::cli::output::err;
use crate::error::Error;
use crate::host::lock::Lock;
use crate::host::prepare::Target;
use crate::host::{Host, lock};

/// The host that the options name, and the bundle with what it wants.
pub(super) fn opened(args: &InstallerArgs) -> Result<(Host, Target), Error> {
    let host = Host::at(&args.root)?;
    let target = Target::open(&host, args.bundle.as_deref())?;
    Ok((host, target))
}

/// Locks the host. Prints a line if it has to wait for another process.
pub(super) fn locked(host: &Host) -> Result<Lock, Error> {
    lock::take(host, note_wait)
}

/// Says that another process holds the lock.
pub(super) fn note_wait() {
    err!("waiting for another redisguard-install to end");
}
