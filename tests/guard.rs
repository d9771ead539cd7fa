//! The guard by packets, loaded by iptables and by nftables: an outsider, a guarded host and a container
//! behind it, each in a network of its own, with a real Redis on the host and in the container.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use support::namespace::{Host, Started};
use support::redis::{Session, met, redis};
use support::{GEN, INSTALL, is_root, told, tools};
use tempfile::TempDir;

/// The host as the outsider reaches it.
const HOST: [&str; 2] = ["198.51.1.1", "fd00:6379:1::1"];

fn able() -> bool {
    is_root()
        && tools(&[
            "iptables",
            "ip6tables",
            "nft",
            "nsenter",
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
        assert!(output.status.success(), "{}", told(&output));
        self.host.copy_in(&self.bundle(), "/run/bundle");
        let output = self.host.install(&["--bundle", "/run/bundle", "apply", "--cut-sessions"]);
        assert!(output.status.success(), "{}", told(&output));
        let by_iptables = self.host.sh("iptables-save; ip6tables-save").contains("REDISGUARD");
        let by_nft = self.host.sh("nft list tables").contains("inet redisguard");
        let backend = [(by_iptables, "iptables"), (by_nft, "nftables")];
        let backend = backend.iter().filter(|(loaded, _)| *loaded).map(|(_, name)| *name);
        let wanted = if toml.contains("\"nftables\"") { "nftables" } else { "iptables" };
        assert_eq!(backend.collect::<Vec<_>>(), [wanted]);
    }

    fn bundle(&self) -> PathBuf {
        self.folder.path().join("generated")
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
fn outsiders_are_stopped_also_where_a_container_publishes_the_port() {
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
                assert_eq!(session.ask(), "PONG", "{external}, {address}");
            }
            assert_eq!(site.met("6380"), if external == "drop" { SILENCE } else { REFUSED });
        }
    });
}

#[test]
fn many_ports_leave_those_between_them_alone() {
    on_both(|mut site| {
        // 8000 is dropped, 8003 rejected; 8001 and 8002 lie between them.
        for port in ["8000", "8001", "8002", "8003"] {
            site.serve(port);
        }
        site.host
            .sh("iptables -A INPUT -i lo -p tcp --dport 8001 -j REJECT --reject-with tcp-reset");
        let many = support::root().join("tests/specs/good/many.toml");
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
fn outsiders_are_told_also_where_a_container_publishes_the_port() {
    on_both(|site| {
        site.publish(6379);
        site.publish(7001);
        site.guard("notice", "");
        let _listener =
            site.host.start(INSTALL, &["--bundle", "/run/bundle", "notice", "--log", "/run/log"]);
        let up = (0..200).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            met(&site.host, "127.0.0.1", "63790").starts_with("PORTCLOSED")
        });
        assert!(up, "no listener");
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
    });
}

#[test]
fn allowed_networks_are_left_to_the_hosts_own_rules() {
    on_both(|site| {
        site.publish(6379);
        site.guard("drop", "allow = [\"198.51.1.0/24\"]");
        assert_eq!(site.met("6379"), ["PONG", "silence"]);
        assert_eq!(site.met("6380"), ["PONG", "silence"]);
        site.host.sh("iptables -A INPUT -p tcp --dport 6380 -j REJECT --reject-with tcp-reset");
        assert_eq!(site.met("6380"), ["refused", "silence"]);
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
fn open_sessions_are_cut_or_kept_as_the_spec_says() {
    on_both(|site| {
        site.publish(6379);
        let open = || {
            let ports = HOST.iter().flat_map(|address| [(*address, "6379"), (*address, "6380")]);
            ports
                .map(|(address, port)| Session::open(&site.outside, address, port))
                .collect::<Vec<_>>()
        };
        let mut sessions = open();
        let plan = site.host.install(&["plan", "--json"]);
        let plan: serde_json::Value = serde_json::from_slice(&plan.stdout).unwrap();
        let peer = |port: u16| move |address| serde_json::json!({"port": port, "address": address});
        let outsider = ["198.51.1.2", "fd00:6379:1::2"];
        // Those of the container are in the list of tracked connections only.
        let tracked = std::path::Path::new("/proc/net/nf_conntrack").exists();
        let published = outsider.into_iter().filter(|_| tracked).map(peer(6379));
        let peers: Vec<_> = published.chain(outsider.into_iter().map(peer(6380))).collect();
        assert_eq!(plan["peers"], serde_json::Value::from(peers), "who is connected");
        site.guard("drop", "existing = \"keep\"");
        for session in &mut sessions {
            assert_eq!(session.ask(), "PONG", "kept");
        }
        assert_eq!(
            (site.met("6379"), site.met("6380")),
            (SILENCE.map(Into::into), SILENCE.map(Into::into))
        );
        site.guard("reject", "existing = \"cut\"");
        for session in &mut sessions {
            // Told at once: one that is only dropped shows nothing until `timeout` ends it.
            let said = session.ask();
            assert!(said.contains("reset by peer") || said.contains("refused"), "cut: {said}");
        }
    });
}

/// Connects again and again over both families until it is told to stop; then says how often it
/// tried and how often somebody let it in.
const PROBER: &str = r#"
import select, socket, sys
tried = opened = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    for address in sys.argv[1:]:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family) as client:
            client.settimeout(1)
            tried += 1
            opened += client.connect_ex((address, 6380)) == 0
print(tried, opened)
"#;

/// How often an outsider tried port 6380 while this was done, and how often it got in.
fn probed_while(site: &Site, done: impl FnOnce()) -> (u32, u32) {
    let mut command = site.outside.command("timeout");
    let mut prober = command
        .args(["60", "python3", "-c", PROBER])
        .args(HOST)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    done();
    drop(prober.stdin.take());
    let said = prober.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout);
    let mut numbers = said.split_whitespace().map(|word| word.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

#[test]
fn a_switch_of_the_backend_leaves_no_unguarded_moment() {
    if !able() || !tools(&["python3"]) {
        return;
    }
    let site = Site::new("iptables");
    site.guard("reject", "");
    let (tried, opened) = probed_while(&site, || {
        for backend in ["nftables", "iptables"].into_iter().cycle().take(6) {
            site.guard_by(backend, "reject", "");
        }
    });
    assert!(tried > 100, "the prober tried {tried} times");
    assert_eq!(opened, 0, "of {tried}");
    // It would have seen an opening.
    let (tried, opened) = probed_while(&site, || {
        site.host.sh("iptables -w -D INPUT 1; ip6tables -w -D INPUT 1; sleep 0.3");
        site.guard("reject", "");
    });
    assert!(opened > 0, "of {tried}");
}
