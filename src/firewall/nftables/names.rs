//! The names in redisguard's nftables table, as the rendered script and nft's listings have them.

/// The table, as nft names it.
pub(in crate::firewall) const TABLE: &str = "inet redisguard";
/// The table that counters are reported of: [`crate::plan::Counter::table`].
pub(super) const COUNTER_TABLE: &str = "inet";
/// The chain that outsiders' packets meet first.
pub(super) const INPUT_CHAIN: &str = "rg_input";
/// The block whose comment names the bundle.
pub(super) const BUNDLE_BLOCK: &str = "chain rg_bundle";
/// The chain that holds the digests of the loaded blocks.
pub(super) const SEAL_CHAIN: &str = "rg_seal";
/// How the blocks of those sets begin that packets fill.
pub(super) const DYNAMIC_SETS: &str = "set rg_logged_";
/// How comments begin that are redisguard's.
pub(super) const COMMENT_PREFIX: &str = "redisguard:";

/// A block by the name that nft's commands take: `set inet redisguard rg_reserved`.
pub(super) fn qualified(block: &str) -> String {
    block.replacen(' ', &format!(" {TABLE} "), 1)
}
