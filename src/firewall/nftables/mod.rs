//! nftables: one table for both families, replaced in one transaction.

pub(super) mod driver;
mod elements;
pub(super) mod listing;
pub(super) mod names;
pub(super) mod netlink;
pub(super) mod nft;
pub(super) mod script;
