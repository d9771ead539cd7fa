//! Whether outsiders reach reserved ports, and whether they are told at redirected ones: their packets are led through
//! the rules of every program, as the kernel does it; for the second from the link to the listener and back. An `accept` of redisguard's ends one base chain only.
//!
//! Guarantees: what decides and cannot be judged is said to be unknown, and named.
//!
//! Never: changes anything.

mod arrival;
mod condition;
mod exposure;
mod fate;
mod fix;
mod guesses;
mod links;
mod listed;
mod outsiders;
mod own;
mod owner;
mod packet;
mod read;
mod rule;
mod saved;
mod verdict;
mod walk;

pub use self::exposure::{Exposure, exposure};
use self::links::Links;
pub use self::read::flowtables;
use self::read::read;
use self::rule::OwnRules;
pub use self::verdict::Told;
use super::iptables::variant::Variant;
use crate::bundle::GuardConfig;
use crate::family::Family;
use crate::spec::Backend;
use std::fs;

/// Whether outsiders are told at the ports that redirect them.
pub(super) fn told(guard_config: &GuardConfig, backend: Backend) -> Told {
    let redirected = outsiders::redirected(guard_config);
    if redirected.is_empty() {
        return Told::Told;
    }
    let shared =
        (backend == Backend::Iptables).then(|| Variant::selected().unwrap_or(Variant::Nft));
    let (mut ruleset, unread) = read(OwnRules::LeftOut);
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

/// The queues that a program reads (`/proc/net/netfilter/nfnetlink_queue`, the first number of each line).
fn read_queues() -> Vec<u16> {
    let text = fs::read_to_string("/proc/net/netfilter/nfnetlink_queue").unwrap_or_default();
    let first = text.lines().filter_map(|line| line.split_whitespace().next());
    first.filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::fate::{Fate, fate};
    use super::packet::{Client, Way};
    use super::rule::Ruleset;
    use super::*;
    use serde_json::{Value, json};

    /// What becomes of an outsider under rules of iptables, where redisguard has a table of nft's.
    fn saved_fate(rules: &str) -> Fate {
        let mut ruleset = Ruleset::default();
        let saved = format!(
            "*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:A - [0:0]\n{rules}\nCOMMIT\n"
        );
        saved::read(&saved, Variant::Nft, Family::V4, OwnRules::LeftOut, &mut ruleset, &mut |_| {
            None
        });
        followed(ruleset)
    }

    fn followed(mut ruleset: Ruleset) -> Fate {
        own::add(&mut ruleset, None, &[6379.into()], 63790);
        let way = Way {
            family: Family::V4,
            interface: "eth0".to_owned(),
            is_bridge: false,
            discovers: true,
            client: Client::At(0x0a00_0001),
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
            listed::read(&json!({"nftables": listing}), true, &|_| false, &mut ruleset);
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
