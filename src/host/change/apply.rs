//! Owns carrying out a plan: all of it, or nothing. Every effect is done so that it can be taken back,
//! and a step that fails takes back those before it.

use super::confirm;
use super::intent;
use super::intent::announced;
use super::rollback_journal::Journal;
use crate::bundle::{Bundle, GuardConfig};
use crate::error::Error;
use crate::files;
use crate::firewall;
use crate::firewall::drift_cache::RulesetGeneration;
use crate::firewall::{DryRunNetns, Firewall, Snapshot};
use crate::host::receipt;
use crate::host::receipt::{Origin, Receipt, State};
use crate::host::{Host, listener_health, local_reserved_ports, observe, rules_service};
use crate::os::systemd;
use crate::plan;
use crate::plan::{InPlace, Observed, Plan, Step, Wanted};
use crate::unit::Unit;
use std::time::Duration;

/// How long a listener that was just started may take to answer: the host may be busy.
const PATIENCE: Duration = Duration::from_secs(10);
const CURE: &str = "mend the cause and run the same again";

/// A change under way.
pub(crate) struct Change<'a> {
    pub(super) host: &'a Host,
    pub(super) bundle: &'a Bundle,
    pub(super) guard_config: &'a GuardConfig,
    pub(super) observed: &'a Observed,
    pub(super) before: Option<Receipt>,
    pub(super) receipt: Receipt,
    pub(super) journal: Journal,
    /// The kernel's rules before they were touched.
    pub(super) live: Option<Snapshot>,
    /// Units that were told to start or restart; the others run on as they were.
    pub(super) touched: Vec<Unit>,
    /// Whether rules may have been loaded, through their unit or without it.
    pub(super) rules_touched: bool,
    /// The effects up to this one tell what is ours and was there before.
    pub(super) announced: usize,
}

/// Carries out a plan that was just computed under the lock.
///
/// # Errors
/// Names the step and its cause; files, rules and units are as they were.
pub fn apply(
    host: &Host,
    (bundle, guard_config, origin): (&Bundle, &GuardConfig, Origin),
    wanted: &Wanted,
    plan: &Plan,
    observed: &Observed,
) -> Result<(), Error> {
    refuse_masked(host, plan, observed)?;
    wanted.load().map_err(|cause| Error::new("read this program's own file", cause))?;
    let before = Receipt::read(host)?;
    let mut change = Change {
        host,
        bundle,
        guard_config,
        observed,
        receipt: announced(before.as_ref(), (bundle, guard_config, origin), wanted, observed),
        before,
        journal: Journal::default(),
        live: None,
        touched: Vec::new(),
        rules_touched: false,
        announced: 0,
    };
    match change.carry_out(plan) {
        Ok(()) => {
            change.journal.settle();
            Ok(())
        }
        Err(trouble) => Err(change.take_back(trouble.or_help(CURE))),
    }
}

/// What an administrator masked stays so until they say otherwise.
fn refuse_masked(host: &Host, plan: &Plan, observed: &Observed) -> Result<(), Error> {
    let masked = plan::masked(plan, observed).join(" ");
    if masked.is_empty() {
        return Ok(());
    }
    let trouble = Error::new(format!("start {masked}"), "an administrator has masked it");
    let unmask = format!("{} unmask {masked}", host.systemctl());
    Err(trouble.help(format!("if it shall run: {unmask}, then the same again")))
}

