//! What all backends of this host hold of redisguard's rules, whichever loaded them: to remember it, to
//! bring it back, to remove it.

use super::backend::{RulesBackend, unload};
use super::counters::CounterStore;
use super::iptables::any_variant::AnyIptables;
use super::iptables::other_variant::OtherVariant;
use super::nftables::driver::Nftables;
use super::types::InstalledRules;
use crate::error::Error;
use crate::spec::Backend;

type InstalledByBackend = Vec<(Box<dyn RulesBackend>, InstalledRules)>;

/// A backend with nothing to load. Its program may be missing: the kernel may hold its rules all the same.
pub(super) fn without_rules(backend: Backend) -> Box<dyn RulesBackend> {
    match backend {
        Backend::Iptables => Box::new(AnyIptables::new()),
        Backend::Nftables => Box::new(Nftables::new(None)),
    }
}

/// What each backend holds, and why some could not be asked. One that cannot be asked is not an empty one.
fn by_backend() -> (InstalledByBackend, Vec<Error>) {
    let (mut all, mut unknown) = (InstalledByBackend::new(), Vec::new());
    let other = OtherVariant::find().map(|other| Box::new(other) as Box<dyn RulesBackend>);
    let both = [Backend::Iptables, Backend::Nftables].map(without_rules);
    for backend in both.into_iter().chain(other) {
        match backend.observe() {
            Ok(installed) => all.push((backend, installed)),
            Err(error) => unknown.push(error),
        }
    }
    (all, unknown)
}

/// The same where all must be known.
fn all_by_backend() -> Result<InstalledByBackend, Error> {
    let (all, unknown) = by_backend();
    unknown.into_iter().reduce(Error::and).map_or(Ok(all), Err)
}

/// What the kernel held of redisguard's rules before a change.
pub struct Snapshot(InstalledByBackend);

impl Snapshot {
    /// Reads what the kernel holds now, as far as its backends can be asked.
    ///
    /// # Errors
    /// A kernel of which nothing can be asked.
    pub fn take() -> Result<Self, Error> {
        let (all, unknown) = by_backend();
        match unknown.into_iter().next().filter(|_| all.is_empty()) {
            Some(error) => Err(error),
            None => Ok(Self(all)),
        }
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

/// Removes redisguard's rules from every backend, and observes each once more. Returns whether there were any.
///
/// # Errors
/// Names family, chain and cause; a backend that cannot be asked; rules that are still there.
pub fn unload_all(counters: &mut dyn CounterStore) -> Result<bool, Error> {
    let (all, _) = by_backend();
    let mut failed = Vec::new();
    let mut any = false;
    // One that fails must not keep the others.
    for (backend, installed) in all.iter().filter(|(_, installed)| installed.present) {
        failed.extend(unload(backend.as_ref(), installed, counters).err());
        any = true;
    }
    if let Some(error) = failed.into_iter().reduce(Error::and) {
        return Err(error);
    }
    let left = all_by_backend()?;
    let left: Vec<&str> = left
        .iter()
        .filter(|(_, installed)| installed.present)
        .map(|(backend, _)| backend.name())
        .collect();
    if left.is_empty() {
        return Ok(any);
    }
    let cause = format!("rules of redisguard are still loaded in {}", left.join(", "));
    Err(Error::new("remove the rules", cause)
        .help("another program loads them; stop it, then run this again"))
}

/// Whether the kernel holds any rule of redisguard's.
///
/// # Errors
/// A backend that cannot be asked.
pub fn is_any_installed() -> Result<bool, Error> {
    Ok(all_by_backend()?.iter().any(|(_, installed)| installed.present))
}
