//! Reads the rules that this host has. Changes nothing.

use super::rule::{Hook, OwnRules, Ruleset};
use super::{listed, saved};
use crate::error::ErrorKind;
use crate::family::Family;
use crate::firewall::iptables::variant::Variant;
use crate::firewall::nftables::names::TABLE;
use crate::firewall::nftables::{netlink, nft};
use crate::os::command::{Output, Program};
use serde_json::Value;
use std::collections::BTreeSet;

/// The tables of iptables.
const IPTABLES_TABLES: [&str; 5] = ["raw", "mangle", "nat", "filter", "security"];

/// The rules that this host has, and which of them cannot be listed.
///
/// Sets may have very many elements. Where redisguard's own rules are read, those of others are not asked for.
pub(super) fn read(own: OwnRules) -> (Ruleset, Option<String>) {
    let mut ruleset = Ruleset::default();
    let mut unread = None;
    let mut listed = vec![TABLE.to_owned()];
    let mut elements = |set: &str| (own == OwnRules::LeftOut).then(|| saved_set(set)).flatten();
    for (variant, family) in [Variant::Nft, Variant::Legacy]
        .into_iter()
        .flat_map(|variant| Family::BOTH.map(|family| (variant, family)))
    {
        let saved = saved(variant, family);
        if saved.is_none() && variant == Variant::Legacy && variant.may_hold(family) {
            unread = Some(format!("{}-save cannot list its rules", variant.program(family)));
        }
        let saved = saved.unwrap_or_default();
        let tables = saved::read(&saved, variant, family, own, &mut ruleset, &mut elements);
        if variant == Variant::Nft {
            listed.extend(tables);
        }
    }
    let all: &[&str] = match own {
        OwnRules::AsLoaded => &["--json", "--terse", "list", "ruleset"],
        OwnRules::LeftOut => &["--json", "list", "ruleset"],
    };
    let listing = match list(all) {
        // Then nothing but iptables is likely to have made rules of nf_tables.
        Err(ErrorKind::NotInstalled) => Some(Value::Null),
        listing => listing.ok(),
    };
    if listing.is_none() && Variant::Nft.may_hold(Family::V4) {
        unread = Some("nft cannot list its rules".to_owned());
    }
    let skips = |table: &str| listed.iter().any(|of| of == table);
    listed::read(&listing.unwrap_or_default(), own == OwnRules::LeftOut, &skips, &mut ruleset);
    if own == OwnRules::AsLoaded && !netlink::is_absent(TABLE) {
        match list(&["--json", "list", "table", "inet", "redisguard"]) {
            Ok(listing) => listed::read(&listing, true, &|_| false, &mut ruleset),
            Err(_) => unread = Some("nft cannot list redisguard's rules".to_owned()),
        }
    }
    for index in 0..ruleset.chains.len() {
        add_devices(&mut ruleset, index);
    }
    (ruleset, unread)
}

/// What nft lists.
fn list(arguments: &[&str]) -> Result<Value, ErrorKind> {
    let listed = nft::run(arguments, "list all rules", "").map_err(|error| error.kind())?;
    serde_json::from_slice(&listed.stdout).map_err(|_| ErrorKind::Other)
}

/// The flowtables of all programs, in words: they forward packets of known connections before any rule.
pub fn flowtables() -> BTreeSet<String> {
    named_flowtables(&list(&["--json", "list", "flowtables"]).unwrap_or_default())
}

fn named_flowtables(listing: &Value) -> BTreeSet<String> {
    let objects = listing["nftables"].as_array().into_iter().flatten();
    let named = objects.filter_map(|object| {
        let of = |key: &str| object["flowtable"][key].as_str();
        Some(format!("the flowtable {} of table {} {}", of("name")?, of("family")?, of("table")?))
    });
    named.collect()
}

/// What a variant's iptables-save lists of a family; `None` where it is not installed, or there is nothing.
fn saved(variant: Variant, family: Family) -> Option<String> {
    let exists = |table| netlink::exists(&format!("{} {table}", family.kernel_name()));
    let may_hold = match variant {
        Variant::Nft => IPTABLES_TABLES.into_iter().any(exists),
        Variant::Legacy => variant.may_hold(family),
    };
    let plain = (Variant::selected() == Some(variant)).then(|| family.iptables());
    let mut programs = [Some(variant.program(family)), plain].into_iter().flatten();
    programs.find_map(|program| {
        let save = Program::new(format!("{program}-save"));
        let output = may_hold.then(|| save.run("list the rules"))?.ok();
        output.filter(Output::is_success).map(Output::text)
    })
}

/// What `ipset` says of a set.
fn saved_set(name: &str) -> Option<String> {
    let ipset = Program::new("ipset").args(["save", name]).run("list a set").ok();
    ipset.filter(Output::is_success).map(Output::text)
}

/// The devices of a chain at ingress or egress, which nft before 1.0.7 leaves out of JSON.
fn add_devices(ruleset: &mut Ruleset, index: usize) {
    let chain = &mut ruleset.chains[index];
    let Some(base) = &mut chain.base else { return };
    if !matches!(base.hook, Hook::Ingress | Hook::Egress) || !base.devices.is_empty() {
        return;
    }
    let Some(text) = nft::listed_chain(&chain.table, &chain.name) else { return };
    // `type filter hook ingress devices = { "eth0", "eth1" } priority 0; policy accept;`
    let mut lines = text.lines();
    let line = lines.find(|line| line.trim_start().starts_with("type ")).unwrap_or_default();
    let line = line.split_once(" priority").map_or(line, |(devices, _)| devices);
    let quoted = line.split('"').skip(1).step_by(2);
    base.devices = quoted.map(str::to_owned).collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn flowtables_are_named() {
        let listing = json!({"nftables": [{"metainfo": {}},
            {"flowtable": {"family": "inet", "name": "fast", "table": "theirs", "dev": "eth0"}}]});
        let named: Vec<String> = named_flowtables(&listing).into_iter().collect();
        assert_eq!(named, ["the flowtable fast of table inet theirs"]);
    }
}
