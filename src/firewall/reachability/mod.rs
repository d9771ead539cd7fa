//! Whether outsiders at redirected ports are told: their packets are led through the rules of every program, as the
//! kernel does it, from the link to the listener and back. An `accept` of redisguard's ends one base chain only.
//!
//! Guarantees: what decides and cannot be judged is said to be unknown, and named.
//!
//! Never: changes anything.

mod condition;
mod fix;
mod ipset;
mod links;
mod listed;
mod listed_match;
mod outsiders;
mod own;
mod owner;
mod packet;
mod rule;
mod saved;
mod saved_match;
mod verdict;
mod walk;

use self::links::Links;
use self::rule::{Hook, Ruleset};
pub use self::verdict::Told;
use super::iptables::variant::Variant;
use super::nftables::{netlink, nft};
use crate::bundle::GuardConfig;
use crate::error::ErrorKind;
use crate::family::Family;
use crate::os::command::{Output, Program};
use crate::spec::Backend;
use serde_json::Value;
use std::fs;

/// The tables of iptables.
const IPTABLES_TABLES: [&str; 5] = ["raw", "mangle", "nat", "filter", "security"];

/// Whether outsiders are told at the ports that redirect them.
pub(super) fn told(guard_config: &GuardConfig, backend: Backend) -> Told {
    let redirected = outsiders::redirected(guard_config);
    if redirected.is_empty() {
        return Told::Told;
    }
    let shared =
        (backend == Backend::Iptables).then(|| Variant::selected().unwrap_or(Variant::Nft));
    let (mut ruleset, unread) = read();
    own::add(&mut ruleset, shared, &redirected, guard_config.notice);
    let has_ipv6 = super::kernel::has_ipv6();
    let families = if has_ipv6 { &Family::BOTH[..] } else { &[Family::V4] };
    let told = verdict::of(&ruleset, guard_config, &Links::read(), families, &read_queues());
    match unread {
        // Rules that cannot be listed may stop anybody.
        Some(unread) if told == Told::Told => Told::Unknown(format!(
            "could not judge whether outsiders are told: {unread}; test from another host with: \
             redisguard-install probe HOST"
        )),
        _ => told,
    }
}

/// Which chains of others stop redirected clients, or what may, in words, and the fix in lines that begin with
/// `fix: `; `None` where outsiders are told, or no port is redirected.
pub(super) fn obstacle(guard_config: &GuardConfig, backend: Backend) -> Option<String> {
    told(guard_config, backend).detail().map(str::to_owned)
}

