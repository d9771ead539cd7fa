//! Remembers the generation of nf_tables at which the rules were verified: while it is the same, they need
//! not be listed again. Says nothing of counters, and nothing of legacy iptables, whose kernel does not
//! say when its rules change.

use super::kernel;
use super::nftables::netlink;
use crate::error::Error;
use crate::files;
use std::fs;
use std::path::Path;

/// The file; only what runs as root writes there.
const PATH: &str = "/run/redisguard.seen";

/// Which rules are wanted, and the state of the kernel that they are held against.
#[derive(PartialEq, Eq)]
pub struct RulesetGeneration(String);

impl RulesetGeneration {
    /// The present one, of the wanted rules with this digest; `None` where `chains` are not all there, or
    /// the kernel does not tell its generation.
    pub(super) fn current(digest: &str, chains: &[(String, &str)]) -> Option<Self> {
        // The inode of a namespace is given again to a later one, whose generation may be the same: but
        // that one has no such chains.
        let is_held = chains.iter().all(|(table, chain)| netlink::has_chain(table, chain));
        if chains.is_empty() || !is_held {
            return None;
        }
        let generation = netlink::generation()?;
        let (namespace, boot) = (kernel::network_namespace()?, kernel::boot_id()?);
        let (version, families) = (env!("CARGO_PKG_VERSION"), chains.len());
        Some(Self(format!("{version} {digest} {families} {generation} {namespace} {boot}\n")))
    }

    /// Whether the rules were verified at this generation.
    pub fn is_verified(&self) -> bool {
        fs::read(PATH).is_ok_and(|verified| verified == self.0.as_bytes())
    }

    /// Stores this generation, which was read before the rules were. Best effort: without it the next
    /// check lists all rules.
    pub fn mark_verified(&self) {
        if !self.is_verified() {
            let _ = files::replace(Path::new(PATH), self.0.as_bytes(), 0o644);
        }
    }
}

/// Forgets the stored generation. Do so before rules are loaded: a load that is killed half-way leaves
/// chains behind, and a stored generation beside them would vouch for them.
///
/// # Errors
/// A file that cannot be removed.
pub fn forget() -> Result<(), Error> {
    files::remove(Path::new(PATH))
}
