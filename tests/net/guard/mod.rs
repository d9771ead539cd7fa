//! Outsiders are blocked or told at reserved ports, of the host and of containers behind it.
//!
//! With iptables and with nftables: an outsider, a guarded host and a container, each in a network
//! namespace of its own, and a real Redis on the host and in the container.

mod changes_under_traffic;
mod foreign_rules;
mod kernel_log;
mod outside_probe;
mod packet_counters;
mod port_policies;
mod probes_apart;
mod told;
mod verdict;

use crate::support::namespace::{Host, Started};
use crate::support::redis::{CUT, Session, met, redis};
use crate::support::{GEN, INSTALL, can_make_namespaces, tools, transcript};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The host as the outsider reaches it.
const HOST: [&str; 2] = ["198.51.1.1", "fd00:6379:1::1"];

fn able() -> bool {
    can_make_namespaces()
        && tools(&[
            "iptables",
            "ip6tables",
            "nft",
            "nsenter",
            "python3",
            "redis-server",
            "redis-cli",
            "timeout",
        ])
}

/// An outsider, a host with a container that publishes ports, and a Redis on both.
struct Site {
    outside: Host,
    host: Host,
    container: Host,
    redis: Vec<Started>,
    folder: TempDir,
    backend: &'static str,
}

const BACKENDS: [&str; 2] = ["iptables", "nftables"];

/// Tries both backends, each on a site of its own.
fn on_both(test: impl Fn(Site)) {
    if able() {
        BACKENDS.into_iter().for_each(|backend| test(Site::new(backend)));
    }
}

impl Site {
    fn new(backend: &'static str) -> Self {
        let (outside, host, container) = (Host::network_only(), Host::new(), Host::network_only());
        host.cabled_to(&outside, 1);
        host.cabled_to(&container, 2);
        for other in [&outside, &container] {
            let network = if std::ptr::eq(other, &outside) { 1 } else { 2 };
            other.sh(&format!(
                "ip route add default via 198.51.{network}.1
                 ip -6 route add default via fd00:6379:{network}::1"
            ));
        }
        host.sh("echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
        let mut site = Self {
            outside,
            host,
            container,
            redis: Vec::new(),
            folder: TempDir::new().unwrap(),
            backend,
        };
        for port in ["6380", "7000"] {
            site.serve(port);
        }
        let redis = redis(&site.container, "6379");
        site.redis.push(redis);
        let routed = |address| (0..10).any(|_| met(&site.outside, address, "6379") == "PONG");
        assert!(routed("198.51.2.2") && routed("fd00:6379:2::2"), "the host does not route");
        site
    }

    /// A Redis on a port of the host, on all its addresses.
    fn serve(&mut self, port: &str) {
        let redis = redis(&self.host, port);
        self.redis.push(redis);
    }

    /// As container engines do it: a port of the host leads to the container's 6379.
    fn publish(&self, port: u16) {
        self.host.sh(&format!(
            "iptables -t nat -A PREROUTING -p tcp -m addrtype --dst-type LOCAL --dport {port} -j DNAT --to-destination 198.51.2.2:6379
             ip6tables -t nat -A PREROUTING -p tcp -m addrtype --dst-type LOCAL --dport {port} -j DNAT --to-destination [fd00:6379:2::2]:6379"
        ));
    }

    /// Applies a spec that guards 6379 and 6380, with these lines in it.
    fn guard(&self, external: &str, firewall: &str) {
        self.guard_by(self.backend, external, firewall);
    }

    fn guard_by(&self, backend: &str, external: &str, firewall: &str) {
        self.apply(&format!(
            "[contact]\nteam = \"Ops\"\nemail = \"ops@example.org\"\n[cluster]\nports = \"7000-7002\"\n\
             [[reserved]]\nport = 6379\nexternal = \"{external}\"\nlisten = \"never\"\n\
             [[reserved]]\nport = 6380\nexternal = \"{external}\"\nlisten = \"never\"\n\
             [firewall]\nbackend = \"{backend}\"\n{firewall}\n"
        ));
    }

    /// Applies a spec, and sees to it that what it names loads the rules, and nothing else.
    fn apply(&self, toml: &str) {
        let folder = self.folder.path();
        std::fs::write(folder.join("redisguard.toml"), toml).unwrap();
        let output = Command::new(GEN).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{}", transcript(&output));
        self.host.copy_in(&self.bundle(), "/run/bundle");
        let output = self.host.install(&["--bundle", "/run/bundle", "apply", "--cut-sessions"]);
        assert!(output.status.success(), "{}", transcript(&output));
        let by_iptables = self.host.sh("iptables-save; ip6tables-save").contains(":REDISGUARD-");
        let by_nft = self.host.sh("nft list tables").contains("inet redisguard");
        let backend = [(by_iptables, "iptables"), (by_nft, "nftables")];
        let backend = backend.iter().filter(|(loaded, _)| *loaded).map(|(_, name)| *name);
        let wanted = if toml.contains("\"nftables\"") { "nftables" } else { "iptables" };
        assert_eq!(backend.collect::<Vec<_>>(), [wanted]);
    }

    fn bundle(&self) -> PathBuf {
        self.folder.path().join("generated")
    }

    /// Runs the listener of the bundle that was applied last.
    fn listen(&self) -> Started {
        let listener =
            self.host.start(INSTALL, &["--bundle", "/run/bundle", "notice", "--log", "/run/log"]);
        let up = (0..200).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            met(&self.host, "127.0.0.1", "63790").starts_with("PORTCLOSED")
        });
        assert!(up, "no listener");
        listener
    }

    /// Has others change rules of both families: `$T` is iptables or ip6tables, `$BOX` the container's
    /// Redis.
    fn others(&self, rules: &str) {
        self.host.sh(&format!(
            "both() {{ {rules}; }}
             set -e; T=iptables BOX=198.51.2.2:6379; both; T=ip6tables BOX=[fd00:6379:2::2]:6379; both"
        ));
    }

    /// What an outsider meets at each of the ports, over both families: all at once, for silence
    /// takes its time.
    fn meets<const N: usize>(&self, ports: [&str; N]) -> [[String; 2]; N] {
        std::thread::scope(|scope| {
            let asked = ports.map(|port| {
                HOST.map(|address| scope.spawn(move || met(&self.outside, address, port)))
            });
            asked.map(|families| families.map(|thread| thread.join().unwrap()))
        })
    }

    /// What an outsider's `redis-cli ping` shows on a port of the host, over IPv4 and IPv6.
    fn met(&self, port: &str) -> [String; 2] {
        HOST.map(|address| met(&self.outside, address, port))
    }
}

