//! Owns what any backend of this host has of ours, whoever loaded it: to remember it, to bring it back, to
//! take it away.

use super::backend::{Backend, Live, take_away};
use super::iptables;
use super::iptables::Iptables;
use super::nftables::Nftables;
use super::{Rulesets, Tables, hidden};
use crate::error::Error;
use crate::host::counters::Tally;

/// Everything that can have rules of ours on this host.
fn backends() -> Vec<Box<dyn Backend>> {
    let mut backends: Vec<Box<dyn Backend>> = Vec::new();
    if Iptables::is_installed() {
        backends.push(Box::new(Iptables::new(Rulesets::new())));
    }
    if Nftables::is_installed() {
        backends.push(Box::new(Nftables::new(None)));
    }
    backends
}

type LiveByBackend = Vec<(Box<dyn Backend>, Live)>;

/// What is live of ours, by who loaded it. One that cannot be asked has nothing, unless none can.
fn all_live() -> Result<LiveByBackend, Error> {
    let mut all = Vec::new();
    let mut refused = None;
    for backend in backends() {
        match backend.look() {
            Ok(live) => all.push((backend, live)),
            Err(trouble) => refused = refused.or(Some(trouble)),
        }
    }
    match refused {
        Some(trouble) if all.is_empty() => return Err(trouble),
        _ => {}
    }
    if let Some((hidden, _)) = hidden() {
        let live = hidden.look()?;
        all.extend(live.guarded.then_some((hidden, live)));
    }
    Ok(all)
}

/// What the kernel had of ours before a change, whoever loaded it.
pub struct Before(LiveByBackend);

impl Before {
    /// Reads what the kernel has of ours now.
    ///
    /// # Errors
    /// A kernel that cannot be asked.
    pub fn look() -> Result<Self, Error> {
        all_live().map(Self)
    }

    /// Brings that back, and nothing else of ours.
    ///
    /// # Errors
    /// Names family and cause.
    pub fn put_back(&self) -> Result<(), Error> {
        // What guarded comes before what did not goes.
        let guarded = self.0.iter().filter(|(_, before)| before.guarded);
        let others = self.0.iter().filter(|(_, before)| !before.guarded);
        guarded.chain(others).try_for_each(|(backend, before)| {
            let now = backend.look()?;
            backend.put_back(before, &now)
        })
    }
}

/// Takes our rules away, whoever loaded them; whether there were any.
///
/// # Errors
/// Names family, chain and cause.
pub fn unload_all(tally: &mut Tally) -> Result<bool, Error> {
    let mut any = false;
    for (backend, live) in all_live()?.iter().filter(|(_, live)| live.guarded) {
        take_away(backend.as_ref(), live, tally)?;
        any = true;
    }
    Ok(any)
}

/// Takes away the tables that iptables has made for our rules, once nothing is in them. `before` are
/// those that were there when they were loaded first.
pub fn drop_empty_tables(before: &Tables) {
    iptables::drop_empty(before);
}

/// Whether any rule of ours is in the kernel.
///
/// # Errors
/// A kernel that cannot be asked.
pub fn is_guarded() -> Result<bool, Error> {
    Ok(all_live()?.iter().any(|(_, live)| live.guarded))
}
