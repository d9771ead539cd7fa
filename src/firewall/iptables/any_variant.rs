//! iptables with nothing to load: all that it holds of redisguard's rules is found, to be removed, also where
//! iptables itself cannot list it.

use super::by_nft;
use super::driver::Iptables;
use super::variant::Variant;
use super::{chains, tables};
use crate::error::{Error, ErrorKind};
use crate::family::Family;
use crate::firewall::backend::RulesBackend;
use crate::firewall::dry_run_netns::DryRunNetns;
use crate::firewall::types::{InstalledRules, Rulesets};
use crate::os::command::is_installed;

/// The iptables of this host, whether it is installed or not.
pub struct AnyIptables(Iptables);

impl AnyIptables {
    /// That of this host.
    pub fn new() -> Self {
        Self(Iptables::new(Rulesets::new()))
    }
}

/// Refuses to take rules that were loaded by iptables for gone where the kernel has tables of legacy iptables
/// and no program of it is left: nft lists those not.
///
/// # Errors
/// Names what to install.
pub fn refuse_unlisted_legacy() -> Result<(), Error> {
    let programs = ["iptables-save", Variant::Legacy.program(Family::V4)];
    if programs.into_iter().any(is_installed) || !legacy_may_hold_rules() {
        return Ok(());
    }
    let cause =
        "this kernel has tables of legacy iptables, and no program is installed that lists them";
    Err(Error::new("find all of redisguard's rules", cause)
        .help("install iptables (Debian: apt-get install iptables), then run it again"))
}

fn legacy_may_hold_rules() -> bool {
    Family::BOTH.into_iter().any(|family| Variant::Legacy.may_hold(family))
}

impl RulesBackend for AnyIptables {
    fn name(&self) -> &'static str {
        "iptables"
    }

    fn observe(&self) -> Result<InstalledRules, Error> {
        let error = match self.0.observe() {
            Ok(installed) => return Ok(installed),
            Err(error) => error,
        };
        // Legacy tables are not nft's. One that is not installed has none, or `refuse_unlisted_legacy` says.
        let is_known = Variant::selected() == Some(Variant::Nft)
            || error.kind() == ErrorKind::NotInstalled
            || !legacy_may_hold_rules();
        if is_known { by_nft::observe().map_err(|_| error) } else { Err(error) }
    }

    fn check(&self, _installed: &InstalledRules, _dry_run: &DryRunNetns) -> Result<(), Error> {
        Ok(())
    }

    fn load(&self, _installed: &InstalledRules) -> Result<(), Error> {
        Ok(())
    }

    fn restore(&self, before: &InstalledRules, now: &InstalledRules) -> Result<(), Error> {
        match (before.by_nft, now.by_nft) {
            (false, false) => self.0.restore(before, now),
            (_, true) if !before.present => by_nft::unload(),
            (true, _) if before.present == now.present => Ok(()),
            // The rules that were loaded since stay: they guard.
            (false, _) => Err(Error::new(
                "put the iptables rules back",
                "another program's rule has made their table unreadable for iptables",
            )),
            _ => Err(Error::new(
                "put the iptables rules back",
                "nft removed them from a table that iptables cannot list",
            )),
        }
    }

    fn detach(&self, installed: &InstalledRules) -> Result<(), Error> {
        if installed.by_nft { by_nft::detach() } else { self.0.detach(installed) }
    }

    fn unload(&self, installed: &InstalledRules) -> Result<(), Error> {
        if installed.by_nft { by_nft::unload() } else { self.0.unload(installed) }
    }

    fn marker_chains(&self) -> Vec<(String, &'static str)> {
        Family::BOTH.map(|family| (tables::filter_of(family), chains::INPUT)).into()
    }

    fn counter_tables(&self) -> &'static [&'static str] {
        self.0.counter_tables()
    }
}
