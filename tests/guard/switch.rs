//! Changes of the rules, watched by an outsider who never stops trying.

use super::counted::{Flood, spec};
use super::*;

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
        site.host.sh("for tables in iptables ip6tables; do $tables -w -D INPUT 1; $tables -w -D INPUT 1; done; sleep 0.3");
        site.guard("reject", "");
    });
    assert!(opened > 0, "of {tried}");
}

/// Counts, behind every rule of ours, what came through.
const WATCH: &str = "table inet watch {
    counter through {
    }
    chain input {
        type filter hook input priority 10; policy accept
        tcp dport { 6379, 6380 } counter name through
    }
}
";

#[test]
fn no_packet_comes_through_while_bundles_take_turns() {
    on_both(|site| {
        let through = || site.host.sh("nft list counter inet watch through");
        site.apply(&spec(site.backend, 0, "drop", ""));
        site.host.sh(&format!("nft --file - <<'END'\n{WATCH}END"));
        let flood = Flood::start(&site, ["6379", "6380"]);
        for round in 1..24 {
            // A range beside the single ports, and another one.
            let more = match round % 4 {
                0 | 2 => String::new(),
                other => format!("[[reserved]]\nport = \"6381-639{other}\"\nlisten = \"never\"\n"),
            };
            site.apply(&spec(site.backend, round, "drop", &more));
        }
        let sent: u64 = flood.sent().values().sum();
        assert!(sent > 1000, "{sent}");
        assert!(through().contains("packets 0 "), "of {sent}, {}: {}", site.backend, through());
        // It would have seen one.
        site.host.install(&["rules", "unload"]);
        let flood = Flood::start(&site, ["6379", "6380"]);
        let sent = flood.sent();
        assert!(!through().contains("packets 0 "), "of {sent:?}");
    });
}
