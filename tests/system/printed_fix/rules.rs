//! Damages of the rules in the kernel.

use super::{Damage, damage};

pub(super) const IPTABLES: &[Damage] = &[
    damage("INPUT flushed (IPv4)", "iptables -F INPUT"),
    damage("INPUT flushed (IPv6)", "ip6tables -F INPUT"),
    damage("FORWARD flushed (IPv4)", "iptables -F FORWARD"),
    damage("FORWARD flushed (IPv6)", "ip6tables -F FORWARD"),
    damage("mangle PREROUTING flushed (IPv4)", "iptables -t mangle -F PREROUTING"),
    damage("mangle PREROUTING flushed (IPv6)", "ip6tables -t mangle -F PREROUTING"),
    damage("nat PREROUTING flushed (IPv4)", "iptables -t nat -F PREROUTING"),
    damage("nat PREROUTING flushed (IPv6)", "ip6tables -t nat -F PREROUTING"),
    damage("filter flushed", "iptables -F; ip6tables -F"),
    damage("a chain flushed", "iptables -F REDISGUARD-IN"),
    damage("a rule deleted", "iptables -t mangle -D REDISGUARD-BLOCK 1"),
    damage("a rule edited", "iptables -R REDISGUARD-IN 2 -i eth0 -j ACCEPT"),
    damage("a rule added to a chain", "ip6tables -I REDISGUARD-IN -j ACCEPT"),
    damage(
        "the jump in second place",
        "iptables -I INPUT -p tcp --dport 6379 -j ACCEPT; iptables -D INPUT 2",
    ),
    damage(
        "the jump twice",
        "iptables -A INPUT -p tcp -m multiport --dports 6379,6380 -j REDISGUARD-IN",
    ),
    damage("a chain left over", "iptables -N REDISGUARD-OLD; iptables -A REDISGUARD-OLD -j ACCEPT"),
    damage("rules unloaded", "/root/redisguard-install rules unload"),
    damage("all of nft flushed", "nft flush ruleset"),
    damage("a table deleted", "nft delete table ip filter"),
    damage(
        "a chain deleted",
        "nft flush chain ip mangle PREROUTING; nft flush chain ip mangle REDISGUARD-BLOCK
        nft delete chain ip mangle REDISGUARD-BLOCK",
    ),
];

/// Where outsiders are told.
pub(super) const TOLD: &[Damage] = &[
    damage("the redirect deleted", "iptables -t nat -F REDISGUARD-PRE"),
    damage("nat flushed", "iptables -t nat -F; ip6tables -t nat -F"),
];

pub(super) const NFTABLES: &[Damage] = &[
    damage("ruleset flushed", "nft flush ruleset"),
    damage("the table deleted", "nft delete table inet redisguard"),
    damage("the table flushed", "nft flush table inet redisguard"),
    damage("a chain flushed", "nft flush chain inet redisguard $(nft list chains | awk '/chain/ {print $2; exit}')"),
    damage("every chain flushed", "for chain in $(nft list table inet redisguard | awk '$1 == \"chain\" {print $2}')
        do nft flush chain inet redisguard $chain; done"),
    damage("a rule deleted", "nft -a list table inet redisguard | awk '$1 == \"chain\" {c = $2} / # handle / && c && !/chain/ \
        {print \"delete rule inet redisguard\", c, \"handle\", $NF; exit}' | nft -f -"),
    damage("a rule added", "nft insert rule inet redisguard \
        $(nft list table inet redisguard | awk '$1 == \"chain\" {print $2; exit}') accept"),
    damage("a chain left over", "nft add chain inet redisguard old"),
    damage("the table dormant", "nft add table inet redisguard '{ flags dormant; }'"),
    damage("an element deleted", "nft -a list table inet redisguard | awk '$1 == \"set\" || $1 == \"map\" {print $1, $2}' |
        while read kind name; do nft flush $kind inet redisguard $name; done"),
    damage("a counter deleted", "nft list table inet redisguard | awk '$1 == \"counter\" {print $2}' | head -1 |
        while read name; do nft flush table inet redisguard; nft delete counter inet redisguard $name; done"),
    damage("rules of iptables left over", "iptables -N REDISGUARD-IN; iptables -I INPUT -j REDISGUARD-IN"),
];
