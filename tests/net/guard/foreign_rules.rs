//! Rules of other programs open no reserved port, and redisguard's rules leave theirs alone.

use super::*;

#[test]
fn a_translated_virtual_address_is_left_alone() {
    on_both(|site| {
        // As for a service of a cluster: its address is nobody's, its port is 6379.
        site.host.sh(
        "iptables -t nat -A PREROUTING -d 10.50.0.1 -p tcp --dport 6379 -j DNAT --to-destination 198.51.2.2:6379
         ip6tables -t nat -A PREROUTING -d fd00:50::1 -p tcp --dport 6379 -j DNAT --to-destination [fd00:6379:2::2]:6379",
    );
        let addresses = ["10.50.0.1", "fd00:50::1"];
        let mut sessions = addresses.map(|address| Session::open(&site.outside, address, "6379"));
        let plan = transcript(&site.host.install(&["plan", "--json"]));
        assert!(!plan.contains("\"peers\""), "{plan}");
        for external in ["drop", "reject"] {
            site.guard(external, "existing = \"cut\"");
            for (address, session) in addresses.iter().zip(&mut sessions) {
                assert_eq!(met(&site.outside, address, "6379"), "PONG", "{external}, {address}");
                assert_eq!(session.ask(), "+PONG", "{external}, {address}");
            }
            assert_eq!(site.met("6380"), if external == "drop" { SILENCE } else { REFUSED });
        }
    });
}

