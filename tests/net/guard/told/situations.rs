//! In each situation of a list, `status` says what an outsider meets, and the printed fix fixes it.

use super::Said::{NotTold, Some, Told, Unknown};
use super::*;
use crate::support::cases;

/// Rules of iptables, for both families, and what is said where they are not in redisguard's own chains' table:
/// `$T` is the program, `$ICMP` the protocol of errors, `$HOST` this host, `$SECOND` the outsider's second address, and
/// `$NET` its network.
const IPTABLES: [(&str, Said); 73] = [
    ("true", Told),
    // Policies, and what lets packets in.
    ("$T -P INPUT DROP", NotTold),
    ("$DROPS", NotTold),
    ("$DROPS -p tcp --dport 63790 -j ACCEPT", Told),
    ("$DROPS -p tcp --dport 6379 -j ACCEPT", NotTold),
    ("$DROPS -p tcp -m multiport --dports 22,60000:65535 -j ACCEPT", Told),
    ("$DROPS -p tcp -m multiport --dports 22,6379 -j ACCEPT", NotTold),
    ("$DROPS -p tcp -m multiport ! --dports 22,6379 -j ACCEPT", Told),
    ("$DROPS -p tcp -m multiport --ports 63790 -j ACCEPT", Told),
    ("$DROPS -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT", Told),
    ("$DROPS -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT", NotTold),
    ("$DROPS -m conntrack ! --ctstate INVALID -j ACCEPT", Told),
    ("$DROPS -m conntrack --ctstate DNAT -j ACCEPT", Told),
    ("$DROPS -m conntrack --ctorigdstport 6379 --ctdir ORIGINAL -j ACCEPT", Told),
    ("$DROPS -m conntrack --ctorigdstport 6380 -j ACCEPT", NotTold),
    ("$DROPS -m conntrack --ctproto tcp --ctorigdst $HOST -j ACCEPT", Told),
    (
        "$DROPS -m state --state NEW -j ACCEPT; $T -A INPUT -m state --state ESTABLISHED -j ACCEPT",
        Told,
    ),
    ("$DROPS -m state --state NEW -j ACCEPT", NotTold),
    ("$DROPS -m addrtype --dst-type LOCAL -j ACCEPT", Told),
    ("$DROPS -m addrtype --dst-type MULTICAST -j ACCEPT", NotTold),
    ("$DROPS -m addrtype --src-type LOCAL -j ACCEPT", NotTold),
    ("$DROPS -m iprange --src-range $SECOND-$SECOND -j ACCEPT", Some),
    ("$DROPS -m iprange --dst-range $HOST-$HOST -j ACCEPT", Told),
    ("$DROPS -m comment --comment \"a -j DROP b\" -j ACCEPT", Told),
    ("$DROPS -m limit --limit 50/sec --limit-burst 50 -j ACCEPT", Told),
    (
        "$DROPS -m hashlimit --hashlimit-upto 50/sec --hashlimit-burst 50 --hashlimit-mode srcip --hashlimit-name a -j ACCEPT",
        Told,
    ),
    (
        "$T -A INPUT -p tcp -m hashlimit --hashlimit-above 50/sec --hashlimit-burst 50 --hashlimit-mode srcip --hashlimit-name b -j DROP",
        Told,
    ),
    ("$T -A INPUT -p tcp --syn -m connlimit --connlimit-above 50 -j DROP", Told),
    ("$DROPS -p tcp -m connlimit --connlimit-upto 50 -j ACCEPT", Told),
    ("$DROPS -i here1 -j ACCEPT", Told),
    ("$DROPS -i here+ -j ACCEPT", Told),
    ("$DROPS -i eth0 -j ACCEPT", NotTold),
    ("$DROPS ! -i lo -j ACCEPT", Told),
    ("$DROPS -s $SECOND -j ACCEPT", Some),
    ("$DROPS -d $HOST -j ACCEPT", Told),
    ("$DROPS -m pkttype --pkt-type unicast -j ACCEPT", Told),
    ("$DROPS -m mark --mark 1 -j ACCEPT", NotTold),
    ("$DROPS -m mark ! --mark 1 -j ACCEPT", Told),
    (
        "$T -t mangle -A PREROUTING -p tcp -j MARK --set-mark 5; $DROPS -m mark --mark 0x5/0xf -j ACCEPT",
        Told,
    ),
    (
        "$T -t mangle -A PREROUTING -j CONNMARK --restore-mark
         $T -t mangle -A PREROUTING -p tcp --dport 6379 -m mark --mark 0 -j MARK --or-mark 8
         $T -t mangle -A PREROUTING -j CONNMARK --save-mark; $DROPS -m connmark --mark 8 -j ACCEPT",
        Told,
    ),
    ("$DROPS -m policy --dir in --pol none -j ACCEPT", Told),
    ("$DROPS -p tcp -m time --timestart 00:00 --timestop 23:59 -j ACCEPT", Unknown),
    ("$T -A INPUT -p tcp -m statistic --mode random --probability 0.5 -j DROP", Unknown),
    ("$T -A INPUT -p tcp --dport 63790 -m string --string abc --algo bm -j DROP", Unknown),
    ("$T -A INPUT -p tcp --dport 22 -m statistic --mode random --probability 0.5 -j DROP", Told),
    ("$T -A INPUT -p tcp -m tcp ! --syn -m conntrack --ctstate NEW -j DROP", Told),
    (
        "$T -A INPUT -p tcp --tcp-flags ALL NONE -j DROP; $T -A INPUT -p tcp --tcp-flags SYN,FIN SYN,FIN -j DROP",
        Told,
    ),
    ("$T -A INPUT -m conntrack --ctstate INVALID -j DROP", Told),
    ("$T -A INPUT -p tcp --sport 1024:65535 -j DROP", NotTold),
    ("$T -A INPUT -p tcp --sport 1:1023 -j DROP", Told),
    (
        "$T -A INPUT -p tcp -m recent --name a --rcheck --seconds 60 -j DROP; $T -A INPUT -p tcp --dport 22 -m recent --name a --set",
        Told,
    ),
    ("$T -A INPUT -s $SECOND -j DROP", Told),
    ("$T -A INPUT -p tcp -j REJECT --reject-with tcp-reset", NotTold),
    // Chains.
    (
        "$T -N A; $T -N B; $T -A INPUT -j A; $T -A A -p tcp -g B; $T -A A -j ACCEPT; $T -A B -p tcp --dport 22 -j ACCEPT; $DROPS -p tcp --dport 9 -j ACCEPT",
        NotTold,
    ),
    (
        "$T -N A; $T -A INPUT -j A; $T -A A -p tcp --dport 63790 -j RETURN; $T -A A -p tcp -j DROP",
        Told,
    ),
    (
        "$T -N A; $T -A INPUT -p tcp -j A; $T -A A -p tcp -j ACCEPT; $T -P INPUT DROP; $T -A INPUT -p $ICMP -j ACCEPT",
        Told,
    ),
    // Other tables, and the answers.
    ("$T -t raw -A PREROUTING -p tcp --dport 6379 -j DROP", NotTold),
    ("$T -t raw -A PREROUTING -p tcp --dport 63790 -j DROP", Told),
    ("$T -t raw -A PREROUTING -m conntrack --ctstate INVALID -j DROP", NotTold),
    ("$T -t raw -A PREROUTING -p tcp --dport 6379 -j CT --notrack", NotTold),
    ("$T -t raw -A PREROUTING -p udp -j CT --notrack", Told),
    ("$T -t raw -A OUTPUT -p tcp -j CT --notrack", NotTold),
    ("$T -t mangle -A PREROUTING -p tcp --dport 6379 -j DROP", NotTold),
    ("$T -t mangle -A INPUT -p tcp --dport 63790 -j DROP", NotTold),
    ("$T -t mangle -A POSTROUTING -p tcp --sport 63790 -j DROP", NotTold),
    ("$T -t mangle -A POSTROUTING -p tcp --sport 6379 -j DROP", Told),
    ("$T -P OUTPUT DROP; $T -A OUTPUT -o lo -j ACCEPT", NotTold),
    (
        "$T -P OUTPUT DROP; $T -A OUTPUT -o lo -j ACCEPT; $T -A OUTPUT -p $ICMP -j ACCEPT; $T -A OUTPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT",
        Told,
    ),
    (
        "$T -A OUTPUT -p tcp --tcp-flags SYN,ACK SYN,ACK -m conntrack --ctorigdstport 6379 -j DROP",
        NotTold,
    ),
    ("$T -A OUTPUT -p tcp -d $SECOND -j REJECT", Told),
    ("$T -A INPUT -p tcp -j NFQUEUE --queue-num 7", NotTold),
    ("$T -A INPUT -p tcp -j NFQUEUE --queue-num 7 --queue-bypass", Told),
    ("$T -A FORWARD -j DROP; $T -t nat -A POSTROUTING -j MASQUERADE", Told),
];