const PONG: [&str; 2] = ["PONG", "PONG"];
const SILENCE: [&str; 2] = ["silence", "silence"];
const REFUSED: [&str; 2] = ["refused", "refused"];

#[test]
fn outsiders_are_blocked_even_where_a_container_publishes_the_port() {
    on_both(|site| {
        site.publish(6379);
        site.publish(7001);
        for port in ["6379", "6380", "7000", "7001"] {
            assert_eq!(site.met(port), PONG, "before the guard, port {port}");
        }
        for (external, wanted) in [("drop", SILENCE), ("reject", REFUSED)] {
            site.guard(external, "");
            for port in ["6379", "6380"] {
                assert_eq!(site.met(port), wanted, "{external}, port {port}");
            }
            for port in ["7000", "7001"] {
                assert_eq!(site.met(port), PONG, "{external}, port {port}");
            }
            // A container engine that puts its rules before ours gets nothing either.
            site.host.sh(
            "iptables -t nat -I PREROUTING 1 -p tcp --dport 6379 -m addrtype --dst-type LOCAL -j DNAT --to-destination 198.51.2.2:6379
             ip6tables -t nat -I PREROUTING 1 -p tcp --dport 6379 -m addrtype --dst-type LOCAL -j DNAT --to-destination [fd00:6379:2::2]:6379",
        );
            assert_eq!(site.met("6379"), wanted, "{external}, published before our rules");
            // The host itself: loopback, and its own addresses.
            for address in ["127.0.0.1", "::1", HOST[0], HOST[1]] {
                assert_eq!(met(&site.host, address, "6380"), "PONG", "{external}, {address}");
            }
            // What the host and its container send out is nobody's business, whatever its port.
            assert_eq!(met(&site.host, "198.51.2.2", "6379"), "PONG", "{external}");
            assert_eq!(met(&site.outside, "198.51.2.2", "6379"), "PONG", "{external}");
        }
        site.host.install(&["remove"]);
        assert_eq!(site.met("6379"), PONG);
    });
}

