//! promtool, Grafana's types and a running Prometheus accept alerts, dashboard and metrics.

mod thousand_hosts;

use crate::support::namespace::{Host, Started};
use crate::support::redis::met;
use crate::support::sites::blocks;
use crate::support::{
    GEN, INSTALL, can_make_namespaces, case, need, root, specs, tools, transcript, wait_until,
};
use redisguard::bundle::Bundle;
use redisguard::spec::{Source, Spec};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

const ALERTS: &str = "prometheus/redisguard.rules.yml";
const DASHBOARD: &str = "grafana/redisguard.json";

fn rendered(spec: &Path) -> Bundle {
    let source = Source::from_bytes("redisguard.toml", fs::read(spec).unwrap()).unwrap();
    let (spec, _) = Spec::parse(source).unwrap_or_else(|faults| panic!("{}", faults.render(false)));
    Bundle::render(&spec).unwrap()
}

fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{}", transcript(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn alert_rules_of_every_site_are_valid() {
    if !tools(&["promtool"]) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let mut check = Command::new("promtool");
    check.args(["check", "rules"]);
    for spec in specs("good") {
        let path = folder.path().join(format!("{}.yml", case(&spec)));
        fs::write(&path, rendered(&spec).get(ALERTS).unwrap()).unwrap();
        check.arg(path);
    }
    let said = ok(&check.output().unwrap());
    assert_eq!(said.matches("SUCCESS: 14 rules found").count(), specs("good").len(), "{said}");
}

#[test]
fn promtool_accepts_every_query_of_the_runbook() {
    if !tools(&["promtool"]) {
        return;
    }
    let page = fs::read_to_string(root().join("docs/runbook.md")).unwrap();
    let mut rules = String::from("groups:\n- name: runbook\n  rules:\n");
    let queries = blocks(&page, "promql");
    assert!(queries.len() > 3);
    for (number, query) in queries.iter().enumerate() {
        rules += &format!("  - {{record: 'query:{number}', expr: '{}'}}\n", query.trim());
    }
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("rules.yml"), rules).unwrap();
    let mut check = Command::new("promtool");
    check.current_dir(folder.path()).args(["check", "rules", "rules.yml"]);
    ok(&check.output().unwrap());
}

#[test]
fn each_alert_fires_when_it_must_and_not_before() {
    if !tools(&["promtool"]) {
        return;
    }
    let folder = TempDir::new().unwrap();
    fs::copy(root().join("generated").join(ALERTS), folder.path().join("rules.yml")).unwrap();
    let cases = root().join("tests/net/monitoring/alerts.yml");
    fs::copy(&cases, folder.path().join("alerts.yml")).unwrap();
    let mut test = Command::new("promtool");
    test.current_dir(folder.path()).args(["test", "rules", "alerts.yml"]);
    ok(&test.output().unwrap());
    let text = fs::read_to_string(cases).unwrap();
    let rules = fs::read_to_string(root().join("generated").join(ALERTS)).unwrap();
    for line in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        let name = line.trim_matches('"');
        let tried = text.matches(&format!("alertname: {name}\n")).count();
        assert!(tried >= 2, "{name} is tried {tried} times: firing and not");
    }
}

#[test]
fn dashboards_of_every_site_match_grafanas_types() {
    if !tools(&["npm", "node"]) {
        return;
    }
    let store = concat!(env!("CARGO_TARGET_TMPDIR"), "/clients");
    let install = root().join("tests/tools/clients");
    let installed = Command::new(install).args(["grafana", store]).output().unwrap();
    if !need(&format!("Grafana's types ({})", transcript(&installed)), installed.status.success()) {
        return;
    }
    let place = String::from_utf8(installed.stdout).unwrap();
    let shape = fs::read_to_string(root().join("tests/net/monitoring/dashboard.ts")).unwrap();
    let folder = TempDir::new().unwrap();
    std::os::unix::fs::symlink(
        Path::new(place.trim()).join("node_modules"),
        folder.path().join("node_modules"),
    )
    .unwrap();
    let mut check = Command::new(Path::new(place.trim()).join("node_modules/.bin/tsc"));
    check.current_dir(folder.path()).args([
        "--noEmit",
        "--strict",
        "--skipLibCheck",
        "--module",
        "nodenext",
        "--moduleResolution",
        "nodenext",
        "--target",
        "es2022",
    ]);
    for spec in specs("good") {
        let bundle = rendered(&spec);
        let dashboard = std::str::from_utf8(bundle.get(DASHBOARD).unwrap()).unwrap();
        let read: Value = serde_json::from_str(dashboard).unwrap();
        assert!(read["panels"].as_array().unwrap().len() > 5);
        let name = format!("{}.ts", case(&spec));
        let text = shape.replace("= DASHBOARD;", &format!("= {dashboard};"));
        assert_ne!(text, shape);
        fs::write(folder.path().join(&name), text).unwrap();
        check.arg(name);
    }
    ok(&check.output().unwrap());
}

