//! The firewall of a bundle on this host: the backend that loads its rules, and those that may have
//! loaded rules at another time.
//!
//! Guarantees: both families or none; a change of the backend leaves no moment without rules.
//!
//! Never: touches a rule that is not redisguard's.

use super::backend::{RulesBackend, load, unload};
use super::bundle_rules::{SCRIPT, digest, rulesets, script};
use super::counters::CounterStore;
use super::drift_cache::RulesetGeneration;
use super::dry_run_netns::DryRunNetns;
use super::installed::without_rules;
use super::iptables::agents;
use super::iptables::driver::Iptables;
use super::iptables::other_variant::OtherVariant;
use super::iptables::variant::Variant;
use super::nftables::driver::Nftables;
use super::reachability::Told;
use super::types::{InstalledRules, Rulesets};
use super::{firewalld, kernel, reachability};
use crate::bundle::{Bundle, GuardConfig};
use crate::error::Error;
use crate::family::Family;
use crate::plan::{RuleFault, Scope};
use crate::spec::{Backend, Existing};

/// What loads a bundle's rules on this host.
pub struct Firewall {
    selected: Box<dyn RulesBackend>,
    kind: Backend,
    /// Backends that may have loaded rules at another time; those go once the selected ones are loaded.
    others: Vec<Box<dyn RulesBackend>>,
    /// The digest of the wanted rules.
    digest: String,
    /// Whether the bundle asks for the other backend, which is not installed.
    is_fallback: bool,
}

impl Firewall {
    /// The firewall with the backend that a bundle asks for; with nftables where this host has only that.
    ///
    /// # Errors
    /// A bundle with rules that are not redisguard's.
    pub fn of(bundle: &Bundle, guard_config: &GuardConfig) -> Result<Self, Error> {
        if guard_config.backend == Backend::Nftables {
            return Self::with_nftables(bundle, guard_config);
        }
        if has_only_nftables() {
            return Ok(Self { is_fallback: true, ..Self::with_nftables(bundle, guard_config)? });
        }
        Ok(Self {
            selected: Box::new(Iptables::new(rulesets(bundle)?)),
            kind: Backend::Iptables,
            others: with_other_variant(Backend::Nftables),
            digest: digest(bundle, &Family::BOTH.map(Family::rules_path)),
            is_fallback: false,
        })
    }

    fn with_nftables(bundle: &Bundle, guard_config: &GuardConfig) -> Result<Self, Error> {
        Ok(Self {
            selected: Box::new(Nftables::new(Some(script(bundle, guard_config)?))),
            kind: Backend::Nftables,
            others: with_other_variant(Backend::Iptables),
            digest: digest(bundle, &[SCRIPT]),
            is_fallback: false,
        })
    }

    /// The firewall with nftables, for a host on which iptables cannot guard although the bundle asks for
    /// it; `None` where nftables is selected anyway, or not installed.
    ///
    /// # Errors
    /// A bundle with rules that are not redisguard's.
    pub fn fallback(bundle: &Bundle, guard_config: &GuardConfig) -> Result<Option<Self>, Error> {
        let is_iptables = Self::of(bundle, guard_config)?.kind == Backend::Iptables;
        let fallback = is_iptables && Nftables::is_installed();
        fallback.then(|| Self::with_nftables(bundle, guard_config)).transpose()
    }

    /// Whether loading the rules makes tables in nf_tables that the backend never removes.
    pub fn makes_tables(&self) -> bool {
        self.kind == Backend::Iptables && Variant::selected() != Some(Variant::Legacy)
    }

