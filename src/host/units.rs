//! The units of [`Unit`] as systemd has them.

use super::root::Host;
use crate::error::Error;
use crate::os::systemd::{self, UnitState};
use crate::os::unit_jobs::{self, Queued};
use crate::plan::UnitStatus;
use crate::unit::Unit;
use std::collections::BTreeMap;

/// Where systemd reads unit files from (systemd.unit(5)).
const DIRECTORIES: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Whether a host has the file of a unit.
pub fn is_installed(host: &Host, unit: &str) -> bool {
    DIRECTORIES.iter().any(|directory| host.exists(&format!("{directory}/{unit}")))
}

/// The states of units.
///
/// # Errors
/// systemctl is missing or fails.
pub fn states(units: &[Unit]) -> Result<BTreeMap<Unit, UnitState>, Error> {
    let names: Vec<&str> = units.iter().map(|unit| unit.name()).collect();
    let mut states = systemd::states(&names)?;
    let known = units.iter().filter_map(|unit| Some((*unit, states.remove(unit.name())?)));
    Ok(known.collect())
}

/// The part of them that a plan needs.
pub fn statuses(states: &BTreeMap<Unit, UnitState>) -> BTreeMap<Unit, UnitStatus> {
    let status = |state: &UnitState| UnitStatus {
        load: state.load.clone(),
        active: state.active.clone(),
        has_job: state.has_job,
    };
    states.iter().map(|(unit, state)| (*unit, status(state))).collect()
}

/// A unit, and those that it starts by itself.
pub fn with_started(unit: &Unit) -> &[Unit] {
    match unit {
        Unit::CheckTimer => &[Unit::CheckTimer, Unit::Check],
        unit => std::slice::from_ref(unit),
    }
}

/// Runs `systemctl VERB UNIT...`.
///
/// # Errors
/// As [`systemd::systemctl`].
pub fn control(verb: &str, units: &[Unit]) -> Result<(), Error> {
    let names = units.iter().map(|unit| unit.name());
    let arguments: Vec<&str> = std::iter::once(verb).chain(names).collect();
    systemd::systemctl(&arguments).map(drop)
}

/// How the start of a unit ended.
pub enum Started {
    /// It runs.
    Runs,
    /// systemd starts it after other jobs.
    Later(Queued),
    /// It does not run, because systemd may not make the namespaces that confine it. [`Unit::Fallback`] has
    /// loaded the rules if it was the block unit; anything else is the administrator's to change.
    Unconfined,
}

/// Starts a unit with `start` or `restart`.
///
/// # Errors
/// As [`unit_jobs::start`], unless the unit cannot be confined.
pub fn start(verb: &str, unit: Unit) -> Result<Started, Error> {
    let error = match unit_jobs::start(verb, unit.name()) {
        Ok(None) => return Ok(Started::Runs),
        Ok(Some(queued)) => return Ok(Started::Later(queued)),
        Err(error) => error,
    };
    let state = states(&[unit]).ok().and_then(|mut states| states.remove(&unit));
    if !state.is_some_and(|state| state.lacks_namespaces()) {
        return Err(error);
    }
    if unit == Unit::Block {
        // systemd has started it already, and this waits for its end. An older bundle has none.
        let _ = control("start", &[Unit::Fallback]);
    }
    Ok(Started::Unconfined)
}

/// Forgets failed starts: they must not count against the next one (systemd.unit(5),
/// StartLimitBurst=). One that had none is no error.
pub fn reset_failed(units: &[Unit]) {
    for unit in units {
        let _ = control("reset-failed", &[*unit]);
    }
}
