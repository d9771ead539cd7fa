//! Owns the kernel's rules: reading them, loading ours in one transaction for each table, taking them
//! away. Never touches a rule that is not ours, and never leaves one family on its own.

mod backend;
mod bundle_rules;
pub mod drift_cache;
mod dry_run_netns;
pub mod firewalld;
mod installed;
mod iptables;
mod nftables;
mod reachability;

pub use self::backend::Live;
pub use self::installed::{Before, drop_empty_tables, is_guarded, unload_all};
pub use self::iptables::ruleset::{Jump, Ruleset, Table};

use self::backend::{Backend, load, take_away};
use self::bundle_rules::{SCRIPT, digest, rulesets, script};
use self::drift_cache::Moment;
use self::iptables::Iptables;
use self::iptables::variant::{self, Variant};
use self::nftables::{Nftables, listing, netlink};
use crate::bundle::{Bundle, GuardConfig};
use crate::error::Error;
use crate::family::Family;
use crate::host::counters::Tally;
use crate::plan::Scope;
use crate::spec::Backend as Name;
use std::collections::{BTreeMap, BTreeSet};

/// The iptables rules of every family that the host has.
pub type Rulesets = BTreeMap<Family, Ruleset>;

/// The tables that stood in the places of iptables' own before it made any, as nft names them:
/// `ip filter`.
pub type Tables = BTreeSet<String>;

/// What a bundle wants of this kernel, and who sees to it.
pub struct Firewall {
    chosen: Box<dyn Backend>,
    /// What may have loaded our rules at another time: they go when the chosen one's stand.
    others: Vec<(Box<dyn Backend>, &'static str)>,
    by_nftables: bool,
    /// The digest of the rules that are wanted.
    digest: String,
    /// Whether the bundle asks for the other one.
    instead: bool,
}

impl Firewall {
    /// The firewall that a bundle asks for: the other one where this host has only that.
    ///
    /// # Errors
    /// A host that has neither; rules that are not ours to load.
    pub fn of(bundle: &Bundle, guard_config: &GuardConfig) -> Result<Self, Error> {
        if guard_config.backend == Name::Nftables {
            return Self::by_nftables(bundle, guard_config);
        }
        if has_only_nftables() {
            return Ok(Self { instead: true, ..Self::by_nftables(bundle, guard_config)? });
        }
        let chosen = Box::new(Iptables::new(rulesets(bundle)?));
        let nftables = Nftables::is_installed().then(|| other(Nftables::new(None), "nftables"));
        let others = nftables.into_iter().chain(hidden()).collect();
        let digest = digest(bundle, &Family::BOTH.map(Family::rules_path));
        Ok(Self { chosen, others, by_nftables: false, digest, instead: false })
    }

    /// nftables, whatever the bundle asks for.
    fn by_nftables(bundle: &Bundle, guard_config: &GuardConfig) -> Result<Self, Error> {
        let chosen = Box::new(Nftables::new(Some(script(bundle, guard_config)?)));
        let iptables = Iptables::is_installed();
        let iptables = iptables.then(|| other(Iptables::new(Rulesets::new()), "iptables"));
        let others = iptables.into_iter().chain(hidden()).collect();
        let digest = digest(bundle, &[SCRIPT]);
        Ok(Self { chosen, others, by_nftables: true, digest, instead: false })
    }

    /// The other one, for a host on which the one that a bundle asks for cannot guard; `None` where
    /// there is none.
    ///
    /// # Errors
    /// Rules that are not ours to load.
    pub fn instead_of(bundle: &Bundle, guard_config: &GuardConfig) -> Result<Option<Self>, Error> {
        let wanted = Self::of(bundle, guard_config)?;
        let other = !wanted.by_nftables && Nftables::is_installed();
        other.then(|| Self::by_nftables(bundle, guard_config)).transpose()
    }

    /// Whether what loads the rules makes tables of nf_tables that it never takes away.
    pub fn makes_tables(&self) -> bool {
        !self.by_nftables && Variant::selected() != Some(Variant::Legacy)
    }

    /// The tables that are there now in the places of those; `None` where nft cannot tell.
    pub fn tables(&self) -> Option<Tables> {
        iptables::tables()
    }

    /// What an operator must know of the choice.
    pub fn note(&self) -> Option<&'static str> {
        if self.instead {
            return Some("iptables is not installed: nftables guards the ports");
        }
        let flushed = !self.by_nftables && firewalld::is_settled();
        flushed.then_some(
            "`firewall-cmd --reload` flushes what iptables has loaded, until the timer finds it; \
             with backend = \"nftables\" it does not",
        )
    }

    /// Refuses a host whose rules stand in both kinds of iptables, if ours are to stand in one: each
    /// shows but its own.
    ///
    /// # Errors
    /// Says where the others are, and what brings all together.
    pub fn refuse(&self) -> Result<(), Error> {
        if self.by_nftables { Ok(()) } else { variant::refuse_hidden_rules() }
    }

    /// What of others stops outsiders before they are told, with the cure.
    pub fn obstacle(&self, guard_config: &GuardConfig) -> Option<String> {
        reachability::obstacle(guard_config, self.by_nftables)
    }

    /// Reads what the kernel has of ours; changes nothing.
    ///
    /// # Errors
    /// A tool that is missing or fails.
    pub fn look(&self) -> Result<Live, Error> {
        self.look_with(Self::look_quickly)
    }

