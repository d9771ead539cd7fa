//! Every blocked source is logged by the kernel, and none can fill the log.
//!
//! A network namespace does not write to the kernel's log: the counters of the LOG rules are read.

use super::*;
use std::time::Instant;

/// How many lines the rules have written with a prefix, by family.
pub(super) fn lines(site: &Site, prefix: &str) -> [u64; 2] {
    if site.backend == "nftables" {
        let table = site.host.sh("nft list table inet redisguard");
        assert!(table.contains(&format!("log prefix \"redisguard {prefix}: \" level notice")));
        return ["v4", "v6"].map(|family| {
            let (_, counter) = table.split_once(&format!("counter lines_{family} {{")).unwrap();
            let (_, packets) = counter.split_once("packets ").unwrap();
            packets.split(' ').next().unwrap().parse().unwrap()
        });
    }
    ["iptables", "ip6tables"].map(|tool| {
        let rules = site.host.sh(&format!("{tool}-save --counters -t mangle"));
        let line = format!("-j LOG --log-prefix \"redisguard {prefix}: \" --log-level 5");
        let line = rules.lines().find(|rule| rule.ends_with(&line)).unwrap();
        line.trim_start_matches('[').split(':').next().unwrap().parse().unwrap()
    })
}

/// Sends this many SYNs to a port, from an address of the outsider.
fn send_syns(site: &Site, from: &str, port: u16, times: u8) {
    let family = if from.contains(':') { 1 } else { 0 };
    site.outside.sh(&format!(
        "python3 -c '
import errno, socket
for _ in range({times}):
    client = socket.socket(socket.{family})
    client.bind((\"{from}\", 0))
    client.setblocking(False)
    assert client.connect_ex((\"{to}\", {port})) == errno.EINPROGRESS
    client.close()
'",
        family = ["AF_INET", "AF_INET6"][family],
        to = HOST[family],
    ));
}

#[test]
fn every_blocked_source_is_logged_and_none_fills_the_log() {
    on_both(|site| {
        site.publish(6379);
        site.outside.sh("for host in 3 4 5; do ip addr add 198.51.1.$host/24 dev there1; done
             for net in 1 5 6 7; do ip addr add fd00:6379:$net::3/64 dev there1 nodad; done");
        site.host.sh("for net in 5 6 7; do ip -6 route add fd00:6379:$net::/64 dev here1; done");
        // A source that was logged under one policy is not new under the next.
        let outsiders = [
            ("drop", ["198.51.1.2", "198.51.1.3"], ["fd00:6379:1::2", "fd00:6379:5::3"]),
            ("reject", ["198.51.1.4", "198.51.1.5"], ["fd00:6379:6::3", "fd00:6379:7::3"]),
        ];
        for (external, [one, other], [six, other_six]) in outsiders {
            site.guard(external, "log-per-source = 4");
            let started = Instant::now();
            let before = lines(&site, external);
            let check = |wanted: [u64; 2], what: &str| {
                let written = || {
                    let now = lines(&site, external).into_iter();
                    now.zip(before).map(|(now, before)| now - before).collect::<Vec<_>>()
                };
                // The first packet to a neighbour waits until it is found.
                let arrived = (0..200)
                    .any(|_| written().iter().zip(wanted).all(|(now, wanted)| *now >= wanted));
                assert!(arrived, "{} {external}, {what}: {:?}", site.backend, written());
                // Each of two sources may write once more in a quarter of a minute.
                let more = started.elapsed().as_secs() / 15 * 2;
                let fits = written().iter().zip(wanted).all(|(now, wanted)| *now <= wanted + more);
                assert!(fits, "{} {external}, {what}: {:?}", site.backend, written());
            };
            // The port that a container publishes, and one of the host; beyond the limit, silence.
            send_syns(&site, one, 6379, 3);
            check([3, 0], "each SYN");
            send_syns(&site, one, 6380, 9);
            check([4, 0], "no more than the limit, of all ports together");
            send_syns(&site, other, 6380, 2);
            check([6, 0], "another source");
            send_syns(&site, six, 6379, 3);
            send_syns(&site, &six.replace("::2", "::3"), 6379, 9);
            check([6, 4], "an IPv6 network is one source");
            send_syns(&site, other_six, 6380, 2);
            check([6, 6], "another network");
            // A port that is not reserved is nobody's business.
            send_syns(&site, other, 7000, 2);
            check([6, 6], "another port");
            // What was counted does not depend on what was logged.
            let status = site.host.install(&["--json", "status"]);
            let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
            let packets = status["ports"].as_array().unwrap().iter();
            let packets: u64 = packets.map(|count| count["packets"].as_u64().unwrap()).sum();
            assert!(packets >= 28, "{} {external}: {status:#}", site.backend);
        }
    });
}

#[test]
fn nothing_is_logged_when_the_log_is_off_or_the_listener_logs() {
    on_both(|site| {
        for (external, firewall) in [("drop", "log-per-source = 0"), ("notice", "")] {
            site.guard(external, firewall);
            let rules = site.host.sh("iptables-save; ip6tables-save; nft list ruleset");
            assert!(!rules.contains("redisguard drop: "), "{} {external}", site.backend);
            assert!(!rules.contains("redisguard reject: "), "{} {external}", site.backend);
        }
        // Of two ports the one whose visitors are told is not in the log.
        site.apply(&format!(
            "[contact]\nteam = \"Ops\"\nemail = \"ops@example.org\"\n[cluster]\nports = 7000\n\
             [[reserved]]\nport = 6379\nexternal = \"notice\"\nlisten = \"never\"\n\
             [[reserved]]\nport = 6380\nexternal = \"reject\"\nlisten = \"never\"\n\
             [firewall]\nbackend = \"{}\"\n",
            site.backend
        ));
        let _listener = site.listen();
        let before = lines(&site, "reject");
        for said in site.met("6379") {
            assert!(said.starts_with("PORTCLOSED 6379 "), "{said}");
        }
        assert_eq!(lines(&site, "reject"), before, "{}", site.backend);
        assert_eq!(site.met("6380"), REFUSED);
        let now = lines(&site, "reject").into_iter();
        assert!(now.zip(before).all(|(now, before)| now > before), "{}", site.backend);
    });
}
