//! Carries out a plan, all of it or nothing.
//!
//! Guarantees: every effect can be undone until the last step has succeeded; if a step fails, the earlier
//! ones are undone.

use super::arm::arm;
use super::confirm::{FORMER_BUNDLE, disarm};
use super::intent;
use super::rollback::roll_back;
use super::rollback_journal::Journal;
use super::state::Change;
use crate::error::Error;
use crate::files;
use crate::firewall;
use crate::firewall::drift_cache::RulesetGeneration;
use crate::firewall::{DryRunNetns, Firewall, Snapshot};
use crate::host::prepare::{Prepared, Target};
use crate::host::receipt;
use crate::host::receipt::{Origin, Receipt, State};
use crate::host::{Host, listener_health, local_reserved_ports, observe, rules_service, units};
use crate::os::systemd;
use crate::plan;
use crate::plan::{InPlace, Observed, Plan, Step};
use crate::unit::Unit;
use std::time::Duration;

/// How long a listener that was just started may take to answer: the host may be busy.
const LISTENER_TIMEOUT: Duration = Duration::from_secs(10);
const HELP: &str = "mend the cause and run the same again";

/// Carries out a plan that was just computed under the lock.
///
/// # Errors
/// Names the step and its cause; files, rules and units are as they were.
pub fn apply(
    host: &Host,
    target: &Target,
    origin: Origin,
    prepared: &Prepared,
) -> Result<(), Error> {
    let Prepared { observed, plan, receipt: before, .. } = prepared;
    let before = before.as_ref();
    refuse_masked(host, plan, observed)?;
    target.wanted.load().map_err(|cause| Error::new("read this program's own file", cause))?;
    let mut change = Change {
        host,
        target,
        observed,
        before,
        receipt: intent::receipt(before, target, origin, observed),
        journal: Journal::default(),
        intent_length: 0,
        kernel_rules: None,
        rules_touched: false,
        started: Vec::new(),
    };
    match change.carry_out(plan) {
        Ok(()) => {
            change.journal.commit();
            Ok(())
        }
        Err(error) => Err(roll_back(change, error.or_help(HELP))),
    }
}

/// Carries out a plan that is undone after `window` unless it is confirmed; until when it can be, in UTC.
///
/// # Errors
/// As [`apply`]; what keeps this host from undoing it by itself.
pub fn apply_until_confirmed(
    host: &Host,
    target: &Target,
    origin: Origin,
    prepared: &Prepared,
    window: Duration,
) -> Result<String, Error> {
    let record = arm(host, target, prepared, window)?;
    match apply(host, target, origin, prepared) {
        Ok(()) => Ok(record.restart_window(host, window)),
        Err(error) => Err(match disarm(host) {
            Ok(()) => error,
            Err(worse) => error.and(worse),
        }),
    }
}

/// A unit that an administrator masked stays masked until they unmask it.
fn refuse_masked(host: &Host, plan: &Plan, observed: &Observed) -> Result<(), Error> {
    let masked = plan::masked(plan, observed).join(" ");
    if masked.is_empty() {
        return Ok(());
    }
    let error = Error::new(format!("start {masked}"), "an administrator has masked it");
    let unmask = format!("{} unmask {masked}", host.systemctl());
    Err(error.help(format!("if it shall run: {unmask}, then the same again")))
}