    /// The same without what was counted, and without listing what has not changed since it was found
    /// as it is wanted.
    ///
    /// # Errors
    /// As [`Self::look`].
    pub fn look_for_drift(&self) -> Result<Live, Error> {
        self.look_with(|firewall| match firewall.moment() {
            Some(moment) if moment.is_known() => Ok(Live { guarded: true, ..Live::default() }),
            _ => firewall.look_quickly(),
        })
    }

    fn look_with(&self, look: impl FnOnce(&Self) -> Result<Live, Error>) -> Result<Live, Error> {
        let mut live = look(self)?;
        for (_, name, _) in self.left_over() {
            live.guarded = true;
            let finding = "rules of ours are left over from when it guarded the ports";
            live.drift.push((Scope::Backend(name), finding.to_owned()));
        }
        Ok(live)
    }

    /// The same without what other backends have: nothing, where the last load came to its end.
    ///
    /// # Errors
    /// As [`Self::look`].
    pub fn look_quickly(&self) -> Result<Live, Error> {
        self.chosen.look()
    }

    /// The kernel's rules as they are now, if it can tell them from those of another moment.
    pub fn moment(&self) -> Option<Moment> {
        Moment::of(self)
    }

    /// What other backends have of ours. A tool that cannot look, on a kernel that lacks it, has
    /// nothing of ours.
    fn left_over(&self) -> impl Iterator<Item = (&dyn Backend, &'static str, Live)> {
        self.others.iter().filter_map(|(other, name)| {
            let live = other.look().ok().filter(|live| live.guarded)?;
            Some((other.as_ref(), *name, live))
        })
    }

    /// Has the kernel check the rules of both families without loading them.
    ///
    /// # Errors
    /// What it refuses; where that is only its log, how to do without.
    pub fn test(&self, live: &Live) -> Result<(), Error> {
        self.chosen.test(live).map_err(|trouble| match self.guard_alone(live) {
            Some(_) => trouble.help(
                "the guard itself passes, but this kernel cannot log: set log-per-source = 0 in \
                 [firewall] and render again, or install its modules (Enterprise Linux: \
                 kernel-modules-extra)",
            ),
            None => trouble,
        })
    }

    /// Guards without a log, on a kernel that refuses that alone; whether it does.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_guard_alone(&self, live: &Live, tally: &mut Tally) -> Result<bool, Error> {
        let Some(guard) = self.guard_alone(live) else { return Ok(false) };
        if !guard.look()?.drift.is_empty() {
            load(guard.as_ref(), live, tally)?;
        }
        Ok(true)
    }

    /// The tables whose counters a look tells.
    pub fn counts_in(&self) -> &'static [&'static str] {
        self.chosen.counts_in()
    }

    /// What loads the rules without those that log, if the kernel takes it.
    fn guard_alone(&self, live: &Live) -> Option<Box<dyn Backend>> {
        self.chosen.without_log().filter(|guard| guard.test(live).is_ok())
    }

    /// Looks whether the rules are as they were loaded; since when they were, if that can be told.
    ///
    /// # Errors
    /// A difference; a kernel that cannot be asked.
    pub fn find_as_loaded(&self) -> Result<Option<Moment>, Error> {
        let moment = self.moment();
        self.look_quickly()?.or_changed()?;
        Ok(moment)
    }

    /// Turns what is live into what is wanted, for all families or none. Rules of the other backend
    /// go when these stand, so that no moment is unguarded.
    ///
    /// # Errors
    /// Names family and cause; what was live is live again. Only rules that are not found as they were
    /// loaded stay: they guard better than none, and whoever changes a host goes back from there.
    pub fn load(&self, live: &Live, tally: &mut Tally) -> Result<(), Error> {
        load(self.chosen.as_ref(), live, tally)?;
        self.left_over().try_for_each(|(other, _, live)| take_away(other, &live, tally))
    }
}

/// Begins with what a load needs that finds nothing in the kernel. Where iptables is the older kind the
/// question would load modules.
pub fn prepare() {
    let mut tables = iptables::filters().chain([listing::TABLE.to_owned()]);
    if iptables::is_of_nft() && tables.all(|table| netlink::is_absent(&table)) {
        dry_run_netns::prepare();
    }
}

/// Rules of others that a bundle's own would stand beside without either being shown with the other, in
/// words: for where the host must be guarded all the same.
pub fn hidden_rules(guard_config: &GuardConfig) -> Option<String> {
    let by_nftables = guard_config.backend == Name::Nftables || has_only_nftables();
    if by_nftables { None } else { variant::hidden_rules() }
}

fn has_only_nftables() -> bool {
    !Iptables::is_installed() && Nftables::is_installed()
}

fn other(backend: impl Backend + 'static, name: &'static str) -> (Box<dyn Backend>, &'static str) {
    (Box::new(backend), name)
}

/// The kind of iptables that `iptables` is not: it was, if the alternative was switched.
fn hidden() -> Option<(Box<dyn Backend>, &'static str)> {
    let variant = Variant::selected()?.other();
    Some(other(variant, variant.program(Family::V4)))
}

/// What is to say of a family that the host does not have.
pub fn missing_family() -> Option<&'static str> {
    let missing = "this kernel has no IPv6: there is nothing of it to guard";
    (!iptables::has_ipv6()).then_some(missing)
}
