//! The tables of nf_tables under iptables' names. iptables on nf_tables makes one for the first rule in it,
//! and never removes it.

use super::chains::TABLES;
use crate::family::Family;
use crate::firewall::kernel;
use crate::firewall::nftables::nft;
use crate::firewall::types::Tables;
use serde_json::Value;

/// The families that the kernel has.
pub(super) fn families() -> impl Iterator<Item = Family> {
    Family::BOTH.into_iter().filter(|family| *family == Family::V4 || kernel::has_ipv6())
}

/// A family's tables, as nft names them: `ip filter`.
pub(in crate::firewall) fn of(family: Family) -> impl Iterator<Item = String> {
    TABLES.iter().map(move |table| format!("{} {table}", family.kernel_name()))
}

/// A family's table that holds what stops packets: `ip filter`.
pub(super) fn filter_of(family: Family) -> String {
    format!("{} filter", family.kernel_name())
}

fn all() -> impl Iterator<Item = String> {
    Family::BOTH.into_iter().flat_map(of)
}

/// Those tables that exist, whichever program made them; `None` where nft cannot tell.
pub fn existing_tables() -> Option<Tables> {
    let listed = ask_nft(&["list", "tables"])?;
    let named = listed.lines().filter_map(|line| line.strip_prefix("table ")).map(str::trim);
    let known: Tables = all().collect();
    Some(named.filter(|name| known.contains(*name)).map(str::to_owned).collect())
}

/// Drops each table that is not one of those that existed `before`, when rules were loaded first, and holds
/// nothing but its accepting base chains: then nft's listing is what it was. Where nft is not installed they
/// stay.
pub fn drop_empty_tables(before: &Tables) {
    all().filter(|table| !before.contains(table)).for_each(|table| drop_if_empty(&table));
}

fn drop_if_empty(table: &str) {
    let command = |words: &[&'static str]| -> Vec<&str> {
        words.iter().copied().chain(table.split(' ')).collect()
    };
    let Some(listing) = ask_nft(&command(&["--json", "list", "table"])) else { return };
    let listing: Value = serde_json::from_str(&listing).unwrap_or_default();
    // A chain that some program has made, and no hook leads to, has no policy.
    let is_bare = |object: &Value| {
        object.get("metainfo").or(object.get("table")).is_some()
            || object["chain"]["policy"] == "accept"
    };
    if listing["nftables"].as_array().is_some_and(|objects| objects.iter().all(is_bare)) {
        let _ = ask_nft(&command(&["delete", "table"]));
    }
}

/// What nft prints; `None` where it is not installed, or fails.
fn ask_nft(arguments: &[&str]) -> Option<String> {
    let output = nft::run(arguments, "ask nft", "").ok()?;
    output.is_success().then(|| output.text())
}