#[test]
fn service_addresses_that_the_host_has_itself_are_left_alone() {
    on_both(|site| {
        // As kube-proxy has them for IPVS, on a device without a link.
        site.host.sh("ip link add service0 type bridge; ip link set service0 up
             ip addr add 10.50.0.1/32 dev service0; ip addr add fd00:50::1/128 dev service0 nodad");
        let addresses = ["10.50.0.1", "fd00:50::1"];
        let met = |port| addresses.map(|address| met(&site.outside, address, port));
        let mut sessions = addresses.map(|address| Session::open(&site.outside, address, "6380"));
        for external in ["drop", "reject", "notice"] {
            let networks = "service-networks = [\"10.50.0.0/24\", \"fd00:50::/64\"]";
            site.guard(external, &format!("existing = \"cut\"\n{networks}"));
            let _listener = (external == "notice").then(|| site.listen());
            assert_eq!(met("6380"), PONG, "{} {external}", site.backend);
            for session in &mut sessions {
                assert_eq!(session.ask(), "+PONG", "{} {external}", site.backend);
            }
            assert_ne!(site.met("6380"), PONG, "{} {external}", site.backend);
        }
        site.guard("drop", "");
        assert_eq!(met("6380"), SILENCE, "{}", site.backend);
    });
}

#[test]
fn a_foreign_accept_rule_opens_no_port() {
    on_both(|site| {
        site.host.sh("iptables -A INPUT -p tcp --dport 6380 -j ACCEPT; ip6tables -A INPUT -p tcp --dport 6380 -j ACCEPT");
        site.guard("drop", "");
        assert_eq!(site.met("6380"), SILENCE);
    });
}

#[test]
fn a_foreign_redirect_opens_no_reserved_port() {
    on_both(|site| {
        for (external, wanted) in [("drop", SILENCE), ("reject", REFUSED)] {
            for (others, gone) in [
                (
                    "$T -t nat -I PREROUTING 1 -p tcp --dport 6380 -j REDIRECT --to-ports 7000",
                    "$T -t nat -D PREROUTING -p tcp --dport 6380 -j REDIRECT --to-ports 7000",
                ),
                (
                    "nft 'add table inet theirs; add chain inet theirs early { type nat hook \
                     prerouting priority -150; }; add rule inet theirs early tcp dport 6380 redirect to :7000'",
                    "nft delete table inet theirs 2>/dev/null || true",
                ),
            ] {
                site.guard(external, "");
                site.others(others);
                let met = site.meets(["6380", "7000"]);
                assert_eq!(met, [wanted, PONG], "{} {external}: {others}", site.backend);
                for address in ["127.0.0.1", "::1", HOST[0], HOST[1]] {
                    assert_eq!(
                        self::met(&site.host, address, "6380"),
                        "PONG",
                        "{external}, {address}"
                    );
                }
                site.others(gone);
            }
        }
    });
}

#[test]
fn foreign_packet_marks_let_no_outsider_reach_a_container() {
    on_both(|site| {
        site.publish(6379);
        site.others("$T -t mangle -A PREROUTING -j CONNMARK --restore-mark");
        let mut open = HOST.map(|address| Session::open(&site.outside, address, "6379"));
        for (external, wanted) in [("drop", SILENCE), ("reject", REFUSED)] {
            site.guard(external, "existing = \"cut\"");
            for session in &mut open {
                assert_eq!(session.ask(), CUT, "{} {external}", site.backend);
            }
            site.others(
                "$T -t nat -I PREROUTING 1 -p tcp --dport 6379 -m addrtype --dst-type LOCAL \
                 -j DNAT --to-destination $BOX",
            );
            assert_eq!(site.met("6379"), wanted, "{} {external}", site.backend);
            assert_eq!(site.met("7000"), PONG);
            let removed = site.host.install(&["remove"]);
            assert!(removed.status.success(), "{}", transcript(&removed));
            open = HOST.map(|address| Session::open(&site.outside, address, "6379"));
        }
    });
}

#[test]
fn a_foreign_rule_with_a_similar_comment_stays() {
    on_both(|site| {
        let rule = "INPUT -p udp -m udp --dport 9 -m comment --comment \"before -j REDISGUARD-IN\" -j DROP";
        site.others(&format!("$T -A {rule}"));
        let stands = || site.host.sh("iptables-save; ip6tables-save").matches(rule).count() == 2;
        assert!(stands());
        site.guard("drop", "");
        assert!(stands());
        site.guard_by(if site.backend == "iptables" { "nftables" } else { "iptables" }, "drop", "");
        assert!(stands());
        site.host.install(&["remove"]);
        assert!(stands());
    });
}

#[test]
fn outsiders_are_told_on_a_link_without_an_address() {
    on_both(|site| {
        // As with routed addresses that stand on the loopback interface.
        site.host.sh("ip addr del 198.51.1.1/24 dev here1; ip addr add 198.51.1.1/32 dev lo
             ip route add 198.51.1.2/32 dev here1
             ip addr del fd00:6379:1::1/64 dev here1; ip addr add fd00:6379:1::1/128 dev lo
             ip -6 route add fd00:6379:1::2/128 dev here1");
        site.guard("notice", "");
        let _listener = site.listen();
        for said in site.met("6380") {
            assert!(said.starts_with("PORTCLOSED 6380 "), "{}: {said}", site.backend);
        }
    });
}

/// Agents accept by marks of their own, put themselves first at each of their syncs, and clear marks.
const AGENTS: [&str; 3] = [
    "$T -I INPUT 1 -m mark ! --mark 0 -j ACCEPT; $T -I FORWARD 1 -m mark ! --mark 0 -j ACCEPT",
    "$T -t mangle -I PREROUTING 1 -j MARK --set-mark 0; $T -t mangle -A PREROUTING -j MARK --set-mark 0",
    "$T -t mangle -A PREROUTING -j CONNMARK --save-mark; $T -t raw -I PREROUTING 1 -j CONNMARK --restore-mark",
];

#[test]
fn no_mark_of_other_agents_opens_a_reserved_port() {
    on_both(|site| {
        for agent in AGENTS {
            for external in ["drop", "reject", "notice"] {
                site.guard(external, "existing = \"keep\"");
                let _listener = (external == "notice").then(|| site.listen());
                site.others(agent);
                site.others(
                    "$T -t nat -I PREROUTING 1 -p tcp --dport 6379 -m addrtype --dst-type LOCAL \
                     -j DNAT --to-destination $BOX",
                );
                for (port, met) in ["6379", "6380"].iter().zip(site.meets(["6379", "6380"])) {
                    let at = format!("{} {external}, {port}: {agent}", site.backend);
                    match external {
                        "drop" => assert_eq!(met, SILENCE, "{at}"),
                        "reject" => assert_eq!(met, REFUSED, "{at}"),
                        // Published before redisguard could redirect it, it reaches nobody: "no route".
                        _ if *port == "6379" && site.backend == "iptables" => {
                            assert!(!met.contains(&"PONG".to_owned()), "{at}");
                        }
                        _ => assert!(met.iter().all(|met| met.starts_with("PORTCLOSED")), "{at}"),
                    }
                }
                let removed = site.host.install(&["remove"]);
                assert!(removed.status.success(), "{}", transcript(&removed));
                assert_eq!(site.met("6379"), PONG, "{} {external}: {agent}", site.backend);
                site.others("for t in raw mangle nat filter; do $T -t $t -F; done");
            }
        }
    });
}

#[test]
fn plan_names_agents_that_can_accept_what_is_to_be_rejected() {
    on_both(|site| {
        let plan = || transcript(&site.host.install(&["--bundle", "/run/bundle", "plan"]));
        site.guard("reject", "existing = \"keep\"");
        assert!(!plan().contains("note:"), "{}", plan());
        site.others("$T -N cali-INPUT; $T -I INPUT 1 -j cali-INPUT; $T -A cali-INPUT -j ACCEPT");
        // Said where it is so, and only there.
        let is_open = site.met("6380") == PONG;
        assert_eq!(is_open, site.backend == "iptables");
        assert_eq!(
            plan().contains("note: Calico (chain cali-INPUT) can put"),
            is_open,
            "{}",
            plan()
        );
        for external in ["drop", "notice"] {
            site.guard(external, "existing = \"keep\"");
            let _listener = (external == "notice").then(|| site.listen());
            site.others("$T -D INPUT -j cali-INPUT; $T -I INPUT 1 -j cali-INPUT");
            assert_ne!(site.met("6380"), PONG, "{} {external}", site.backend);
            assert!(!plan().contains("Calico"), "{}", plan());
        }
    });
}

#[test]
fn plan_says_that_connection_tracking_is_turned_on() {
    on_both(|site| {
        for (existing, turns_on) in [("keep", site.backend == "iptables"), ("cut", true)] {
            site.guard("drop", &format!("existing = \"{existing}\""));
            let mut session = Session::open(&site.outside, HOST[0], "7000");
            assert_eq!(session.ask(), "+PONG");
            let tracked = site.host.sh("cat /proc/sys/net/netfilter/nf_conntrack_count");
            assert_eq!(tracked.trim() != "0", turns_on, "{} {existing}", site.backend);
            site.host.install(&["remove"]);
            let bare = Host::new();
            bare.copy_in(&site.bundle(), "/run/bundle");
            let plan = transcript(&bare.install(&["--bundle", "/run/bundle", "plan"]));
            let said = plan.contains("note: these rules turn on connection tracking");
            assert_eq!(said, turns_on, "{} {existing}: {plan}", site.backend);
        }
    });
}

#[test]
fn an_address_in_another_routing_table_is_guarded() {
    on_both(|site| {
        // As a VRF has it: the kernel does not call such an address "local" without its interface.
        site.host.sh(
            "ip addr add 198.51.1.77/32 dev here1; ip addr add fd00:6379:1::77/128 dev here1 nodad
             for address in 198.51.1.77 fd00:6379:1::77; do
               ip=\"ip -$(case $address in *:*) echo 6;; *) echo 4;; esac)\"
               $ip route add local $address dev here1 table 100
               $ip route del local $address table local
               $ip rule add to $address lookup 100
             done",
        );
        let met = || ["198.51.1.77", "fd00:6379:1::77"].map(|to| met(&site.outside, to, "6380"));
        assert_eq!(met(), PONG, "{}", site.backend);
        for (external, wanted) in [("drop", SILENCE), ("reject", REFUSED), ("notice", REFUSED)] {
            site.guard(external, "");
            assert_eq!(met(), wanted, "{} {external}", site.backend);
        }
    });
}

#[test]
fn a_container_on_the_outsiders_bridge_gets_no_connection() {
    on_both(|site| {
        // Bridged packets meet the rules without being routed.
        site.host.sh("ip link add bridge0 type bridge; ip link set bridge0 up
             for link in here1 here2; do ip addr flush dev $link; ip link set $link master bridge0; done
             ip addr add 198.51.1.1/24 dev bridge0
             echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables");
        site.container.sh("ip addr flush dev there2; ip addr add 198.51.1.3/24 dev there2");
        site.host.sh("iptables -t nat -A PREROUTING -d 198.51.1.1 -p tcp --dport 6379 -j DNAT --to-destination 198.51.1.3:6379");
        let met = || met(&site.outside, HOST[0], "6379");
        assert!((0..50).any(|_| met() == "PONG"), "{}: {}", site.backend, met());
        for external in ["drop", "reject", "notice"] {
            site.guard(external, "");
            // A container engine that puts its rule before redisguard's.
            site.host.sh("iptables -t nat -I PREROUTING 1 -d 198.51.1.1 -p tcp --dport 6379 -j DNAT --to-destination 198.51.1.3:6379
                 nft 'add table ip theirs; add chain ip theirs early { type nat hook prerouting priority -150; }
                      add rule ip theirs early ip daddr 198.51.1.1 tcp dport 6379 dnat to 198.51.1.3:6379'");
            assert_ne!(met(), "PONG", "{} {external}", site.backend);
        }
    });
}

/// Answers what a transparent proxy is given, on IPv4 and IPv6.
const TRANSPARENT_PROXY: &str = "
import select, socket
listeners = []
for family, level, option in ((socket.AF_INET, 0, 19), (socket.AF_INET6, 41, 75)):
    listener = socket.socket(family)
    listener.setsockopt(level, option, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(41, socket.IPV6_V6ONLY, 1)
    listener.bind(('', 7777))
    listener.listen()
    listeners.append(listener)
while True:
    for listener in select.select(listeners, [], [])[0]:
        client, _ = listener.accept()
        client.recv(99)
        client.sendall(b'+PROXIED\\r\\n')
        client.close()
";

#[test]
fn a_transparent_proxy_for_another_hosts_port_is_left_alone() {
    on_both(|site| {
        let _proxy = site.host.start("python3", &["-c", TRANSPARENT_PROXY]);
        site.others(
            "TO=${BOX%:6379}; TO=${TO#[}; TO=${TO%]}
             $T -t mangle -A PREROUTING -i here1 -p tcp --dport 6379 -d $TO \
             -j TPROXY --on-port 7777 --tproxy-mark 1",
        );
        site.host.sh("for ip in 'ip -4' 'ip -6'; do
               $ip rule add fwmark 1 lookup 100
               $ip route add local default dev lo table 100
             done");
        let elsewhere =
            || ["198.51.2.2", "fd00:6379:2::2"].map(|box_| met(&site.outside, box_, "6379"));
        assert!((0..50).any(|_| elsewhere() == ["PROXIED", "PROXIED"]), "{:?}", elsewhere());
        for external in ["drop", "reject", "notice"] {
            site.guard(external, "existing = \"cut\"");
            assert_eq!(elsewhere(), ["PROXIED", "PROXIED"], "{} {external}", site.backend);
            assert_ne!(site.met("6379"), PONG, "{} {external}", site.backend);
        }
    });
}