impl Change<'_> {
    fn carry_out(&mut self, plan: &Plan) -> Result<(), Error> {
        // Kept until the rules are loaded: the kernel would remove the namespace at the same time.
        let dry_run = DryRunNetns::default();
        let firewall = self.firewall(plan, &dry_run)?;
        sweep(self.host, &self.receipt)?;
        self.write_intent(plan)?;
        plan.steps.iter().try_for_each(|step| self.file_step(step))?;
        self.receipt.files.retain(|path, _| self.host.exists(path));
        self.receipt.links.retain(|path, _| self.host.exists(path));
        if plan.steps.iter().any(|step| matches!(step, Step::RemoveFile { .. })) {
            // The block unit compares the installed files with the receipt.
            self.receipt.write(self.host)?;
        }
        if self.host.has_systemd() {
            systemd::daemon_reload()?;
        }
        let mut found = None;
        for step in &plan.steps {
            self.live_step(step)?;
            if let Some(firewall) = firewall.as_ref().filter(|_| self.loads_rules(step)) {
                found = self.verify_loaded(firewall)?;
            }
        }
        self.check_units()?;
        if !observe::is_kept(self.host, &self.target.bundle) {
            let [next, last_good] = [receipt::NEXT_BUNDLE, receipt::BUNDLE];
            self.journal.exchange(&self.host.path(next), &self.host.path(last_good))?;
        }
        if firewall.is_some_and(|firewall| !firewall.makes_tables()) {
            // Made for the rules of the other backend, which are gone by now.
            self.receipt.tables.take().iter().for_each(firewall::drop_empty_tables);
        }
        self.receipt.state = State::Applied;
        self.receipt.applied = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        self.receipt.write(self.host)?;
        found.iter().for_each(RulesetGeneration::mark_verified);
        Ok(())
    }

    /// The firewall that will load the rules, after the kernel has checked them; `None` where the plan
    /// loads none.
    fn firewall(&mut self, plan: &Plan, dry_run: &DryRunNetns) -> Result<Option<Firewall>, Error> {
        if !plan.steps.iter().any(|step| matches!(step, Step::LoadRules { .. })) {
            return Ok(None);
        }
        let firewall = Firewall::of(&self.target.bundle, &self.target.guard_config)?;
        self.kernel_rules = Some(Snapshot::take()?);
        if firewall.makes_tables() && self.receipt.tables.is_none() {
            self.receipt.tables = firewall::existing_tables();
        }
        firewall.check(&firewall.observe()?, dry_run)?;
        Ok(Some(firewall))
    }

    /// Writes everything that must be on the disk before the first change: the bundle whose rules are
    /// loaded when the installed ones are damaged, copies of what will be replaced, and the receipt.
    fn write_intent(&mut self, plan: &Plan) -> Result<(), Error> {
        let bundle = &self.target.bundle;
        let file = bundle.host_files().find(|(path, _)| *path == local_reserved_ports::FILE);
        let own = file.map(|(_, bytes)| local_reserved_ports::assigned_by(bytes));
        let added = self.before.map(|before| local_reserved_ports::added(self.host, before));
        let ports = intent::LocalPorts {
            own: own.unwrap_or_default(),
            added: added.transpose()?.unwrap_or_default(),
        };
        let copies = intent::complete(&mut self.receipt, self.host, plan, self.before, ports);
        copies.iter().try_for_each(|(copy, _)| self.host.confine(copy))?;
        let path = self.host.path(receipt::PATH);
        if self.before.is_none() {
            // Until the whole receipt is written, a removal has only the directories to remove.
            let mut nothing = Receipt::default();
            nothing.directories.clone_from(&self.receipt.directories);
            self.journal.replace(&path, &nothing.bytes()?, receipt::MODE)?;
        }
        if !observe::is_kept(self.host, bundle) {
            let [next, former] = [receipt::NEXT_BUNDLE, FORMER_BUNDLE];
            let [next, former] = [next, former].map(|path| self.host.path(path));
            self.journal.write_tree(&next, bundle.artifacts(), &former)?;
        }
        for (copy, bytes) in copies {
            self.journal.replace(&self.host.path(&copy), &bytes, 0o600)?;
        }
        self.journal.replace(&path, &self.receipt.bytes()?, receipt::MODE)?;
        self.intent_length = self.journal.len();
        Ok(())
    }

    fn file_step(&mut self, step: &Step) -> Result<(), Error> {
        match step {
            Step::WriteFile { path, new, .. } => {
                self.journal.replace(&self.host.path(path), &new.bytes, new.mode)
            }
            Step::Link { path, target, old } => {
                let here = self.host.path(path);
                if *old == InPlace::File {
                    let aside = self.host.path(&intent::aside(self.host, path));
                    self.journal.move_aside(&here, &aside)?;
                }
                self.journal.link(&here, target)
            }
            Step::RemoveFile { path, .. } | Step::Unlink { path } => {
                self.journal.remove(&self.host.path(path))
            }
            _ => Ok(()),
        }
    }

    fn live_step(&mut self, step: &Step) -> Result<(), Error> {
        match step {
            Step::RemoveLocalPorts { ports } => {
                self.journal.remove_local_ports(self.host, ports)?;
                let added = local_reserved_ports::added(self.host, &self.receipt)?;
                self.receipt.local_ports = Some(added.difference(ports));
                Ok(())
            }
            Step::AddLocalPorts { ports } => self.journal.add_local_ports(self.host, ports),
            // Under systemd the block unit loads them when it is (re)started by a later step, so that a
            // change that is killed here leaves the old rules or the new ones.
            Step::LoadRules { .. } if !self.host.has_systemd() => {
                self.rules_touched = true;
                let Target { bundle, guard_config, .. } = self.target;
                rules_service::load(bundle, guard_config, &DryRunNetns::default()).map(drop)
            }
            Step::StartUnit { unit, verb, .. } => {
                self.rules_touched |= *unit == Unit::Block;
                self.started.push(*unit);
                units::reset_failed(&[*unit]);
                units::control(verb, &[*unit])
            }
            _ => Ok(()),
        }
    }

    /// Whether a step loads rules that differ from those in the kernel.
    fn loads_rules(&self, step: &Step) -> bool {
        match step {
            Step::LoadRules { .. } => !self.host.has_systemd(),
            Step::StartUnit { unit, .. } => *unit == Unit::Block,
            _ => false,
        }
    }

    /// Compares the rules with what was loaded. If others have changed them since, they are loaded once
    /// more.
    fn verify_loaded(&self, firewall: &Firewall) -> Result<Option<RulesetGeneration>, Error> {
        let Target { bundle, guard_config, .. } = self.target;
        firewall.verify_loaded().or_else(|_| rules_service::load_verified(bundle, guard_config))
    }

    /// Whether the units that were started run, and the listener answers. One that dies at once, or does
    /// not answer, is a step that failed.
    fn check_units(&self) -> Result<(), Error> {
        if self.started.is_empty() {
            return Ok(());
        }
        if self.started.contains(&Unit::Listener) {
            let guard_config = &self.target.guard_config;
            if let Some(wrong) = listener_health::wrong_answer(guard_config, LISTENER_TIMEOUT) {
                let error = Error::new(format!("have {} answer", Unit::Listener), wrong);
                return Err(error.and(systemd::last_words(Unit::Listener.name())));
            }
        }
        for (unit, state) in units::states(&self.started)? {
            if state.active != "active" {
                let error = Error::new(format!("keep {unit} running"), state.active);
                return Err(error.and(systemd::last_words(unit.name())));
            }
        }
        Ok(())
    }
}

/// Removes temporary files that killed changes left.
fn sweep(host: &Host, receipt: &Receipt) -> Result<(), Error> {
    files::remove_unfinished(&observe::written_paths(host, receipt));
    files::remove_tree(&host.path(receipt::NEXT_BUNDLE))
}
