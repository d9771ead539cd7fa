//! What every way of loading rules can do, and the two changes that keep what was counted.

use super::counters::CounterStore;
use super::dry_run_netns::DryRunNetns;
use super::iptables::ruleset::Ruleset;
use super::nftables::netlink;
use super::types::InstalledRules;
use crate::error::Error;

/// A way of loading rules: nft, iptables, or the variant of iptables that `iptables` is not.
pub(super) trait RulesBackend: Sync {
    /// What its rules are reported under: `iptables`, `nftables`, `iptables-legacy`, …
    fn name(&self) -> &'static str;

    /// Reads what the kernel holds of redisguard's rules; changes nothing.
    fn observe(&self) -> Result<InstalledRules, Error>;

    /// Has the kernel check the wanted rules without loading them: in a namespace of their own where this
    /// process may make one, else in a transaction that is not committed.
    fn check(&self, installed: &InstalledRules, dry_run: &DryRunNetns) -> Result<(), Error>;

    /// Replaces the installed rules with the wanted ones: for all families or none.
    fn load(&self, installed: &InstalledRules) -> Result<(), Error>;

    /// Replaces the installed rules with those that were installed before.
    fn restore(&self, before: &InstalledRules, now: &InstalledRules) -> Result<(), Error>;

    /// Cuts the rules off, so that no packet meets them. Their counters can still be read.
    fn detach(&self, _installed: &InstalledRules) -> Result<(), Error> {
        Ok(())
    }

    /// Removes all of redisguard's rules.
    fn unload(&self, installed: &InstalledRules) -> Result<(), Error>;

    /// Removes the retired chains, whose counters have been read.
    fn remove_retired(&self, _installed: &InstalledRules) -> Result<(), Error> {
        Ok(())
    }

    /// The tables whose counters [`Self::observe`] reads: [`crate::plan::Counter::table`].
    fn counter_tables(&self) -> &'static [&'static str] {
        &[]
    }

    /// Chains that nf_tables holds while the rules are loaded, each with its table (`ip filter`). Empty
    /// where nf_tables does not hold them.
    fn marker_chains(&self) -> Vec<(String, &'static str)> {
        Vec::new()
    }

    /// Whether nf_tables holds such a chain, whatever this backend's program lists.
    fn is_marked(&self) -> bool {
        self.marker_chains().iter().any(|(table, chain)| netlink::has_chain(table, chain))
    }

    /// The same rules without those that write to the kernel's log; `None` where there are none.
    fn without_log(&self) -> Option<Box<dyn RulesBackend>> {
        None
    }
}

/// Loads rules and keeps what those in their place have counted.
pub(super) fn load(
    backend: &dyn RulesBackend,
    installed: &InstalledRules,
    counters: &mut dyn CounterStore,
) -> Result<(), Error> {
    backend.load(installed)?;
    if !installed.present {
        return Ok(());
    }
    let mut now = backend.observe()?;
    counters.totals().record(backend.counter_tables(), &now);
    if now.rulesets.values().any(Ruleset::has_retired) {
        // In the file before they are gone: a run that is killed in between counts them once.
        counters.totals().expect_removal(&now);
        counters.save_if_possible();
        backend.remove_retired(&now)?;
        now = backend.observe()?;
        counters.totals().record(backend.counter_tables(), &now);
    }
    counters.save_if_possible();
    now.ensure_no_drift()
}

/// Removes rules and keeps what they have counted.
pub(super) fn unload(
    backend: &dyn RulesBackend,
    installed: &InstalledRules,
    counters: &mut dyn CounterStore,
) -> Result<(), Error> {
    // Once no packet meets them their counters are final.
    backend.detach(installed)?;
    let detached = backend.observe()?;
    counters.totals().record(backend.counter_tables(), &detached);
    counters.save_if_possible();
    backend.unload(&detached)?;
    counters.totals().record(backend.counter_tables(), &InstalledRules::default());
    counters.save_if_possible();
    Ok(())
}
