//! Rules of other programs open no reserved port, and redisguard's rules leave theirs alone.

use super::*;

#[test]
fn a_virtual_address_that_is_translated_here_is_not_ours() {
    on_both(|site| {
        // As for a service of a cluster: its address is nobody's, its port is 6379.
        site.host.sh(
        "iptables -t nat -A PREROUTING -d 10.50.0.1 -p tcp --dport 6379 -j DNAT --to-destination 198.51.2.2:6379
         ip6tables -t nat -A PREROUTING -d fd00:50::1 -p tcp --dport 6379 -j DNAT --to-destination [fd00:6379:2::2]:6379",
    );
        let addresses = ["10.50.0.1", "fd00:50::1"];
        let mut sessions = addresses.map(|address| Session::open(&site.outside, address, "6379"));
        let plan = told(&site.host.install(&["plan", "--json"]));
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
fn an_accept_of_others_does_not_open_the_ports() {
    on_both(|site| {
        site.host.sh("iptables -A INPUT -p tcp --dport 6380 -j ACCEPT; ip6tables -A INPUT -p tcp --dport 6380 -j ACCEPT");
        site.guard("drop", "");
        assert_eq!(site.met("6380"), SILENCE);
    });
}

#[test]
fn a_redirect_of_others_to_an_open_port_opens_no_reserved_one() {
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
fn marks_that_others_set_lead_nobody_to_a_container() {
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
            assert!(removed.status.success(), "{}", told(&removed));
            open = HOST.map(|address| Session::open(&site.outside, address, "6379"));
        }
    });
}

#[test]
fn a_rule_whose_comment_reads_like_ours_stays() {
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
fn outsiders_are_told_also_where_the_link_has_no_address_of_its_own() {
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
