//! The units of [`Unit`] as systemd has them.

use crate::error::Error;
use crate::os::systemd::{self, UnitState};
use crate::os::unit_jobs::{self, Queued};
use crate::plan::UnitStatus;
use crate::unit::Unit;
use std::collections::BTreeMap;

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

/// Starts or restarts a unit. `Some`: systemd starts it later.
///
/// # Errors
/// As [`unit_jobs::start`].
pub fn start(verb: &str, unit: Unit) -> Result<Option<Queued>, Error> {
    unit_jobs::start(verb, unit.name())
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

/// Forgets failed starts: they must not count against the next one (systemd.unit(5),
/// StartLimitBurst=). One that had none is no error.
pub fn reset_failed(units: &[Unit]) {
    for unit in units {
        let _ = control("reset-failed", &[*unit]);
    }
}