/// What is scraped every second, and the alerts.
const PROMETHEUS: &str = "
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yml]
scrape_configs:
  - job_name: node
    static_configs: [{targets: ['127.0.0.1:9100']}]
  - job_name: redisguard
    static_configs: [{targets: ['127.0.0.1:9637']}]
";

/// A guarded host with a listener, node_exporter and Prometheus, and an outsider.
struct Site {
    outside: Host,
    host: Host,
    folder: TempDir,
}

impl Site {
    fn new() -> Self {
        let (outside, host) = (Host::network_only(), Host::new());
        host.cabled_to(&outside, 1);
        let folder = TempDir::new().unwrap();
        let spec = root().join("tests/specs/good/metrics/redisguard.toml");
        fs::copy(spec, folder.path().join("redisguard.toml")).unwrap();
        ok(&Command::new(GEN).current_dir(folder.path()).output().unwrap());
        host.copy_in(&folder.path().join("generated"), "/run/bundle");
        host.sh("mkdir -p /var/lib/prometheus/node-exporter /run/prometheus");
        ok(&host.install(&["--bundle", "/run/bundle", "apply", "--cut-sessions"]));
        Self { outside, host, folder }
    }

    /// Runs the listener until it shows metrics.
    fn listen(&self) -> Started {
        let notice = ["--bundle", "/run/bundle", "notice", "--log", "-"];
        let listener = self.host.start(INSTALL, &notice);
        let ask = ["--silent", "--noproxy", "*", "http://127.0.0.1:9637/"];
        wait_until("the listener shows metrics", || self.host.run("curl", &ask).status.success());
        listener
    }

    fn write_metrics(&self) {
        let file = "/var/lib/prometheus/node-exporter/redisguard.prom";
        ok(&self.host.install(&["--bundle", "/run/bundle", "metrics", "--textfile", file]));
    }

    /// One who is told, and one who is reset.
    fn connect_from_outside(&self) {
        let told = met(&self.outside, "198.51.1.1", "6379");
        assert!(told.starts_with("PORTCLOSED 6379"), "{told}");
        assert_eq!(met(&self.outside, "fd00:6379:1::1", "6385"), "refused");
    }

    fn scrape(&self, arguments: &[&str]) -> String {
        let curl = ["--silent", "--show-error", "--max-time", "10", "--noproxy", "*"];
        ok(&self.host.run("curl", &[&curl[..], arguments].concat()))
    }

    /// How many series a query returns; `None` until Prometheus answers.
    fn series(&self, query: &str) -> Option<usize> {
        let query = format!("query={query}");
        let api = "http://127.0.0.1:9090/api/v1/query";
        let asked = self
            .host
            .run("curl", &["--silent", "--noproxy", "*", "--get", api, "--data-urlencode", &query]);
        let answer: Value = serde_json::from_slice(&asked.stdout).ok()?;
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        Some(answer["data"]["result"].as_array().unwrap().len())
    }
}

