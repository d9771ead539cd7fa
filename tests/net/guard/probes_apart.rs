//! Networks that probe meet what other outsiders meet, and are logged and counted apart everywhere.

use super::kernel_log::lines;
use super::*;
use serde_json::Value;
use std::thread;
use std::time::Duration;

/// The outsider's addresses: of a user, and of a probe.
const USER: [&str; 2] = ["198.51.1.2", "fd00:6379:1::2"];
const PROBE: [&str; 2] = ["198.51.1.3", "fd00:6379:1::3"];

/// Prints what a client gets that connects from one address to another, at each of these ports.
const CLIENT: &str = r#"
import socket, sys
for port in map(int, sys.argv[3:]):
    try:
        client = socket.create_connection((sys.argv[2], port), 0.5, (sys.argv[1], 0))
        client.sendall(b"PING\r\n")
        print(client.recv(11).decode(), end=" ")
        client.close()
    except TimeoutError:
        print("silence", end=" ")
    except ConnectionError:
        print("refused", end=" ")
"#;

fn meets(site: &Site, from: [&str; 2]) -> [String; 2] {
    [0, 1].map(|family| {
        let mut client = site.outside.command("python3");
        client.args(["-c", CLIENT, from[family], HOST[family], "6379", "6380", "6381"]);
        String::from_utf8(client.output().unwrap().stdout).unwrap()
    })
}

fn json(site: &Site, arguments: &[&str]) -> Value {
    let output = site.host.install(&[&["--json"], arguments].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", transcript(&output)))
}

/// Which ports had packets, over which family.
fn counted(counts: &Value) -> Vec<String> {
    let counts = counts.as_array().unwrap().iter();
    let counted = counts.filter(|count| count["packets"].as_u64() > Some(0));
    counted
        .map(|count| format!("{} {}", count["port"], count["family"].as_str().unwrap()))
        .collect()
}

fn log(site: &Site, count: usize) -> Vec<String> {
    for _ in 0..500 {
        let log = site.host.sh("cat /run/log");
        if log.lines().count() >= count {
            return log.lines().map(str::to_owned).collect();
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("{}", site.host.sh("cat /run/log"))
}

fn scraped(site: &Site, name: &str) -> String {
    let scrape = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9637/metrics', timeout=10).read().decode())";
    let text = site.host.sh(&format!("python3 -c \"{scrape}\""));
    let line = text.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
    line.unwrap_or_else(|| panic!("no {name} in {text}"))
}

#[test]
fn probes_meet_what_others_meet_and_are_counted_apart() {
    on_both(|site| {
        site.outside.sh(&format!(
            "ip addr add {}/24 dev there1; ip addr add {}/64 dev there1 nodad",
            PROBE[0], PROBE[1]
        ));
        let [v4, v6] = PROBE;
        let spec = format!(
            "[contact]\nteam = \"Ops\"\nemail = \"ops@example.org\"\n[cluster]\nports = \"7000-7002\"\n\
             [[reserved]]\nport = 6379\nexternal = \"notice\"\nlisten = \"never\"\n\
             [[reserved]]\nport = 6380\nlisten = \"never\"\n\
             [[reserved]]\nport = 6381\nexternal = \"reject\"\nlisten = \"never\"\n\
             [firewall]\nbackend = \"{}\"\n[metrics]\nscrape-port = 9637\n",
            site.backend
        );
        let with_probes = format!("{spec}[probe]\nfrom = [\"{v4}/32\", \"{v6}/128\"]\n");
        site.publish(6381);
        site.apply(&with_probes);
        let listener = site.listen();
        let before = log(&site, 0).len();

        let met = meets(&site, PROBE);
        assert_eq!(met, ["-PORTCLOSED silence refused "; 2], "{}", site.backend);
        let status = json(&site, &["status"]);
        let all = |family: &str| [6379, 6380, 6381].map(|port| format!("{port} {family}"));
        let mut both = [all("IPv4"), all("IPv6")].concat();
        both.sort();
        assert_eq!(counted(&status["probes"]), both, "{}", site.backend);
        assert_eq!(counted(&status["ports"]), Vec::<String>::new(), "{}", site.backend);
        let probes = status["probes"].clone();
        let lines_of_probes = log(&site, before + 2);
        let marked = |line: &&String| line.contains(" probe=true told=");
        assert_eq!(lines_of_probes[before..].iter().filter(marked).count(), 2);
        let told = "redisguard_notice_connections_total{port=\"6379\"} ";
        let probed = "redisguard_notice_probes_total{port=\"6379\"} ";
        assert_eq!(scraped(&site, probed), "2");
        let users = scraped(&site, told);

        assert_eq!(meets(&site, USER), met);
        let status = json(&site, &["status"]);
        assert_eq!((&status["probes"], counted(&status["ports"])), (&probes, both));
        let all = log(&site, before + 4);
        assert_eq!(all[before..].iter().filter(marked).count(), 2, "{all:?}");
        let count = |text: String| text.parse::<u64>().unwrap();
        assert_eq!(count(scraped(&site, told)), count(users) + 2);
        assert_eq!(scraped(&site, probed), "2");
        for prefix in ["probe drop", "probe reject", "drop", "reject"] {
            // nftables has one counter for all lines.
            let [v4, v6] = lines(&site, prefix);
            assert!(v4 > 0 && v6 > 0, "{} {prefix}", site.backend);
        }
        let text = String::from_utf8(site.host.install(&["status"]).stdout).unwrap();
        assert!(text.contains("\nprobes, not counted above: "), "{text}");
        let metrics = String::from_utf8(site.host.install(&["metrics"]).stdout).unwrap();
        let line = "redisguard_probe_packets_total{port=\"6380\",family=\"ipv4\"} ";
        assert!(metrics.contains(line), "{metrics}");

        let report = json(&site, &["report", "--log", "/run/log"]);
        assert_eq!(report["probes"]["attempts"], 2);
        let sources: Vec<&str> = report["probes"]["sources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|source| source.as_str().unwrap())
            .collect();
        assert_eq!(sources, PROBE);
        let knocks = report["knocks"].to_string();
        assert!(USER.iter().all(|user| knocks.contains(user)), "{knocks}");
        assert!(!PROBE.iter().any(|probe| knocks.contains(probe)), "{knocks}");
        let text = site.host.install(&["report", "--log", "/run/log"]).stdout;
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("\nprobes, not counted above: 2, "), "{text}");

        // `probe` says where it is not named.
        let note = |toml: &str| {
            site.apply(toml);
            let bundle = site.bundle();
            let options = ["--bundle", bundle.to_str().unwrap(), "probe", "--timeout", "1s"];
            let said = site.outside.install(&[&options[..], &HOST].concat());
            String::from_utf8(said.stderr).unwrap()
        };
        drop(listener);
        let unnamed = note(&spec);
        assert!(unnamed.contains("name 198.51.1.2/32 and fd00:6379:1::"), "{unnamed}");
        assert!(json(&site, &["status"])["probes"].is_null());
        let named = with_probes.replace("1.3/32", "1.0/24").replace("1::3/128", "1::/64");
        assert!(!note(&named).contains("note:"));
        // What was counted before the bundle did not name them is there again.
        let after = json(&site, &["status"])["probes"].clone();
        let sum = |counts: &Value| -> u64 {
            counts.as_array().unwrap().iter().filter_map(|count| count["packets"].as_u64()).sum()
        };
        assert!(sum(&after) > sum(&probes), "{after} {probes}");
    });
}
