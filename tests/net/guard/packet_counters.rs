//! Each blocked packet is counted once, whatever happens to the rules.

use super::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Child;

/// Opens connections as fast as it can until a file is there, and says how many packets left for each
/// port: no socket is kept, so that none is sent twice.
const FLOOD: &str = r#"
import errno, os, socket, sys
kinds = {"4": (socket.AF_INET, sys.argv[1]), "6": (socket.AF_INET6, sys.argv[2])}
sent = {}
while not os.path.exists(sys.argv[3] + "/enough"):
    for name, (family, address) in kinds.items():
        for port in map(int, sys.argv[4:]):
            client = socket.socket(family)
            client.setblocking(False)
            if client.connect_ex((address, port)) == errno.EINPROGRESS:
                sent[name, port] = sent.get((name, port), 0) + 1
            client.close()
    open(sys.argv[3] + "/begun", "w").close()
for (name, port), count in sorted(sent.items()):
    print(f"IPv{name} {port} {count}")
"#;

/// Waits until no packet comes in any more.
pub(super) const ARRIVED: &str = "seen() { cat /sys/class/net/here1/statistics/rx_packets; }
    while before=$(seen); sleep 0.3; [ \"$before\" != \"$(seen)\" ]; do :; done";

/// Packets by family and port.
type Counts = BTreeMap<(String, u64), u64>;

/// An outsider that connects until it is told to end.
struct Flood<'a> {
    site: &'a Site,
    process: Child,
}

impl<'a> Flood<'a> {
    fn start(site: &'a Site, ports: [&str; 2]) -> Self {
        // The neighbours know each other, so that no packet waits for an address.
        site.met("7000");
        site.outside.sh("mount -t tmpfs tmpfs /mnt");
        let mut command = site.outside.command("python3");
        command.args(["-c", FLOOD, HOST[0], HOST[1], "/mnt"]).args(ports);
        let process = command.stdout(Stdio::piped()).spawn().unwrap();
        site.outside.sh("until [ -e /mnt/begun ]; do sleep 0.01; done");
        Self { site, process }
    }

    /// How many it has sent, when it is through.
    fn sent(self) -> Counts {
        self.site.outside.sh("touch /mnt/enough");
        let output = self.process.wait_with_output().unwrap();
        self.site.outside.sh("umount /mnt");
        // The last packet may still be on its way where the machine is busy.
        self.site.host.sh(ARRIVED);
        let text = String::from_utf8(output.stdout).unwrap();
        let line = |line: &str| {
            let mut words = line.split(' ');
            let mut word = || words.next().unwrap().to_owned();
            ((word(), word().parse().unwrap()), word().parse().unwrap())
        };
        text.lines().map(line).collect()
    }
}

