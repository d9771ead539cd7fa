//! Undoes a change that was not confirmed: applies the bundle from before, or removes everything.

use super::confirm::{FORMER_BUNDLE, FORMER_PROGRAM, Record, forget, read};
use super::{apply, remove};
use crate::bundle::BINARY;
use crate::error::Error;
use crate::host::observe::Detail;
use crate::host::prepare::{Target, prepare};
use crate::host::receipt::Origin;
use crate::host::{Host, bundle_source};
use crate::os::unit_jobs::Queued;
use crate::plan::Plan;
use crate::spec::Expected;
use std::thread;
use std::time::Duration;

/// How often the record is read while nothing happens: it may be confirmed at any time.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Waits until a change is no longer to be confirmed. `false`: nothing waits any more.
///
/// # Errors
/// A record that cannot be read.
pub fn wait_until_over(host: &Host) -> Result<bool, Error> {
    while let Some(record) = read(host)? {
        if record.is_over(host) {
            return Ok(true);
        }
        thread::sleep(record.time_left(host).min(POLL_INTERVAL));
    }
    Ok(false)
}

/// What was undone.
pub struct Reverted {
    /// The digest of the bundle that is applied again. `None`: everything was removed.
    pub bundle: Option<String>,
    /// What was done for that.
    pub plan: Plan,
    /// The units that systemd starts later, because their starts wait for other jobs.
    pub queued: Vec<Queued>,
}

/// Undoes the change that waits now, under the lock.
///
/// # Errors
/// No change waits; a step that failed.
pub fn revert(host: &Host) -> Result<Reverted, Error> {
    let none = || {
        Error::new("go back", "no change waits for its confirmation")
            .help("look at what is applied here with `redisguard-install status`")
    };
    undo(host, read(host)?.ok_or_else(none)?)
}

/// Undoes the change that waits if its time is over, under the lock. `None`: it was confirmed, or its time
/// was set anew, while this process waited for the lock.
///
/// # Errors
/// A step that failed.
pub fn revert_if_over(host: &Host) -> Result<Option<Reverted>, Error> {
    let record = read(host)?.filter(|record| record.is_over(host));
    record.map(|record| undo(host, record)).transpose()
}

fn undo(host: &Host, mut record: Record) -> Result<Reverted, Error> {
    record.begin_undoing(host);
    let (plan, queued) = if record.former.is_some() {
        let target = former_target(host, record.origin, record.expect.take())?;
        let prepared = prepare(host, &target, Detail::Drift)?;
        prepared.refuse_irregular()?;
        let applied = apply::apply(&prepared, None)?;
        (prepared.plan, applied.queued)
    } else {
        let plan = remove::plan(host)?;
        remove::remove(host, &plan)?;
        (plan, Vec::new())
    };
    // The process that waits sees that the record is gone, and ends; it may be this one.
    forget(host)?;
    Ok(Reverted { bundle: record.former, plan, queued })
}

/// The bundle from before, and the program that was installed with it.
fn former_target(host: &Host, origin: Origin, declared: Option<Expected>) -> Result<Target, Error> {
    host.confine(&format!("{FORMER_BUNDLE}/host"))?;
    let former = bundle_source::bundle(Some(&host.path(FORMER_BUNDLE)))?;
    let mut target = Target::of(former)?.declaring(declared);
    target.origin = Some(origin);
    let former = host.read(FORMER_PROGRAM)?;
    let former = former.map_or_else(|| host.read(BINARY), |bytes| Ok(Some(bytes)))?;
    if let (Some(bytes), Some(program)) = (former, target.wanted.files.get_mut(BINARY)) {
        program.bytes = bytes.into();
    }
    Ok(target)
}