impl Change<'_> {
    fn carry_out(&mut self, plan: &Plan) -> Result<(), Error> {
        let rules = plan.steps.iter().any(|step| matches!(step, Step::Rules { .. }));
        let firewall = rules.then(|| Firewall::of(self.bundle, self.guard_config)).transpose()?;
        // Kept until the rules are loaded: removing a namespace would get in their way.
        let dry_run = DryRunNetns::default();
        let makes_tables = firewall.as_ref().is_some_and(Firewall::makes_tables);
        if let Some(firewall) = &firewall {
            self.live = Some(Snapshot::take()?);
            if makes_tables && self.receipt.tables.is_none() {
                self.receipt.tables = firewall.tables();
            }
            firewall.check(&firewall.observe()?, &dry_run)?;
        }
        sweep(self.host, &self.receipt)?;
        self.announce(plan)?;
        for step in &plan.steps {
            self.file_step(step)?;
        }
        let gone = |path: &String| !observe::exists(self.host, path);
        self.receipt.files.retain(|path, _| !gone(path));
        self.receipt.links.retain(|path, _| !gone(path));
        if plan.steps.iter().any(|step| matches!(step, Step::RemoveFile { .. })) {
            // The rules' unit holds what is installed against the receipt.
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
        if !observe::is_kept(self.host, self.bundle) {
            let [fresh, kept] = [receipt::NEXT_BUNDLE, receipt::BUNDLE];
            self.journal.exchange(&self.host.path(fresh), &self.host.path(kept))?;
        }
        if firewall.is_some() && !makes_tables {
            // Those that were made for the rules of another backend, which are gone by now.
            self.receipt.tables.take().iter().for_each(firewall::drop_empty_tables);
        }
        self.receipt.state = State::Applied;
        self.receipt.applied = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        self.receipt.write(self.host)?;
        found.iter().for_each(RulesetGeneration::mark_verified);
        Ok(())
    }

    /// Before the first change: the bundle that is loaded when the installed one is damaged, copies of
    /// what others have where ours will stand, and the receipt that says so.
    fn announce(&mut self, plan: &Plan) -> Result<(), Error> {
        let file = self.bundle.host_files().find(|(path, _)| *path == local_reserved_ports::FILE);
        let ours = file.map(|(_, bytes)| local_reserved_ports::of_file(bytes)).unwrap_or_default();
        let before = self.before.as_ref();
        let added =
            before.map(|before| local_reserved_ports::added(self.host, before)).transpose()?;
        let lists = (&ours, added.unwrap_or_default());
        let copies = intent::announce(&mut self.receipt, self.host, plan, before, lists);
        copies.iter().try_for_each(|(copy, _)| self.host.confine(copy))?;
        let path = self.host.path(receipt::PATH);
        if self.before.is_none() {
            // Until it says more, all that there is to take away is what it lies beside.
            let mut nothing = Receipt::default();
            nothing.directories.clone_from(&self.receipt.directories);
            self.journal.replace(&path, &nothing.bytes()?, receipt::MODE)?;
        }
        if !observe::is_kept(self.host, self.bundle) {
            let fresh = self.host.path(receipt::NEXT_BUNDLE);
            let known = self.host.path(confirm::FORMER_BUNDLE);
            self.journal.write_tree(&fresh, self.bundle.artifacts(), &known)?;
        }
        for (copy, bytes) in copies {
            self.journal.replace(&self.host.path(&copy), &bytes, 0o600)?;
        }
        self.journal.replace(&path, &self.receipt.bytes()?, receipt::MODE)?;
        self.announced = self.journal.length();
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
            Step::LetGo { ports } => {
                let ports = ports.parse().unwrap_or_default();
                self.journal.let_go(self.host, &ports)?;
                let left = local_reserved_ports::without(
                    &local_reserved_ports::added(self.host, &self.receipt)?,
                    &ports,
                );
                self.receipt.kept_free = Some(left.joined(","));
                Ok(())
            }
            Step::KeepFree { ports } => {
                self.journal.keep_free(self.host, &ports.parse().unwrap_or_default())
            }
            // Where systemd runs, the unit that is (re)started behind this loads them, so that a
            // change that is killed here leaves the old rules or the new ones.
            Step::Rules { .. } if !self.host.has_systemd() => {
                self.rules_touched = true;
                rules_service::load(self.bundle, self.guard_config, &DryRunNetns::default())
                    .map(drop)
            }
            Step::Unit { unit, verb, .. } => {
                self.rules_touched |= *unit == Unit::Block;
                self.touched.push(*unit);
                forget_failures(*unit);
                systemd::systemctl(&[verb, unit.name()]).map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Whether a step loads rules that differ from those that were live.
    fn loads_rules(&self, step: &Step) -> bool {
        match step {
            Step::Rules { .. } => !self.host.has_systemd(),
            Step::Unit { unit, .. } => *unit == Unit::Block,
            _ => false,
        }
    }

    /// Looks whether the rules are as they were loaded. What others have changed since is mended once.
    fn verify_loaded(&self, firewall: &Firewall) -> Result<Option<RulesetGeneration>, Error> {
        firewall
            .verify_loaded()
            .or_else(|_| rules_service::load_surely(self.bundle, self.guard_config))
    }

    /// Whether what was started runs, and the listener tells: one that dies at once, or is mute, is a
    /// step that failed.
    fn check_units(&self) -> Result<(), Error> {
        if self.touched.is_empty() {
            return Ok(());
        }
        let wrong = if self.touched.contains(&Unit::Listener) {
            listener_health::wrong_answer(self.guard_config, PATIENCE)
        } else {
            None
        };
        if let Some(wrong) = wrong {
            let listener = Unit::Listener.name();
            let what = format!("have {listener} answer");
            return Err(Error::new(what, wrong).and(systemd::last_words(listener)));
        }
        let touched: Vec<&str> = self.touched.iter().map(|unit| unit.name()).collect();
        for (unit, state) in systemd::states(&touched)? {
            if state.active != "active" {
                let trouble = Error::new(format!("keep {unit} running"), state.active);
                return Err(trouble.and(systemd::last_words(&unit)));
            }
        }
        Ok(())
    }
}

/// Starts that failed before must not count against the one that follows.
pub(crate) fn forget_failures(unit: Unit) {
    let _ = systemd::systemctl(&["reset-failed", unit.name()]);
}

/// Removes what runs that were killed have left.
fn sweep(host: &Host, receipt: &Receipt) -> Result<(), Error> {
    files::remove_unfinished(&observe::places(host, receipt));
    files::remove_tree(&host.path(receipt::NEXT_BUNDLE))
}