#[test]
fn many_reserved_ports_leave_the_ports_between_them_open() {
    on_both(|mut site| {
        // 8000 is dropped, 8003 rejected; 8001 and 8002 lie between them.
        for port in ["8000", "8001", "8002", "8003"] {
            site.serve(port);
        }
        site.host
            .sh("iptables -A INPUT -i lo -p tcp --dport 8001 -j REJECT --reject-with tcp-reset");
        let many = crate::support::root().join("tests/specs/good/many/redisguard.toml");
        let many = std::fs::read_to_string(many).unwrap();
        site.apply(&format!("{many}\n[firewall]\nbackend = \"{}\"\n", site.backend));
        assert_eq!(site.met("8000"), SILENCE);
        assert_eq!(site.met("8003"), REFUSED);
        assert_eq!(
            (site.met("8001"), site.met("8002")),
            (PONG.map(Into::into), PONG.map(Into::into))
        );
        let local = |port| met(&site.host, "127.0.0.1", port);
        assert_eq!(
            ["8000", "8001", "8002", "8003"].map(local),
            ["PONG", "refused", "PONG", "PONG"]
        );
    });
}

#[test]
fn outsiders_are_told_even_where_a_container_publishes_the_port() {
    on_both(|site| {
        site.publish(6379);
        site.publish(7001);
        site.guard("notice", "");
        let _listener = site.listen();
        for port in ["6379", "6380"] {
            for said in site.met(port) {
                assert!(said.starts_with(&format!("PORTCLOSED {port} ")), "{said}");
            }
        }
        assert_eq!(site.met("63790"), REFUSED, "the notice port itself");
        assert_eq!(
            (site.met("7000"), site.met("7001")),
            (PONG.map(Into::into), PONG.map(Into::into))
        );
        assert_eq!(met(&site.host, "127.0.0.1", "6380"), "PONG");
        let log = site.host.sh("sleep 0.5; cat /run/log");
        assert!(log.contains("via=redirected") && log.contains("198.51.1.2"), "{log}");
        // Who was told is counted like who is stopped: every one of them, by port and family.
        let status = transcript(&site.host.install(&["--json", "status"]));
        let status: serde_json::Value =
            serde_json::from_str(status.split("exit ").next().unwrap()).unwrap();
        let counts = status["ports"].as_array().unwrap();
        let told = |count: &serde_json::Value| (count["port"].clone(), count["packets"].clone());
        let wanted = [(6379, 1), (6379, 1), (6380, 1), (6380, 1)];
        let wanted = wanted.map(|(port, packets)| (port.into(), packets.into()));
        assert_eq!(counts.iter().map(told).collect::<Vec<_>>(), wanted, "{status:#}");
    });
}

#[test]
fn ports_that_fill_one_multiport_match_leave_the_ports_between_them_open() {
    on_both(|mut site| {
        site.serve("8027");
        // One slot of the jump's match is the notice port's; a leaf has them all.
        let ports = (0..15).map(|index| 8000 + 2 * index);
        let reserved = ports.map(|port| {
            format!("[[reserved]]\nport = {port}\nexternal = \"reject\"\nlisten = \"never\"\n")
        });
        site.host
            .sh("iptables -A INPUT -i lo -p tcp --dport 8027 -j REJECT --reject-with tcp-reset");
        site.apply(&format!(
            "[contact]\nteam = \"Ops\"\nemail = \"ops@example.org\"\n[cluster]\nports = 7000\n{}\
             [firewall]\nbackend = \"{}\"\n",
            reserved.collect::<String>(),
            site.backend
        ));
        assert_eq!(met(&site.host, "127.0.0.1", "8027"), "refused");
        assert_eq!(site.met("8027"), PONG);
    });
}
