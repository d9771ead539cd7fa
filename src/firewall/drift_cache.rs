//! Owns remembering that the rules were found as they are wanted: until anything changes in nf_tables
//! they need not be listed again. Tells nothing of what was counted, and knows nothing of legacy iptables,
//! whose kernel does not say when it changes.

use super::nftables::{listing, netlink};
use super::{Firewall, iptables};
use crate::error::Error;
use crate::files;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Where that is kept; only what runs as root writes there.
const PATH: &str = "/run/redisguard.seen";
/// The kernel that the rules are in, and all of its rules that this process sees.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";
const NAMESPACE: &str = "/proc/self/ns/net";

/// Which rules were looked for, and in which state of the kernel's.
pub struct Moment(String);

impl Moment {
    /// Right now; `None` where the kernel or the tool does not tell.
    pub(super) fn of(firewall: &Firewall) -> Option<Self> {
        let chains: Vec<(String, &str)> = if firewall.by_nftables {
            vec![(listing::TABLE.to_owned(), "rg_input")]
        } else if iptables::is_of_nft() {
            iptables::filters().map(|filter| (filter, "REDISGUARD-IN")).collect()
        } else {
            return None;
        };
        // The name of a namespace is given again to another one, which has none of them.
        if !chains.iter().all(|(table, chain)| netlink::has_chain(table, chain)) {
            return None;
        }
        let generation = netlink::generation()?;
        let namespace = fs::metadata(NAMESPACE).ok()?;
        let boot = fs::read_to_string(BOOT).ok()?;
        let (version, digest) = (env!("CARGO_PKG_VERSION"), &firewall.digest);
        let namespace = format!("{}:{}", namespace.dev(), namespace.ino());
        let families = chains.len();
        let boot = boot.trim();
        Some(Self(format!("{version} {digest} {families} {generation} {namespace} {boot}\n")))
    }

    /// Whether the rules were found as they are wanted then.
    pub fn is_known(&self) -> bool {
        fs::read(PATH).is_ok_and(|known| known == self.0.as_bytes())
    }

    /// Remembers that they were, by a look that began after this; without, the next look takes longer.
    pub fn remember(&self) {
        if !self.is_known() {
            let _ = files::replace(Path::new(PATH), self.0.as_bytes(), 0o644);
        }
    }
}

/// Forgets it: before rules are loaded, so that who finds chains of ours beside it can trust it.
///
/// # Errors
/// A file that cannot be removed.
pub fn forget() -> Result<(), Error> {
    files::remove(Path::new(PATH))
}
