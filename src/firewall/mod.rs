//! The kernel's rules: reading redisguard's own, checking, loading and removing them, by iptables and by
//! nftables.
//!
//! Guarantees: each table is replaced in one transaction, and both address families or neither.
//!
//! Never: touches a rule that is not redisguard's.

mod backend;
mod bundle_rules;
mod counters;
pub mod drift_cache;
mod dry_run_netns;
mod exposure;
pub mod firewalld;
mod installed;
mod iptables;
mod kernel;
mod nftables;
mod reachability;
mod saved_copy;
mod selected;
mod types;

pub use self::counters::{CounterStore, CounterTotals};
pub use self::dry_run_netns::DryRunNetns;
pub use self::exposure::{Exposure, exposure, flowtables};
pub use self::installed::{Snapshot, is_any_installed, unload_all};
pub use self::iptables::any_variant::refuse_unlisted_legacy;
pub use self::iptables::tables::{drop_empty_tables, existing_tables};
pub use self::kernel::tracks_connections;
pub use self::reachability::Told;
pub use self::saved_copy::SavedCopy;
pub use self::selected::{Firewall, hidden_rules, missing_family, prepare_dry_run};
pub use self::types::{InstalledRules, Tables};
