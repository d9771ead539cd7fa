//! What the options of a verb name: the host and its lock, the bundle.

use crate::args::InstallerArgs;
use crate::bundle::{Bundle, GuardConfig};
use crate::cli::output::err;
use crate::error::Error;
use crate::host::lock::Lock;
use crate::host::prepare::Target;
use crate::host::{Host, bundle_source, lock};

/// The host that the options name, and the bundle with what it wants.
pub(super) fn opened(args: &InstallerArgs) -> Result<(Host, Target), Error> {
    Ok((Host::at(&args.root)?, Target::open(args.bundle.as_deref())?))
}

/// The host and the bundle that the options name, and the bundle's guard config.
pub(super) fn inputs(args: &InstallerArgs) -> Result<(Host, Bundle, GuardConfig), Error> {
    let host = Host::at(&args.root)?;
    let bundle = bundle_source::bundle(args.bundle.as_deref())?;
    let guard_config = bundle_source::guard_config(&bundle)?;
    Ok((host, bundle, guard_config))
}

/// Locks the host. Prints a line if it has to wait for another process.
pub(super) fn locked(host: &Host) -> Result<Lock, Error> {
    lock::take(host, || err!("waiting for another redisguard-install to end"))
}
