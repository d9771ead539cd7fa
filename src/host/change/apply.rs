//! Carries out a plan, all of it or nothing.
//!
//! Guarantees: every effect can be undone until the last step has succeeded; if a step fails, the earlier
//! ones are undone.

use super::arm::arm;
use super::confirm::{self, FORMER_BUNDLE};
use super::intent;
use super::rollback::roll_back;
use super::rollback_journal::Journal;
use super::rules_first;
use super::state::Change;
use crate::error::Error;
use crate::files;
use crate::firewall::drift_cache::RulesetGeneration;
use crate::firewall::{self, DryRunNetns, Firewall, Snapshot};
use crate::host::lock::{self, Lock};
use crate::host::observe::Detail;
use crate::host::prepare::{Prepared, Target, prepare};
use crate::host::receipt::{self, Receipt, State};
use crate::host::units::Started;
use crate::host::{
    Host, bundle_source, listener_health, local_reserved_ports, rules_service, units,
};
use crate::os::systemd;
use crate::os::unit_jobs::Queued;
use crate::plan::{self, InPlace, Step};
use crate::report::to_rfc3339;
use crate::unit::Unit;
use jiff::Timestamp;
use std::time::Duration;

/// How long a listener that was just started may take to answer: the host may be busy.
const LISTENER_TIMEOUT: Duration = Duration::from_secs(10);
const HELP: &str = "remove the cause and run it again";

/// Locks the host, and plans the change that makes it match the target. The lock is held until the change
/// is made; `on_wait` is called if another process holds it. Rules that others have removed are brought back at
/// once, whatever becomes of the change.
///
/// # Errors
/// A lock that cannot be taken, an unconfirmed change; as [`prepare`].
pub fn begin<'a>(
    host: &'a Host,
    target: &'a Target,
    on_wait: impl FnOnce(),
) -> Result<(Lock, Prepared<'a>), Error> {
    let lock = lock::take(host, on_wait)?;
    confirm::refuse(host, &format!("apply bundle {}", target.guard_config.bundle))?;
    let mut prepared = prepare(host, target, Detail::Drift)?;
    if prepared.plan.steps.iter().any(|step| matches!(step, Step::LoadRules { .. })) {
        prepared.tables = firewall::existing_tables();
        // Where they cannot be, this change may still load its own.
        prepared.rules_brought_back = rules_first::bring_back(host).unwrap_or(false);
    }
    Ok((lock, prepared))
}

/// What a change has left to be done.
#[derive(Default)]
pub struct Applied {
    /// Until when the change can be confirmed, in UTC; `None` where it needs no confirmation.
    pub confirm_by: Option<String>,
    /// The units that systemd starts later, because their starts wait for other jobs.
    pub queued: Vec<Queued>,
}

/// Carries out a plan that was just computed under the lock, if it has any step. With a `window` the change
/// is undone after that unless it is confirmed.
///
/// # Errors
/// Names the step and its cause; files, rules and units are as they were. What keeps this host from undoing
/// the change by itself.
pub fn apply(prepared: &Prepared<'_>, window: Option<Duration>) -> Result<Applied, Error> {
    if prepared.plan.is_empty() {
        return Ok(Applied::default());
    }
    let Some(window) = window else {
        return carry_out(prepared).map(|queued| Applied { confirm_by: None, queued });
    };
    let record = arm(prepared, window)?;
    match carry_out(prepared) {
        Ok(queued) => {
            let confirm_by = Some(record.restart_window(prepared.host, window));
            Ok(Applied { confirm_by, queued })
        }
        Err(error) => Err(confirm::disarm(prepared.host).err().into_iter().fold(error, Error::and)),
    }
}

fn carry_out(prepared: &Prepared<'_>) -> Result<Vec<Queued>, Error> {
    refuse_masked(prepared)?;
    prepared.target.load()?;
    let mut change = Change {
        prepared,
        receipt: intent::receipt(prepared),
        journal: Journal::default(),
        intent_length: 0,
        kernel_rules: None,
        rules_touched: false,
        started: Vec::new(),
        stopped: Vec::new(),
        queued: Vec::new(),
    };
    match change.carry_out() {
        Ok(()) => {
            change.journal.commit();
            remove_empty_directories(prepared.host, &mut change.receipt);
            Ok(change.queued)
        }
        Err(error) => Err(roll_back(change, error.or_help(HELP))),
    }
}

