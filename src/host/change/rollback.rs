//! Undoes a change of which a step failed: first the files, then the units that were started, then the rules.
//!
//! Never: turns blocked ports into open ones.

use super::rules_first::LOADED_AGAIN;
use super::state::Change;
use crate::error::Error;
use crate::firewall;
use crate::host::prepare::Prepared;
use crate::host::{bundle_source, counters, rules_service, units};
use crate::os::systemd;
use crate::plan::UnitStatus;
use crate::unit::Unit;
use std::fs;

/// Undoes every effect, the last one first; the error of the step, and what could not be undone.
pub(super) fn roll_back(mut change: Change<'_>, error: Error) -> Error {
    let host = change.prepared.host;
    let files_changed = change.intent_length > 0 && change.journal.len() > change.intent_length;
    if change.prepared.receipt.is_none() && host.is_live() {
        let _ = fs::remove_file(counters::PATH);
    }
    let mut failures = change.journal.undo_after(change.intent_length, host);
    if failures.is_empty() {
        failures.extend(change.journal.undo_after(0, host));
    } else if files_changed {
        // The receipt and the copies stay: the next apply or remove can still put everything back.
        failures.extend(change.receipt.write(host).err());
    }
    if files_changed && host.has_systemd() {
        failures.extend(systemd::daemon_reload().err());
    }
    // Units and rules are not in the journal: a plan may touch them and no file.
    failures.extend(restore_units(&change).err());
    failures.extend(restore_rules(&change).err());
    if failures.is_empty() && change.prepared.rules_brought_back {
        return error.and(format!("{LOADED_AGAIN}, and everything else is as it was before"));
    }
    if failures.is_empty() {
        return error.and("everything is as it was before");
    }
    failures.into_iter().fold(error, Error::and)
}

/// Makes the units that were started or stopped run as they ran before.
fn restore_units(change: &Change<'_>) -> Result<(), Error> {
    let observed = &change.prepared.observed;
    let former = |unit: Unit| observed.units.as_ref().and_then(|units| units.get(&unit));
    let former_state = |unit| former(unit).map_or("inactive", |status| status.active.as_str());
    // The host boots, and systemd was about to start it.
    let was_queued = |unit| former(unit).is_some_and(|status| status.has_job);
    let touched = [change.stopped.as_slice(), &change.started].concat();
    for unit in touched.iter().rev().copied() {
        // A check that the timer has started would load the rules of this change again.
        let units = units::with_started(&unit);
        units::reset_failed(units);
        let is_down = matches!(former_state(unit), "inactive" | "deactivating");
        if is_down && was_queued(unit) {
            let _ = units::start("start", unit);
        } else if is_down {
            // systemctl fails for a unit whose file was never written; it does not run either.
            let _ = units::control("stop", units);
            units::reset_failed(units);
        } else {
            // A unit that had failed before may fail again: that is as it was.
            let _ = units::start("restart", unit);
        }
    }
    if touched.is_empty() {
        return Ok(());
    }
    for (unit, state) in units::statuses(&units::states(&touched)?) {
        let ran = former(unit).is_some_and(UnitStatus::is_running);
        let former = former_state(unit);
        if ran != state.is_running() && former != "failed" && !was_queued(unit) && !state.has_job {
            let cause = format!("it was {former} and is {}", state.active);
            return Err(Error::new(format!("put {unit} back"), cause));
        }
    }
    Ok(())
}

/// Loads the rules that were applied before, also where others have removed them meanwhile.
fn restore_rules(change: &Change<'_>) -> Result<(), Error> {
    if !change.rules_touched {
        return Ok(());
    }
    let Prepared { host, receipt: before, observed, .. } = change.prepared;
    let last_good = before.as_ref().and_then(|_| bundle_source::last_good(host).ok());
    let tables = change.receipt.tables.as_ref();
    match (last_good, &change.kernel_rules) {
        (Some(bundle), _) => {
            rules_service::load_verified(&bundle)?;
            tables.into_iter().for_each(firewall::drop_empty_tables);
        }
        (None, _) if !observed.rules_loaded => {
            rules_service::unload_but_tables(tables)?;
        }
        (None, Some(before)) => before.restore()?,
        (None, None) => {}
    }
    Ok(())
}