/// What status says was stopped or told.
fn counted(site: &Site) -> Counts {
    let status = site.host.install(&["--json", "status"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    let count = |count: &Value| {
        let family = count["family"].as_str().unwrap().to_owned();
        ((family, count["port"].as_u64().unwrap()), count["packets"].as_u64().unwrap())
    };
    status["ports"].as_array().unwrap().iter().map(count).collect()
}

/// What was counted since a look before.
fn since(site: &Site, before: &Counts) -> Counts {
    let counted = counted(site).into_iter();
    let mut counted: Counts =
        counted.map(|(key, count)| (key.clone(), count - before.get(&key).unwrap_or(&0))).collect();
    counted.retain(|_, count| *count > 0);
    counted
}

/// A spec that reserves 6379 and 6380, and others as well.
pub(super) fn spec(backend: &str, label: usize, external: &str, more: &str) -> String {
    format!(
        "[contact]\nteam = \"Ops\"\nemail = \"ops@example.org\"\n[cluster]\nports = \"7000-7002\"\n\
         [[reserved]]\nport = 6379\nlabel = \"Label {label}\"\nexternal = \"{external}\"\nlisten = \"never\"\n\
         [[reserved]]\nport = 6380\nlisten = \"never\"\n{more}\
         [firewall]\nbackend = \"{backend}\"\nlog-per-source = {log}\n",
        log = label % 3,
    )
}

/// So many more ports that the chains are divided otherwise.
fn more(first: u16) -> String {
    let ports = (0..20).map(|index| first + 2 * index);
    ports.map(|port| format!("[[reserved]]\nport = {port}\nlisten = \"never\"\n")).collect()
}

#[test]
fn every_packet_counts_once_while_bundles_change() {
    on_both(|site| {
        site.apply(&spec(site.backend, 0, "drop", ""));
        let before = counted(&site);
        let flood = Flood::start(&site, ["6379", "6380"]);
        for round in 1..8 {
            let external = if round % 2 == 0 { "drop" } else { "reject" };
            let ports = [String::new(), more(6000), more(6390)];
            site.apply(&spec(site.backend, round, external, &ports[round % 3]));
        }
        let sent = flood.sent();
        assert_eq!(sent.len(), 4, "{sent:?}");
        assert_eq!(since(&site, &before), sent, "{}", site.backend);
        // Nothing of all the bundles is left.
        let left = site.host.sh("iptables-save; ip6tables-save; nft list ruleset");
        assert!(!left.contains("REDISGUARD-OLD"), "{left}");
        assert_eq!(site.host.install(&["status"]).status.code(), Some(0));
    });
}

#[test]
fn every_packet_counts_once_while_backends_change() {
    if !able() {
        return;
    }
    let site = Site::new("iptables");
    site.apply(&spec("iptables", 0, "drop", ""));
    let before = counted(&site);
    let flood = Flood::start(&site, ["6379", "6380"]);
    for (round, backend) in ["nftables", "iptables", "nftables"].into_iter().enumerate() {
        site.apply(&spec(backend, round, "drop", ""));
    }
    let sent = flood.sent();
    assert_eq!((sent.len(), since(&site, &before)), (4, sent));
}

#[test]
fn every_packet_counts_once_by_legacy_iptables_too() {
    if !able() {
        return;
    }
    let site = Site::new("iptables");
    site.host.sh("update-alternatives --set iptables /usr/sbin/iptables-legacy
         update-alternatives --set ip6tables /usr/sbin/ip6tables-legacy");
    assert!(site.host.sh("iptables --version").contains("legacy"));
    site.apply(&spec("iptables", 0, "drop", ""));
    let before = counted(&site);
    let flood = Flood::start(&site, ["6379", "6380"]);
    for round in 1..5 {
        let ports = [String::new(), more(6000), more(6390)];
        site.apply(&spec("iptables", round, "drop", &ports[round % 3]));
    }
    let sent = flood.sent();
    assert_eq!((sent.len(), since(&site, &before)), (4, sent));
    assert!(!site.host.sh("iptables-save; ip6tables-save").contains("REDISGUARD-OLD"));
}

#[test]
fn counts_outlive_the_rules() {
    on_both(|site| {
        site.apply(&spec(site.backend, 0, "drop", ""));
        let mut sent = Counts::new();
        let mut counts_survive = |what: &str, then: &str| {
            let flood = Flood::start(&site, ["6379", "6380"]);
            for (key, count) in flood.sent() {
                *sent.entry(key).or_default() += count;
            }
            assert_eq!(counted(&site), sent, "{} before {what}", site.backend);
            let loaded = site.host.install(&["rules", "load"]);
            assert!(loaded.status.success(), "{}", transcript(&loaded));
            site.host.sh(then);
            assert_eq!(counted(&site), sent, "{}, {what}", site.backend);
            let loaded = site.host.install(&["rules", "load"]);
            assert!(loaded.status.success(), "{}", transcript(&loaded));
            assert_eq!(counted(&site), sent, "{}, loaded after {what}", site.backend);
        };
        counts_survive("nothing", "true");
        counts_survive("others' flush", "nft flush ruleset");
        counts_survive(
            "a reboot",
            "nft flush ruleset; sed -i 's/\"boot\":\"[^\"]*\"/\"boot\":\"before\"/' /var/lib/redisguard/counters.json",
        );
        counts_survive("zeroing", "iptables -Z; ip6tables -Z; nft reset counters");
        counts_survive("an unload", &format!("{INSTALL} rules unload"));
        let other = BACKENDS.into_iter().find(|backend| *backend != site.backend).unwrap();
        site.apply(&spec(other, 1, "drop", ""));
        assert_eq!(counted(&site), sent, "from {} to the other", site.backend);
        // Nobody came: nothing is written.
        let files = site.host.changed_files();
        let loaded = site.host.install(&["rules", "load"]);
        assert_eq!(loaded.stdout, b"in place: nothing was touched\n");
        site.host.install(&["rules", "save"]);
        assert_eq!(site.host.changed_files(), files);
        site.host.install(&["remove"]);
        assert!(!site.host.has("/var/lib/redisguard"));
    });
}