/// Rules of nft.
const NFT: [(&str, Said); 50] = [
    ("$DROPS", NotTold),
    ("$DROPS udp dport 138 accept", NotTold),
    ("$DROPS udp dport != 138 drop; tcp dport 63790 accept", Told),
    ("$DROPS udp dport vmap { 53 : accept, 138 : drop }; tcp dport 63790 accept", Told),
    ("$DROPS tcp dport 63790 accept", Told),
    ("$DROPS tcp dport { 22, 60000-65535 } accept", Told),
    ("$DROPS ct status dnat accept", Told),
    ("$DROPS ct state new,established accept", Told),
    ("$DROPS ct state established,related accept", NotTold),
    ("$DROPS ct state { new, established } accept", Told),
    ("$DROPS ct state != invalid accept", Told),
    ("$DROPS meta l4proto tcp ct original proto-dst { 6379, 6380 } accept", Told),
    ("$DROPS ct direction original accept", Told),
    (
        "$DROPS ip saddr . tcp dport { 0.0.0.0/0 . 63790 } accept; ip6 saddr . tcp dport { ::/0 . 63790 } accept",
        Told,
    ),
    ("$DROPS ip saddr . tcp dport { 198.51.1.7 . 63790 } accept", Some),
    ("$DROPS meta l4proto . th dport { tcp . 1-65535 } accept", Told),
    ("$DROPS iifname . tcp dport { \"here1\" . 63790 } accept", Told),
    ("$DROPS iifname \"here*\" accept", Told),
    ("$DROPS iifname { \"eth0\", \"eth1\" } accept", NotTold),
    ("$DROPS iif here1 tcp dport 63790 accept", Told),
    ("$DROPS tcp dport vmap { 22 : accept, 63790 : accept }", Told),
    ("$DROPS tcp dport vmap { 22 : accept, 63790 : drop, 0-21 : accept }", NotTold),
    ("$DROPS iifname vmap { \"lo\" : accept, \"here1\" : jump good }", Told),
    (
        "$DROPS ct state vmap { established : accept, related : accept, invalid : drop }; tcp dport @ports accept",
        Told,
    ),
    ("$DROPS tcp dport @empty accept", NotTold),
    ("$DROPS ip saddr @nets accept", Some),
    ("$DROPS ip saddr != 198.51.1.7 accept", Some),
    ("$DROPS meta nfproto ipv4 accept", Some),
    ("$DROPS ip protocol tcp accept", Some),
    ("$DROPS meta l4proto { tcp, udp } th dport 63790 accept", Told),
    ("$DROPS tcp dport >= 1024 accept", Told),
    ("$DROPS tcp dport != 22 accept", Told),
    ("$DROPS fib daddr type local accept", Told),
    ("$DROPS fib saddr . iif oif exists accept", Told),
    ("$DROPS tcp flags & (fin | syn | rst | ack) == syn accept; ct state established accept", Told),
    ("$DROPS tcp flags syn accept", NotTold),
    ("$DROPS meta mark 1 accept", NotTold),
    ("$DROPS meta mark set 7; meta mark & 0x3 == 3 accept", Told),
    ("$DROPS limit rate 50/second burst 50 packets accept", Told),
    ("$DROPS tcp dport 63790 numgen random mod 2 0 accept", Unknown),
    ("$DROPS goto good", Told),
    ("$DROPS jump none", NotTold),
    ("$HOOK prerouting priority raw; }; add rule inet t c tcp dport 6379 notrack", NotTold),
    ("$HOOK prerouting priority raw; }; add rule inet t c ct state invalid drop", NotTold),
    ("$HOOK prerouting priority -50; }; add rule inet t c ct state invalid drop", Told),
    (
        "$HOOK output priority filter; policy drop; }; add rule inet t c oifname lo accept; add rule inet t c icmpv6 type != 1 accept",
        NotTold,
    ),
    ("$HOOK postrouting priority 200; }; add rule inet t c tcp sport 6379 drop", NotTold),
    ("$NAT priority -150; }; add rule inet t c tcp dport 6379 redirect to :80", NotTold),
    ("$NAT priority -150; }; add rule inet t c tcp dport 6379 redirect to :63790", Told),
    ("$NAT priority -50; }; add rule inet t c tcp dport 6379 redirect to :80", Told),
];

