//! Owns taking back a change of which a step failed: files first, then the units that were touched, then
//! the rules.

use super::apply::{Change, forget_failures};
use crate::error::Error;
use crate::firewall;
use crate::host::{bundle_source, counters, rules_service};
use crate::os::systemd;
use crate::unit::Unit;
use std::fs;

impl Change<'_> {
    /// Takes everything back, last effect first, and adds to the trouble what could not be.
    pub(crate) fn take_back(mut self, trouble: Error) -> Error {
        let files_changed = self.announced > 0 && self.journal.length() > self.announced;
        if self.before.is_none() && self.host.is_live() {
            let _ = fs::remove_file(counters::PATH);
        }
        let mut worse = self.journal.take_back(self.announced, self.host);
        if worse.is_empty() {
            worse.extend(self.journal.take_back(0, self.host));
        } else if files_changed {
            // What could not be put back is still known, and kept, for the next apply or remove.
            worse.extend(self.receipt.write(self.host).err());
        }
        if files_changed && self.host.has_systemd() {
            worse.extend(systemd::daemon_reload().err());
        }
        // These leave nothing in the journal: a plan may touch them and no file.
        worse.extend(self.take_back_units().err());
        worse.extend(self.take_back_rules().err());
        if worse.is_empty() {
            return trouble.and("everything is as it was before");
        }
        worse.into_iter().fold(trouble, |trouble, worse| trouble.and(worse))
    }

    /// Has the units that were touched run as they ran before.
    fn take_back_units(&self) -> Result<(), Error> {
        let former = |unit: Unit| {
            let units = self.observed.units.as_ref();
            units.and_then(|units| units.get(&unit)).map_or("inactive", |state| &state.active)
        };
        for unit in self.touched.iter().rev().copied() {
            let mut units = vec![unit];
            if unit == Unit::CheckTimer {
                // What it has set off must not load anything behind our back.
                units.push(Unit::Check);
            }
            units.iter().copied().for_each(forget_failures);
            // One that had failed comes to fail again; that, and no less, is as it was.
            if matches!(former(unit), "inactive" | "deactivating") {
                // A unit that never came to be cannot be stopped, and need not be.
                let names: Vec<&str> = units.iter().map(|unit| unit.name()).collect();
                let _ = systemd::systemctl(&[&["stop"], names.as_slice()].concat());
                units.iter().copied().for_each(forget_failures);
            } else {
                let _ = systemd::systemctl(&["restart", unit.name()]);
            }
        }
        if self.touched.is_empty() {
            return Ok(());
        }
        let touched: Vec<&str> = self.touched.iter().map(|unit| unit.name()).collect();
        let runs = |active: &str| matches!(active, "active" | "reloading" | "activating");
        let states = systemd::states(&touched)?;
        for unit in self.touched.iter().copied() {
            let Some(state) = states.get(unit.name()) else { continue };
            let former = former(unit);
            if runs(former) != runs(&state.active) && former != "failed" {
                let cause = format!("it was {former} and is {}", state.active);
                return Err(Error::new(format!("put {unit} back"), cause));
            }
        }
        Ok(())
    }

    /// Brings back the rules: those that were applied before, also where others have destroyed them
    /// meanwhile. From guarded it never goes to open.
    fn take_back_rules(&self) -> Result<(), Error> {
        if !self.rules_touched {
            return Ok(());
        }
        let known = self.before.as_ref().and_then(|_| bundle_source::last_good(self.host).ok());
        let made_beside = self.receipt.tables.as_ref();
        match (known, &self.live) {
            (Some(bundle), _) => {
                rules_service::load_surely(&bundle, &rules_service::guard_config(&bundle)?)?;
                made_beside.into_iter().for_each(firewall::drop_empty_tables);
            }
            (None, _) if !self.observed.guarded => drop(rules_service::unload_but(made_beside)?),
            (None, Some(before)) => before.restore()?,
            (None, None) => {}
        }
        Ok(())
    }
}
