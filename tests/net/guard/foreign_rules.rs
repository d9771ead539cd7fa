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