/// Chains of nft at places that only one family or device has.
const OTHER: [(&str, Said); 6] = [
    (
        "add table netdev t; add chain netdev t c { type filter hook ingress device here1 priority 0; }; add rule netdev t c tcp dport 6379 drop",
        NotTold,
    ),
    (
        "add table netdev t; add chain netdev t c { type filter hook ingress device lo priority 0; }; add rule netdev t c tcp dport 6379 drop",
        Told,
    ),
    (
        "add table inet t; add chain inet t c { type filter hook ingress device here1 priority 0; }; add rule inet t c tcp dport 6379 drop",
        NotTold,
    ),
    (
        "add table netdev t; add chain netdev t c { type filter hook egress device here1 priority 0; }; add rule netdev t c tcp sport 6379 drop",
        NotTold,
    ),
    (
        "add table inet t; add chain inet t c { type filter hook input priority 0; policy drop; }; add rule inet t c tcp dport 63790 accept",
        Some,
    ),
    (
        "add table ip6 t; add chain ip6 t c { type filter hook input priority 5; }; add rule ip6 t c tcp dport 63790 reject",
        Some,
    ),
];

/// The rules of a line as a script, for `tool` where it is one of iptables.
fn script(rules: &str, tool: Option<&str>) -> String {
    if let Option::Some(variant) = tool {
        let rules = rules.replace(
            "$DROPS",
            "$T -P INPUT DROP; $T -A INPUT -p $ICMP -j ACCEPT; $T -A INPUT -i lo -j ACCEPT; $T -A INPUT",
        );
        let rules = rules.replace("$T -A INPUT;", "");
        let rules = rules.strip_suffix("$T -A INPUT").unwrap_or(&rules);
        return format!(
            "both() {{ {rules}
             }}
             set -e
             T=iptables-{variant} ICMP=icmp HOST=198.51.1.1 SECOND=198.51.1.7; both
             T=ip6tables-{variant} ICMP=ipv6-icmp HOST=fd00:6379:1::1 SECOND=fd00:6379:1::7; both"
        );
    }
    let table = "add table inet t
         add set inet t ports { type inet_service; flags interval; elements = { 22, 63000-64000 }; }
         add set inet t empty { type inet_service; }
         add set inet t nets { type ipv4_addr; flags interval; elements = { 198.51.1.7, 10.0.0.0/8 }; }
         add chain inet t good
         add rule inet t good tcp dport 63790 accept
         add chain inet t none
         add chain inet t c { type filter hook input priority 0; policy drop; }
         add rule inet t c iifname lo accept
         add rule inet t c icmpv6 type != 1 accept\n";
    let rules = match rules.strip_prefix("$DROPS") {
        Option::Some(own) => {
            let own = own.split("; ").filter(|rule| !rule.trim().is_empty());
            let own = own.map(|rule| format!("add rule inet t c {rule}\n"));
            format!("{table}{}", own.collect::<String>())
        }
        None => rules
            .replace("$HOOK", "add table inet t; add chain inet t c { type filter hook")
            .replace("$NAT", "add table inet t; add chain inet t c { type nat hook prerouting"),
    };
    format!("nft -f - <<'END'\n{rules}\nEND")
}