/// Removes the directories that were made for files of an earlier bundle, once they are empty. One that cannot
/// be removed goes with the guard.
fn remove_empty_directories(host: &Host, receipt: &mut Receipt) {
    let made: Vec<_> = receipt.directories.iter().map(|path| host.path(path)).collect();
    files::remove_directories(&made);
    receipt.directories.retain(|path| host.exists(path));
    if receipt.directories.len() < made.len() {
        // One that is listed and gone is no obstacle to anything.
        let _ = receipt.write(host);
    }
}

/// A unit that an administrator masked stays masked until they unmask it.
fn refuse_masked(prepared: &Prepared<'_>) -> Result<(), Error> {
    let masked = plan::masked(&prepared.plan, &prepared.observed).join(" ");
    if masked.is_empty() {
        return Ok(());
    }
    let error = Error::new(format!("start {masked}"), "it is masked by an administrator");
    let unmask = format!("{} unmask {masked}", prepared.host.systemctl());
    Err(error.help(format!("if it may run: {unmask}, then run this again")))
}

impl Change<'_> {
    fn carry_out(&mut self) -> Result<(), Error> {
        let Prepared { host, target, plan, .. } = self.prepared;
        // Kept until the rules are loaded: the kernel would remove the namespace at the same time.
        let dry_run = DryRunNetns::default();
        let firewall = self.firewall(&dry_run)?;
        // What killed changes have left.
        self.receipt.remove_unfinished(host);
        files::remove_tree(&host.path(receipt::NEXT_BUNDLE))?;
        self.write_intent()?;
        plan.steps.iter().try_for_each(|step| self.file_step(step))?;
        self.receipt.files.retain(|path, _| host.exists(path));
        self.receipt.links.retain(|path, _| host.exists(path));
        if plan.steps.iter().any(|step| matches!(step, Step::RemoveFile { .. })) {
            // The block unit compares the installed files with the receipt.
            self.receipt.write(host)?;
        }
        if host.has_systemd() {
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
        if !bundle_source::is_last_good(host, &target.bundle) {
            let [next, last_good] = [receipt::NEXT_BUNDLE, receipt::BUNDLE];
            self.journal.exchange(&host.path(next), &host.path(last_good))?;
        }
        if firewall.is_some_and(|firewall| !firewall.makes_tables()) {
            // Made for the rules of the other backend, which are gone by now.
            self.receipt.tables.take().iter().for_each(firewall::drop_empty_tables);
        }
        self.receipt.state = State::Applied;
        self.receipt.applied = to_rfc3339(Timestamp::now().as_millisecond());
        self.receipt.write(host)?;
        found.iter().for_each(RulesetGeneration::mark_verified);
        Ok(())
    }

    /// The firewall that will load the rules, after the kernel has checked them; `None` where the plan
    /// loads none.
    fn firewall(&mut self, dry_run: &DryRunNetns) -> Result<Option<Firewall>, Error> {
        let Prepared { target, plan, .. } = self.prepared;
        if !plan.steps.iter().any(|step| matches!(step, Step::LoadRules { .. })) {
            return Ok(None);
        }
        let firewall = Firewall::of(&target.bundle, &target.guard_config)?;
        self.kernel_rules = Some(Snapshot::take()?);
        if firewall.makes_tables() && self.receipt.tables.is_none() {
            let before = self.prepared.tables.clone();
            self.receipt.tables = before.or_else(firewall::existing_tables);
        }
        firewall.check(&firewall.observe()?, dry_run)?;
        Ok(Some(firewall))
    }

    /// Writes everything that must be on the disk before the first change: the bundle whose rules are
    /// loaded when the installed ones are damaged, copies of what will be replaced, and the receipt.
    fn write_intent(&mut self) -> Result<(), Error> {
        let Prepared { host, target, receipt: before, .. } = self.prepared;
        let added = local_reserved_ports::added(host, before.as_ref())?;
        let copies = intent::complete(&mut self.receipt, self.prepared, added);
        copies.iter().try_for_each(|(copy, _)| host.confine(copy))?;
        let path = host.path(receipt::PATH);
        if before.is_none() {
            // Until the whole receipt is written, a removal has only the directories to remove.
            let mut nothing = Receipt::default();
            nothing.directories.clone_from(&self.receipt.directories);
            self.journal.replace(&path, &nothing.bytes()?, receipt::MODE)?;
        }
        if !bundle_source::is_last_good(host, &target.bundle) {
            let [next, former] = [receipt::NEXT_BUNDLE, FORMER_BUNDLE].map(|path| host.path(path));
            self.journal.write_tree(&next, target.bundle.artifacts(), &former)?;
        }
        for (copy, bytes) in copies {
            self.journal.replace(&host.path(&copy), &bytes, 0o600)?;
        }
        self.journal.replace(&path, &self.receipt.bytes()?, receipt::MODE)?;
        self.intent_length = self.journal.len();
        Ok(())
    }

    fn file_step(&mut self, step: &Step) -> Result<(), Error> {
        let host = self.prepared.host;
        match step {
            Step::WriteFile { path, new, .. } => {
                self.journal.replace(&host.path(path), &new.bytes, new.mode)
            }
            Step::Link { path, target, old } => {
                let here = host.path(path);
                if *old == InPlace::File {
                    let aside = host.path(&intent::aside(host, path));
                    self.journal.move_aside(&here, &aside)?;
                }
                self.journal.link(&here, target)
            }
            Step::RemoveFile { path, .. } | Step::Unlink { path } => {
                self.journal.remove(&host.path(path))
            }
            _ => Ok(()),
        }
    }

    fn live_step(&mut self, step: &Step) -> Result<(), Error> {
        let Prepared { host, target, .. } = self.prepared;
        match step {
            Step::RemoveLocalPorts { ports } => {
                self.journal.remove_local_ports(host, ports)?;
                let added = local_reserved_ports::added(host, Some(&self.receipt))?;
                self.receipt.local_ports = Some(added.difference(ports));
                Ok(())
            }
            Step::AddLocalPorts { ports } => self.journal.add_local_ports(host, ports),
            // Under systemd the block unit loads them when it is (re)started by a later step, so that a
            // change that is killed here leaves the old rules or the new ones.
            Step::LoadRules { .. } if !host.has_systemd() => {
                self.rules_touched = true;
                rules_service::load(&target.bundle, &DryRunNetns::default()).map(drop)
            }
            Step::StopUnit { unit } => {
                self.stopped.push(*unit);
                units::control("stop", units::with_started(unit))?;
                units::reset_failed(&[*unit]);
                Ok(())
            }
            Step::StartUnit { unit, verb, .. } => {
                self.rules_touched |= *unit == Unit::Block;
                units::reset_failed(&[*unit]);
                // Pushed first: a unit that failed is stopped when the change is rolled back.
                self.started.push(*unit);
                match units::start(verb, *unit)? {
                    Started::Runs => {}
                    Started::Unconfined => drop(self.started.pop()),
                    Started::Later(queued) => {
                        if *unit == Unit::Block {
                            // The ports are guarded now, and its unit finds the rules in place.
                            rules_service::load(&target.bundle, &DryRunNetns::default())?;
                        }
                        self.queued.push(queued);
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether a step loads rules that differ from those in the kernel.
    fn loads_rules(&self, step: &Step) -> bool {
        match step {
            Step::LoadRules { .. } => !self.prepared.host.has_systemd(),
            Step::StartUnit { unit, .. } => *unit == Unit::Block,
            _ => false,
        }
    }

    /// Compares the rules with what was loaded. If others have changed them since, they are loaded once
    /// more.
    fn verify_loaded(&self, firewall: &Firewall) -> Result<Option<RulesetGeneration>, Error> {
        let bundle = &self.prepared.target.bundle;
        firewall.verify_loaded().or_else(|_| rules_service::load_verified(bundle))
    }

    /// Whether the units that were started run, and the listener answers. One that dies at once, or does
    /// not answer, is a step that failed. Those that systemd starts later cannot be judged.
    fn check_units(&self) -> Result<(), Error> {
        let is_queued = |unit: &Unit| self.queued.iter().any(|queued| queued.unit == unit.name());
        let started = self.started.iter().copied().filter(|unit| !is_queued(unit));
        let started: Vec<Unit> = started.collect();
        if started.is_empty() {
            return Ok(());
        }
        if started.contains(&Unit::Listener) {
            let Prepared { host, target, .. } = self.prepared;
            let guard_config = &target.guard_config;
            if let Some(wrong) = listener_health::wrong_answer(host, guard_config, LISTENER_TIMEOUT)
            {
                let error = Error::new(format!("have {} answer", Unit::Listener), wrong);
                return Err(error.and(systemd::last_words(Unit::Listener.name())));
            }
        }
        for (unit, state) in units::states(&started)? {
            // A check ends when it has checked.
            if state.active != "active" && (unit != Unit::Check || state.active == "failed") {
                let error = Error::new(format!("keep {unit} running"), state.active);
                return Err(error.and(systemd::last_words(unit.name())));
            }
        }
        Ok(())
    }
}
