//! iptables: redisguard's own chains in each family's tables, and the jumps into them.

pub(super) mod agents;
pub(super) mod any_variant;
mod by_nft;
mod chain_rotation;
pub(super) mod chains;
mod drift;
pub(super) mod driver;
pub(super) mod other_variant;
mod programs;
pub(super) mod ruleset;
pub(super) mod tables;
mod transaction;
pub(super) mod variant;