/// The rules that this host has, and which of them cannot be listed.
fn read() -> (Ruleset, Option<String>) {
    let mut ruleset = Ruleset::default();
    let mut unread = None;
    let mut listed = Vec::new();
    for (variant, family) in [Variant::Nft, Variant::Legacy]
        .into_iter()
        .flat_map(|variant| Family::BOTH.map(|family| (variant, family)))
    {
        let saved = saved(variant, family);
        if saved.is_none() && variant == Variant::Legacy && variant.may_hold(family) {
            unread = Some(format!("{}-save cannot list its rules", variant.program(family)));
        }
        let saved = saved.unwrap_or_default();
        let tables = saved::read(&saved, variant, family, &mut ruleset, &mut saved_set);
        if variant == Variant::Nft {
            listed.extend(tables);
        }
    }
    let listing = match nft::run(&["--json", "list", "ruleset"], "list all rules", "") {
        Ok(output) => serde_json::from_slice::<Value>(&output.stdout).ok(),
        // Then nothing but iptables is likely to have made rules of nf_tables.
        Err(error) if error.kind() == ErrorKind::NotInstalled => Some(Value::Null),
        Err(_) => None,
    };
    if listing.is_none() && Variant::Nft.may_hold(Family::V4) {
        unread = Some("nft cannot list its rules".to_owned());
    }
    let skips = |table: &str| table == "inet redisguard" || listed.iter().any(|of| of == table);
    listed::read(&listing.unwrap_or_default(), &skips, &mut ruleset);
    for index in 0..ruleset.chains.len() {
        add_devices(&mut ruleset, index);
    }
    (ruleset, unread)
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

/// The queues that a program reads (`/proc/net/netfilter/nfnetlink_queue`, the first number of each line).
fn read_queues() -> Vec<u16> {
    let text = fs::read_to_string("/proc/net/netfilter/nfnetlink_queue").unwrap_or_default();
    let first = text.lines().filter_map(|line| line.split_whitespace().next());
    first.filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::packet::Way;
    use super::walk::{Fate, fate};
    use super::*;
    use serde_json::json;

    /// What becomes of an outsider under rules of iptables, where redisguard has a table of nft's.
    fn saved_fate(rules: &str) -> Fate {
        let mut ruleset = Ruleset::default();
        let saved = format!(
            "*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:A - [0:0]\n{rules}\nCOMMIT\n"
        );
        saved::read(&saved, Variant::Nft, Family::V4, &mut ruleset, &mut |_| None);
        followed(ruleset)
    }

    fn followed(mut ruleset: Ruleset) -> Fate {
        own::add(&mut ruleset, None, &[6379.into()], 63790);
        let way = Way {
            family: Family::V4,
            interface: "eth0".to_owned(),
            is_bridge: false,
            discovers: true,
            client: 0x0a00_0001,
            host: 0xc633_6401,
            port: 6379,
            listener: 63790,
        };
        fate(&ruleset, &way, &[])
    }

    fn is_told(fate: &Fate) -> Option<bool> {
        match fate {
            Fate::Known(found) => Some(found.is_empty()),
            Fate::Unknown(_) => None,
        }
    }

    #[test]
    fn rules_of_iptables_are_followed() {
        for (rules, told) in [
            ("", Some(true)),
            ("-A INPUT -j DROP", Some(false)),
            ("-A INPUT -p tcp -m tcp --dport 63790 -j ACCEPT\n-A INPUT -j DROP", Some(true)),
            ("-A INPUT -j REDISGUARD-IN\n-A INPUT -s 10.0.0.0/8 -j DROP", Some(false)),
            ("-A INPUT -p tcp -g A\n-A INPUT -j DROP\n-A A -j RETURN", Some(true)),
            ("-A INPUT -p tcp -j A\n-A INPUT -j DROP\n-A A -j RETURN", Some(false)),
            ("-A OUTPUT -p tcp -m tcp --sport 63790 -j DROP", Some(false)),
            ("-A INPUT -m u32 --u32 \"0x6&0xff=0x6\" -j DROP", None),
            (
                "-A INPUT -m u32 --u32 \"0x6\" -j ACCEPT\n-A INPUT -m u32 --u32 \"0x6\" -j DROP",
                Some(true),
            ),
            ("-A INPUT -m comment --comment \"-j DROP\" -j LOG --log-prefix \"-j\"", Some(true)),
            ("-A INPUT -j SOMETHING --new", None),
        ] {
            let fate = saved_fate(rules);
            assert_eq!(is_told(&fate), told, "{rules}: {fate:?}");
        }
    }

    #[test]
    fn rules_of_nft_are_followed() {
        let port = json!({"payload": {"protocol": "tcp", "field": "dport"}});
        let meets = |left: &Value, op: &str, right: Value| json!({"match": {"op": op, "left": left, "right": right}});
        let told = |rules: &[Value]| {
            let at = json!({"family": "inet", "table": "t", "chain": "c"});
            let chain = json!({"family": "inet", "table": "t", "name": "c", "type": "filter",
                               "hook": "input", "prio": 0, "policy": "drop"});
            let rules = rules.iter().map(|expr| {
                let mut rule = at.clone();
                rule["expr"] = expr.clone();
                json!({"rule": rule})
            });
            let listing: Vec<Value> = [json!({"chain": chain})].into_iter().chain(rules).collect();
            let mut ruleset = Ruleset::default();
            listed::read(&json!({"nftables": listing}), &|_| false, &mut ruleset);
            is_told(&followed(ruleset))
        };
        let accept = json!({"accept": null});
        let ports = json!({"set": [22, {"range": [60000, 65535]}]});
        assert_eq!(told(&[]), Some(false));
        assert_eq!(told(&[json!([meets(&port, "==", ports.clone()), accept])]), Some(true));
        assert_eq!(told(&[json!([meets(&port, "!=", ports), accept])]), Some(false));
        // As nft 1.0.6 writes a port whose type it does not know.
        let original = json!({"ct": {"key": "proto-dst", "dir": "original"}});
        let invalid = json!({"set": ["0x18eb [invalid type]"]});
        assert_eq!(told(&[json!([meets(&original, "==", invalid), accept])]), Some(true));
        let random = json!({"numgen": {"mode": "random", "mod": 2, "offset": 0}});
        assert_eq!(told(&[json!([meets(&random, "==", json!(0)), accept])]), None);
        assert_eq!(told(&[json!([{"xt": {"type": "match", "name": "u32"}}, accept])]), None);
    }
}
