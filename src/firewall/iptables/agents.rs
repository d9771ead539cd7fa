//! Agents that put their own jump first each time they synchronise their rules. Whatever they accept in INPUT
//! never meets redisguard's rules there.

use super::programs::save;
use super::tables;
use crate::bundle::GuardConfig;
use crate::spec::External;
use std::collections::BTreeMap;

/// How the names of their chains begin, and what the agents are called.
const AGENTS: [(&str, &str); 6] = [
    ("cali-", "Calico"),
    ("KUBE-ROUTER-", "kube-router"),
    ("KUBE-", "kube-proxy"),
    ("CILIUM_", "Cilium"),
    ("WEAVE-", "Weave Net"),
    ("ts-", "Tailscale"),
];

/// What the agents of this host can do to ports that reset outsiders; `None` where there is no such port
/// or agent. The other policies decide before INPUT.
pub(in crate::firewall) fn can_accept_first(guard_config: &GuardConfig) -> Option<String> {
    let reserved = guard_config.reserved.iter();
    let reset = reserved.filter(|reserved| reserved.external == External::Reject);
    let ports: Vec<String> = reset.map(|reserved| reserved.ports.to_string()).collect();
    if ports.is_empty() {
        return None;
    }
    let listings = tables::families().filter_map(|family| save(family).ok());
    let found: BTreeMap<String, &str> = listings.flat_map(|listing| agents(&listing)).collect();
    if found.is_empty() {
        return None;
    }
    let named: Vec<String> =
        found.iter().map(|(chain, agent)| format!("{agent} (chain {chain})")).collect();
    Some(format!(
        "{} can put rules before redisguard's in INPUT. Outsiders whose packets are accepted there reach \
         what listens on {}, because external = \"reject\" decides in INPUT",
        named.join(", "),
        ports.join(", ")
    ))
}

/// The agents with a jump in INPUT of a listing of iptables-save, by their chain.
fn agents(listing: &str) -> Vec<(String, &'static str)> {
    let filter =
        listing.split("COMMIT\n").find(|table| table.lines().any(|line| line == "*filter"));
    let jumps = filter.unwrap_or_default().lines().filter_map(|line| {
        let rule = line.split_once("-A INPUT ")?.1;
        rule.rsplit_once("-j ").or_else(|| rule.rsplit_once("-g ")).map(|(_, chain)| chain.trim())
    });
    let named = jumps.filter_map(|chain| {
        let (_, agent) = AGENTS.into_iter().find(|(prefix, _)| chain.starts_with(prefix))?;
        Some((chain.to_owned(), agent))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_known_by_their_chains_in_the_filter_table() {
        let listing = "*nat\n:INPUT ACCEPT [0:0]\n-A INPUT -j cali-nat\nCOMMIT\n\
                       *filter\n:INPUT ACCEPT [0:0]\n:cali-INPUT - [0:0]\n\
                       [1:2] -A INPUT -m comment --comment \"cali:Cz_u1IQiXIMmKD4c\" -j cali-INPUT\n\
                       -A INPUT -j KUBE-ROUTER-INPUT\n-A INPUT -j mine\n-A OUTPUT -j ts-output\nCOMMIT\n";
        let found = agents(listing);
        let wanted = [("cali-INPUT", "Calico"), ("KUBE-ROUTER-INPUT", "kube-router")];
        assert_eq!(found, wanted.map(|(chain, agent)| (chain.to_owned(), agent)));
    }
}