/// Tries each situation, and the fix where one is printed. Returns what is wrong.
fn tried(ground: &Ground, situations: &[(&str, Said)], tool: Option<&str>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (rules, wanted) in situations {
        ground.clear();
        let loaded = ground.host.run("bash", &["-c", &script(rules, tool)]);
        let at = format!("{} {tool:?}: {rules}", ground.backend);
        if !loaded.status.success() {
            wrong.push(format!("{at}: {}", transcript(&loaded)));
            continue;
        }
        let (said, words, fix) = ground.said();
        wrong.extend(ground.lie(&said).map(|lie| format!("{at}: {lie}: {words}")));
        // Rules in a table that is redisguard's too come behind its own.
        let is_apart = ground.backend == "nftables";
        if is_apart && said != *wanted {
            wrong.push(format!("{at}: said {said:?}, not {wanted:?}: {words}"));
        }
        if said == Unknown && *wanted != Unknown {
            wrong.push(format!("{at}: {words}"));
        }
        if is_apart && (said == NotTold || said == Some) {
            if let Option::Some(fix) = fix {
                let followed = ground.host.run("bash", &["-c", &fix]);
                if !followed.status.success() {
                    wrong.push(format!("{at}: {fix}: {}", transcript(&followed)));
                }
            }
            if ground.said().0 != Told || ground.met(20.0).contains(&false) {
                wrong.push(format!("{at}: the fix does not: {words}\n{:?}", ground.said()));
            }
        }
    }
    wrong
}