#[test]
fn prometheus_scrapes_a_real_listener_and_every_query_of_the_dashboard_has_data() {
    if !can_make_namespaces()
        || !tools(&[
            "promtool",
            "prometheus",
            "prometheus-node-exporter",
            "curl",
            "iptables",
            "nsenter",
            "redis-cli",
        ])
    {
        return;
    }
    let site = Site::new();
    let host = &site.host;
    let _listener = site.listen();
    site.connect_from_outside();
    site.write_metrics();

    // promtool reads the text format, and Prometheus asks for OpenMetrics.
    let file = host.sh("cat /var/lib/prometheus/node-exporter/redisguard.prom");
    let shown = site.scrape(&["http://127.0.0.1:9637/metrics"]);
    assert!(shown.contains("\nredisguard_notice_told_total{port=\"6379\"} 1\n"), "{shown}");
    assert!(shown.contains("\nredisguard_notice_connections_total{port=\"6381-6390\"} 0\n"));
    let refused = "redisguard_stopped_packets_total{port=\"6381-6390\",family=\"ipv6\"} ";
    let refused = file.lines().find_map(|line| line.strip_prefix(refused));
    assert!(refused.is_some_and(|count| count != "0"), "{file}");
    for text in [&file, &shown] {
        fs::write(site.folder.path().join("metrics"), text).unwrap();
        let metrics = fs::File::open(site.folder.path().join("metrics")).unwrap();
        let mut check = Command::new("promtool");
        let said = check.args(["check", "metrics"]).stdin(metrics).output().unwrap();
        assert_eq!(transcript(&said), "exit 0\n");
    }
    let open =
        ["--header", "Accept: application/openmetrics-text", "http://127.0.0.1:9637/metrics"];
    let open = site.scrape(&open);
    assert!(open.ends_with("# EOF\n") && open.contains("TYPE redisguard_notice_told counter\n"));

    let path = site.folder.path();
    fs::write(path.join("prometheus.yml"), PROMETHEUS).unwrap();
    fs::copy(path.join("generated").join(ALERTS), path.join("rules.yml")).unwrap();
    let textfiles = "--collector.textfile.directory=/var/lib/prometheus/node-exporter";
    let exporter = ["--collector.disable-defaults", "--collector.textfile", textfiles];
    let address = "--web.listen-address=127.0.0.1:9100";
    let _exporter = host.start("prometheus-node-exporter", &[&exporter[..], &[address]].concat());
    let config = format!("--config.file={}", path.join("prometheus.yml").display());
    let storage = "--storage.tsdb.path=/run/prometheus";
    let address = "--web.listen-address=127.0.0.1:9090";
    let _prometheus = host.start("prometheus", &[&config, storage, address]);

    let dashboard = fs::read(path.join("generated").join(DASHBOARD)).unwrap();
    let dashboard: Value = serde_json::from_slice(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    let queries: Vec<&str> = targets.map(|target| target["expr"].as_str().unwrap()).collect();
    // Of all hosts, and of this one: its two targets have different ports.
    let every = ["(.*)", "127\\\\.0\\\\.0\\\\.1"].map(|host| {
        let chosen = queries.iter().map(|query| query.replace("$host", host));
        chosen.map(|query| query.replace("$environment", ".*").replace("$__rate_interval", "1m"))
    });
    let mut queries: Vec<String> = every.into_iter().flatten().collect();
    assert!(queries.len() > 20);
    wait_until("every query has data", || {
        site.connect_from_outside();
        site.write_metrics();
        queries.retain(|query| site.series(query).is_none_or(|series| series == 0));
        queries.is_empty()
    });
    // And an alert begins where the guard ends.
    let alert = "ALERTS{alertname=\"RedisguardUnhealthy\"}";
    assert_eq!(site.series(alert), Some(0));
    host.sh("iptables -F INPUT");
    site.write_metrics();
    wait_until("the alert is on its way", || site.series(alert) == Some(1));
}

#[test]
fn other_http_requests_are_refused_and_delay_no_client() {
    if !can_make_namespaces() || !tools(&["curl", "iptables", "nsenter", "redis-cli", "python3"]) {
        return;
    }
    let site = Site::new();
    let host = &site.host;
    let _listener = site.listen();
    let status = |arguments: &[&str]| {
        let code = ["--output", "/dev/null", "--write-out", "%{http_code}"];
        site.scrape(&[&code[..], arguments].concat())
    };
    assert_eq!(status(&["http://127.0.0.1:9637/"]), "404");
    assert_eq!(status(&["--request", "POST", "http://127.0.0.1:9637/metrics"]), "405");
    let long = format!("X: {}", "x".repeat(9000));
    assert_eq!(status(&["--header", &long, "http://127.0.0.1:9637/metrics"]), "431");
    assert_eq!(status(&["http://127.0.0.1:9637/metrics?x=y"]), "200");
    // Many who connect and say nothing, or say what is no HTTP.
    let mute = "import socket, time
mute = [socket.create_connection(('127.0.0.1', 9637)) for _ in range(40)]
mute[0].sendall(b'\\x00\\xff\\r\\n\\r\\n')
assert mute[0].recv(100).startswith(b'HTTP/1.1 400')
time.sleep(1000)";
    let _mute = host.start("python3", &["-c", mute]);
    let count = "ss -Htn state established '( dport = :9637 )' | wc -l";
    wait_until("most of them are there", || host.sh(count).trim().parse::<u32>().unwrap() > 20);
    site.connect_from_outside();
    // From outside there is nobody.
    assert_eq!(met(&site.outside, "198.51.1.1", "9637"), "refused");
}
