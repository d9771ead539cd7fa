//! No packet is let through or stopped wrongly while bundles or backends change.

use super::packet_counters::{ARRIVED, spec};
use super::*;
use std::io::{Read, Write};
use std::process::Child;

/// Counts SYN packets before redisguard's rules and behind them.
const WATCH: &str = "table inet watch {
    counter asked {
    }
    counter through {
    }
    chain prerouting {
        type filter hook prerouting priority -1000; policy accept
        tcp dport { 6379, 6380 } tcp flags & (fin | syn | rst | ack) == syn counter name asked
    }
    chain input {
        type filter hook input priority 10; policy accept
        tcp dport { 6379, 6380 } tcp flags & (fin | syn | rst | ack) == syn counter name through
    }
}
";

/// Sends packets that ask for a connection as fast as it can, until its input ends. Answers each line of
/// it once 1200 more are sent. Their checksum is wrong: the host forgets them once they have passed all
/// rules.
const ASKER: &str = r#"
import select, socket, struct, sys
kinds = [socket.AF_INET, socket.AF_INET6]
raw = [socket.socket(kind, socket.SOCK_RAW, socket.IPPROTO_TCP) for kind in kinds]
asks = [struct.pack("!HHIIBBHHH", 40000, port, 1, 0, 5 << 4, 2, 1024, 0, 0) for port in (6379, 6380)]
while True:
    told = select.select([sys.stdin], [], [], 0)[0]
    if told and not sys.stdin.readline():
        break
    for _ in range(300):
        for sender, address in zip(raw, sys.argv[1:]):
            for ask in asks:
                sender.sendto(ask, (address, 0))
    if told:
        print(flush=True)
"#;

/// An outsider that asks for connections all the time.
struct Asker(Child);

impl Asker {
    fn start(site: &Site) -> Self {
        let mut command = site.outside.command("python3");
        let command = command.args(["-c", ASKER]).args(HOST);
        let mut asker = Self(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
        asker.wait_for_packets();
        asker
    }

    /// Waits until it has sent 1200 packets from now on: on a busy machine that may take seconds.
    fn wait_for_packets(&mut self) {
        self.0.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        self.0.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    }
}

/// How many packets of an outsider asked for a connection while this was done, and how many of them
/// came through.
fn asked_while(site: &Site, done: impl FnOnce(&mut Asker)) -> (u64, u64) {
    // The neighbours know each other, so that no packet waits for an address.
    site.met("7000");
    site.host.sh(&format!("nft --file - <<'END'\n{WATCH}END"));
    let mut asker = Asker::start(site);
    done(&mut asker);
    // Closes its input.
    assert!(asker.0.wait().unwrap().success());
    site.host.sh(ARRIVED);
    let counted = ["asked", "through"].map(|counter| {
        let listed = site.host.sh(&format!("nft list counter inet watch {counter}"));
        let mut words = listed.split_whitespace().skip_while(|word| *word != "packets");
        words.nth(1).unwrap().parse().unwrap()
    });
    site.host.sh("nft delete table inet watch");
    assert!(counted[0] > 1000, "{counted:?}");
    counted.into()
}

#[test]
fn no_packet_gets_through_while_the_backend_changes() {
    if !able() {
        return;
    }
    let site = Site::new("iptables");
    site.guard("reject", "");
    let (asked, through) = asked_while(&site, |_| {
        for backend in ["nftables", "iptables"].into_iter().cycle().take(12) {
            site.guard_by(backend, "reject", "");
        }
    });
    assert_eq!(through, 0, "of {asked}");
    // It would have seen an opening.
    let (_, through) = asked_while(&site, |asker| {
        site.host.sh("for tables in iptables ip6tables; do $tables -w -D INPUT 1; $tables -w -D INPUT 1; done");
        asker.wait_for_packets();
        site.guard("reject", "");
    });
    assert!(through > 0);
}

#[test]
fn no_packet_gets_through_while_the_bundle_changes() {
    on_both(|site| {
        site.apply(&spec(site.backend, 0, "drop", ""));
        let (asked, through) = asked_while(&site, |_| {
            for round in 1..16 {
                // A range beside the single ports, and another one.
                let more = match round % 4 {
                    0 | 2 => String::new(),
                    other => {
                        format!("[[reserved]]\nport = \"6381-639{other}\"\nlisten = \"never\"\n")
                    }
                };
                site.apply(&spec(site.backend, round, "drop", &more));
            }
        });
        assert_eq!(through, 0, "of {asked}, {}", site.backend);
        // It would have seen one.
        let (_, through) = asked_while(&site, |asker| {
            site.host.install(&["rules", "unload"]);
            asker.wait_for_packets();
        });
        assert!(through > 0);
    });
}

#[test]
fn no_packet_of_an_allowed_network_is_stopped_while_rules_change() {
    if !able() {
        return;
    }
    let site = Site::new("iptables");
    let change = |round: usize| {
        // Every other change is of the networks alone.
        let backend = BACKENDS[round.div_ceil(2) % 2];
        let others = ["", "\"198.51.3.0/24\", ", "\"198.51.4.0/24\", "][round % 3];
        let allow = format!("{others}\"198.51.1.0/24\", \"fd00:6379:1::/64\"");
        site.apply(&format!("{}allow = [{allow}]\n", spec(backend, round, "reject", "")));
    };
    change(0);
    let (asked, through) = asked_while(&site, |_| (1..24).for_each(change));
    assert_eq!(through, asked);
}