/// Tries the `first` of every `step` situations and those after it, each `step` further on; all of them where
/// property tests are to try more cases.
#[track_caller]
fn assert_so(
    backend: &'static str,
    situations: &[(&str, Said)],
    tool: Option<&str>,
    (first, step): (usize, usize),
) {
    if !able() {
        return;
    }
    let some = situations.iter().skip(first).step_by(step).cloned().collect::<Vec<_>>();
    let tried_now = if cases(1).cases > 1 { situations } else { some.as_slice() };
    let wrong = tried(&Ground::new(backend), tried_now, tool);
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

// Each situation is tried beside a table of nft by one of both variants, and some in the same tables.

#[test]
fn rules_of_iptables_beside_a_table_of_nft() {
    assert_so("nftables", &IPTABLES, Option::Some("nft"), (0, 2));
}

#[test]
fn rules_of_legacy_iptables_beside_a_table_of_nft() {
    assert_so("nftables", &IPTABLES, Option::Some("legacy"), (1, 2));
}

#[test]
fn rules_of_iptables_in_the_same_tables() {
    assert_so("iptables", &IPTABLES, Option::Some("nft"), (1, 4));
}

#[test]
fn rules_of_legacy_iptables_in_the_same_tables() {
    assert_so("legacy", &IPTABLES, Option::Some("legacy"), (2, 4));
}

#[test]
fn rules_of_nft_beside_a_table_of_nft() {
    assert_so("nftables", &[&NFT[..], &OTHER].concat(), None, (0, 1));
}

#[test]
fn rules_of_nft_beside_those_of_iptables() {
    assert_so("iptables", &[&NFT[..], &OTHER].concat(), None, (0, 3));
    assert_so("legacy", &OTHER, None, (0, 1));
}
