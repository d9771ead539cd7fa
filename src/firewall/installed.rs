//! What all backends of this host hold of redisguard's rules, whichever loaded them: to remember it, to
//! bring it back, to remove it.

use super::backend::{RulesBackend, unload};
use super::counters::CounterStore;
use super::iptables::driver::Iptables;
use super::iptables::other_variant::OtherVariant;
use super::nftables::driver::Nftables;
use super::types::{InstalledRules, Rulesets};
use crate::error::Error;
use crate::spec::Backend;

type InstalledByBackend = Vec<(Box<dyn RulesBackend>, InstalledRules)>;

/// A backend with nothing to load; `None` where this host does not have its program.
pub(super) fn without_rules(backend: Backend) -> Option<Box<dyn RulesBackend>> {
    let backend: Box<dyn RulesBackend> = match backend {
        Backend::Iptables if Iptables::is_installed() => Box::new(Iptables::new(Rulesets::new())),
        Backend::Nftables if Nftables::is_installed() => Box::new(Nftables::new(None)),
        _ => return None,
    };
    Some(backend)
}

/// What each backend holds. One that cannot be asked holds nothing, unless none can be asked.
fn by_backend() -> Result<InstalledByBackend, Error> {
    let mut all: InstalledByBackend = Vec::new();
    let mut refused = None;
    for backend in [Backend::Iptables, Backend::Nftables].into_iter().filter_map(without_rules) {
        match backend.observe() {
            Ok(installed) => all.push((backend, installed)),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    if let Some(error) = refused.filter(|_| all.is_empty()) {
        return Err(error);
    }
    if let Some(other) = OtherVariant::find() {
        let installed = other.observe()?;
        if installed.present {
            all.push((Box::new(other), installed));
        }
    }
    Ok(all)
}

/// What the kernel held of redisguard's rules before a change.
pub struct Snapshot(InstalledByBackend);

impl Snapshot {
    /// Reads what the kernel holds now.
    ///
    /// # Errors
    /// A kernel that cannot be asked.
    pub fn take() -> Result<Self, Error> {
        by_backend().map(Self)
    }

    /// Brings that back, and removes all else that is redisguard's.
    ///
    /// # Errors
    /// Names family and cause.
    pub fn restore(&self) -> Result<(), Error> {
        // The rules that guarded come back before those go that did not, so that no port is open between.
        let present = self.0.iter().filter(|(_, before)| before.present);
        let others = self.0.iter().filter(|(_, before)| !before.present);
        present.chain(others).try_for_each(|(backend, before)| {
            let now = backend.observe()?;
            backend.restore(before, &now)
        })
    }
}

/// Removes redisguard's rules from every backend. Returns whether there were any.
///
/// # Errors
/// Names family, chain and cause.
pub fn unload_all(counters: &mut dyn CounterStore) -> Result<bool, Error> {
    let mut any = false;
    for (backend, installed) in by_backend()?.iter().filter(|(_, installed)| installed.present) {
        unload(backend.as_ref(), installed, counters)?;
        any = true;
    }
    Ok(any)
}

/// Whether the kernel holds any rule of redisguard's.
///
/// # Errors
/// A kernel that cannot be asked.
pub fn is_any_installed() -> Result<bool, Error> {
    Ok(by_backend()?.iter().any(|(_, installed)| installed.present))
}