    /// What an operator must know of the selected backend.
    pub fn note(&self) -> Option<&'static str> {
        if self.is_fallback {
            return Some("iptables is not installed: nftables guards the ports");
        }
        let is_flushed = self.kind == Backend::Iptables && firewalld::is_settled();
        is_flushed.then_some(
            "`firewall-cmd --reload` flushes what iptables has loaded, until the timer finds it; \
             with backend = \"nftables\" it does not",
        )
    }

    /// Agents whose rules can accept a packet before redisguard's reject it.
    pub fn agents_note(&self, guard_config: &GuardConfig) -> Option<String> {
        if self.kind == Backend::Iptables { agents::can_accept_first(guard_config) } else { None }
    }

    /// Whether the rules make the kernel track connections.
    pub fn needs_tracking(&self, guard_config: &GuardConfig) -> bool {
        self.kind == Backend::Iptables
            || guard_config.redirects()
            || guard_config.existing == Existing::Cut
    }

    /// Refuses to add rules to one variant of iptables where other rules are in the other: neither is
    /// listed with the other.
    ///
    /// # Errors
    /// Says where the other rules are, and what brings all together.
    pub fn refuse_hidden_rules(&self) -> Result<(), Error> {
        let other = OtherVariant::find().filter(|_| self.kind == Backend::Iptables);
        other.and_then(|other| other.holdings().conflict()).map_or(Ok(()), Err)
    }

    /// Whether outsiders are told at the ports that redirect them, by the rules of all programs.
    pub fn told(&self, guard_config: &GuardConfig) -> Told {
        reachability::told(guard_config, self.kind)
    }

    /// What stops redirected clients before they reach the listener, or may, with the fix.
    pub fn obstacle(&self, guard_config: &GuardConfig) -> Option<String> {
        reachability::obstacle(guard_config, self.kind)
    }

    /// Reads what the kernel holds of redisguard's rules, by any backend; changes nothing.
    ///
    /// # Errors
    /// A tool that is missing or fails.
    pub fn observe(&self) -> Result<InstalledRules, Error> {
        self.observe_selected().map(|installed| self.with_left_over(installed))
    }

    /// The same without counters, and without listing rules that were verified at this very generation.
    ///
    /// # Errors
    /// As [`Self::observe`].
    pub fn observe_drift(&self) -> Result<InstalledRules, Error> {
        let is_verified = self.generation().is_some_and(|generation| generation.is_verified());
        let installed = if is_verified {
            InstalledRules { present: true, ..InstalledRules::default() }
        } else {
            self.observe_selected()?
        };
        Ok(self.with_left_over(installed))
    }

    /// The same by the selected backend alone: enough where the last load came to its end.
    ///
    /// # Errors
    /// As [`Self::observe`].
    pub fn observe_selected(&self) -> Result<InstalledRules, Error> {
        self.selected.observe()
    }

    /// Adds what other backends hold.
    fn with_left_over(&self, mut installed: InstalledRules) -> InstalledRules {
        for (other, left) in self.left_over() {
            installed.present = true;
            let finding = match left {
                Ok(_) => {
                    "redisguard's rules are left over from when it guarded the ports".to_owned()
                }
                Err(error) => {
                    format!("redisguard's rules are loaded, but cannot be removed: {error:#}")
                }
            };
            installed.drift.push((Scope::Backend(other.name()), RuleFault::of_all(finding)));
        }
        installed
    }

    /// The other backends that hold rules. One whose tool cannot list them holds some where the kernel says
    /// so, and else is taken to hold none: it must not keep the selected one from guarding.
    fn left_over(
        &self,
    ) -> impl Iterator<Item = (&dyn RulesBackend, Result<InstalledRules, Error>)> {
        self.others.iter().filter_map(|other| {
            let left = other.observe();
            let holds = match &left {
                Ok(installed) => installed.present,
                Err(_) => other.is_marked(),
            };
            holds.then_some((other.as_ref(), left))
        })
    }

    /// The generation of the kernel's rules; `None` where the kernel does not tell one.
    pub fn generation(&self) -> Option<RulesetGeneration> {
        RulesetGeneration::current(&self.digest, &self.selected.marker_chains())
    }

    /// Has the kernel check the rules of both families without loading them.
    ///
    /// # Errors
    /// What it refuses; where that is only the log, how to do without.
    pub fn check(&self, installed: &InstalledRules, dry_run: &DryRunNetns) -> Result<(), Error> {
        self.selected.check(installed, dry_run).map_err(|error| {
            match self.accepted_without_log(installed, dry_run) {
                Some(_) => error.help(
                    "the guard itself passes, but this kernel cannot log: set log-per-source = 0 in \
                     [firewall] and render again, or install its modules (Enterprise Linux: \
                     kernel-modules-extra)",
                ),
                None => error,
            }
        })
    }

    /// Loads the rules without their log where the kernel refuses the log alone. Returns whether it does.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_without_log(
        &self,
        installed: &InstalledRules,
        counters: &mut dyn CounterStore,
        dry_run: &DryRunNetns,
    ) -> Result<bool, Error> {
        let Some(backend) = self.accepted_without_log(installed, dry_run) else { return Ok(false) };
        if !backend.observe()?.drift.is_empty() {
            load(backend.as_ref(), installed, counters)?;
        }
        Ok(true)
    }

    /// The backend with the rules that do not log, if the kernel takes those.
    fn accepted_without_log(
        &self,
        installed: &InstalledRules,
        dry_run: &DryRunNetns,
    ) -> Option<Box<dyn RulesBackend>> {
        let backend = self.selected.without_log()?;
        backend.check(installed, dry_run).is_ok().then_some(backend)
    }

    /// The tables whose counters [`Self::observe`] reads.
    pub fn counter_tables(&self) -> &'static [&'static str] {
        self.selected.counter_tables()
    }

    /// Refuses rules that are not as they were loaded. Returns the generation at which they are.
    ///
    /// # Errors
    /// The first difference; a kernel that cannot be asked.
    pub fn verify_loaded(&self) -> Result<Option<RulesetGeneration>, Error> {
        // Read before the rules: a change in between leaves a generation that never comes again.
        let generation = self.generation();
        self.observe_selected()?.ensure_no_drift()?;
        Ok(generation)
    }

    /// Replaces the installed rules with the wanted ones, for all families or none. Rules of other
    /// backends go once these are loaded, so that no port is open between.
    ///
    /// # Errors
    /// Names family and cause. The installed rules are back then, but where the new ones differ from what
    /// was loaded: those stay, because they guard better than none, and the caller undoes the change.
    pub fn load(
        &self,
        installed: &InstalledRules,
        counters: &mut dyn CounterStore,
    ) -> Result<(), Error> {
        load(self.selected.as_ref(), installed, counters)?;
        self.left_over().try_for_each(|(other, left)| unload(other, &left?, counters))
    }
}

