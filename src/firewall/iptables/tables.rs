//! The tables of nf_tables under iptables' names. iptables on nf_tables makes one for the first rule in it,
//! and never removes it.

use crate::family::Family;
use crate::firewall::kernel;
use crate::firewall::nftables::nft;
use crate::firewall::types::Tables;

/// The tables that redisguard's chains are in.
pub(super) const TABLES: [&str; 3] = ["filter", "mangle", "nat"];

/// The families that the kernel has.
pub(super) fn families() -> impl Iterator<Item = Family> {
    Family::BOTH.into_iter().filter(|family| *family == Family::V4 || kernel::has_ipv6())
}

/// A family's tables, as nft names them: `ip filter`.
pub(super) fn of(family: Family) -> impl Iterator<Item = String> {
    TABLES.iter().map(move |table| named(family, table))
}

/// A family's table that holds what stops packets: `ip filter`.
pub(super) fn filter_of(family: Family) -> String {
    named(family, TABLES[0])
}

fn named(family: Family, table: &str) -> String {
    match family {
        Family::V4 => format!("ip {table}"),
        Family::V6 => format!("ip6 {table}"),
    }
}

fn all() -> impl Iterator<Item = String> {
    Family::BOTH.into_iter().flat_map(of)
}

/// Those tables that exist, whichever program made them; `None` where nft cannot tell.
pub(in crate::firewall) fn existing() -> Option<Tables> {
    let listed = ask_nft(&["list", "tables"])?;
    let named = listed.lines().filter_map(|line| line.strip_prefix("table ")).map(str::trim);
    let known: Tables = all().collect();
    Some(named.filter(|name| known.contains(*name)).map(str::to_owned).collect())
}

/// Drops each table that did not exist `before` and holds nothing but its accepting base chains, so that
/// nft's listing is what it was. Where nft is not installed they stay.
pub(in crate::firewall) fn drop_empty(before: &Tables) {
    all().filter(|table| !before.contains(table)).for_each(|table| drop_if_empty(&table));
}

fn drop_if_empty(table: &str) {
    let command = |verb| std::iter::once(verb).chain(["table"]).chain(table.split(' '));
    let Some(listing) = ask_nft(&command("list").collect::<Vec<_>>()) else { return };
    let mut lines = listing.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let is_bare = |line: &str| {
        matches!(line, "" | "}")
            || (line.starts_with("table ") && line.ends_with('{'))
            || (line.starts_with("chain ") && line.ends_with('{'))
            || (line.starts_with("type ") && line.ends_with("policy accept;"))
    };
    // An empty chain that some program has made has no type.
    let count = |word: &str| listing.lines().filter(|line| line.trim().starts_with(word)).count();
    let base_chains_only = count("chain ") == count("type ");
    if !listing.is_empty() && base_chains_only && lines.all(is_bare) {
        let _ = ask_nft(&command("delete").collect::<Vec<_>>());
    }
}

/// What nft prints; `None` where it is not installed, or fails.
fn ask_nft(arguments: &[&str]) -> Option<String> {
    let output = nft::run(arguments, "ask nft", "").ok()?;
    output.is_success().then(|| output.text())
}