/// A backend that is not selected, and the other variant of iptables, as far as this host has them.
fn with_other_variant(other: Backend) -> Vec<Box<dyn RulesBackend>> {
    let variant = OtherVariant::find().map(|variant| Box::new(variant) as Box<dyn RulesBackend>);
    std::iter::once(without_rules(other)).chain(variant).collect()
}

/// Whether nftables loads the rules although the bundle may ask for iptables.
fn has_only_nftables() -> bool {
    !Iptables::is_installed() && Nftables::is_installed()
}

/// Rules of others in the variant of iptables that `iptables` does not list, in words, where a bundle's
/// rules go into the other one. For hosts that must be guarded all the same.
pub fn hidden_rules(guard_config: &GuardConfig) -> Option<String> {
    let uses_nftables = guard_config.backend == Backend::Nftables || has_only_nftables();
    if uses_nftables { None } else { OtherVariant::find()?.holdings().foreign_rules() }
}

/// The namespace to check rules in, made ahead where the kernel holds none of redisguard's: then a load
/// is about to follow. Legacy iptables is not asked, since that would load its modules.
pub fn prepare_dry_run() -> DryRunNetns {
    let dry_run = DryRunNetns::default();
    if Iptables::new(Rulesets::new()).is_bare() && Nftables::is_bare() {
        dry_run.prepare();
    }
    dry_run
}

/// What to tell of a family that the kernel does not have.
pub fn missing_family() -> Option<&'static str> {
    (!kernel::has_ipv6()).then_some("this kernel has no IPv6: there is nothing of it to guard")
}
