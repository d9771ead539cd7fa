//! Every panel has data for every choice of its variables, and stays readable with 1,000 hosts.
//!
//! A real Prometheus answers, from blocks that promtool makes of simulated metrics.

use super::{DASHBOARD, ok, rendered};
use crate::support::namespace::{Host, Started};
use crate::support::sites::with_many;
use crate::support::{can_make_namespaces, root, tools, wait_until};
use redisguard::bundle::Bundle;
use redisguard::spec::{Source, Spec};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

const HOSTS: usize = 1000;
/// The most series that a panel may show, and the most of one by port where the site has many.
const MAX_SERIES: usize = 50;
const MAX_PORTS: usize = 10;
/// A sample each minute, for so many minutes.
const SAMPLES: u64 = 12;
/// Hosts with all the ports of [`with_many`]; the others have one.
const HOSTS_WITH_MANY_PORTS: usize = 20;

/// A host as its targets name it, without the port.
fn name(host: usize) -> String {
    match host {
        0 => "[2001:db8::6379]".to_owned(),
        // The beginning of others' names.
        1 => "web".to_owned(),
        host => format!("web{host}.example.org"),
    }
}

/// The label that tells environments apart; some hosts lack it.
fn environment(host: usize) -> &'static str {
    ["", ",env=\"production\"", ",env=\"staging\""][host % 3]
}

/// All series in OpenMetrics, each metric's together, up to `end` in seconds since 1970.
fn simulated(end: u64) -> String {
    let mut metrics: BTreeMap<(&str, &str), Vec<(String, u64)>> = BTreeMap::new();
    let mut add = |kind, metric, labels: String, value| {
        metrics.entry((metric, kind)).or_default().push((labels, value));
    };
    for host in 0..HOSTS {
        let target = |port| format!("instance=\"{}:{port}\"{}", name(host), environment(host));
        let (guard, listener) = (target(9100), target(9637));
        let bundle = host % 3 + usize::from(host == 7);
        add("gauge", "redisguard_info", format!("{guard},bundle=\"{bundle}\""), 1);
        add("gauge", "redisguard_healthy", guard.clone(), u64::from(host % 50 != 0));
        add("gauge", "redisguard_in_sync", guard.clone(), u64::from(host % 20 != 0));
        add("gauge", "redisguard_findings", guard.clone(), (host % 7) as u64);
        add("gauge", "redisguard_notice_start_time_seconds", listener.clone(), end - 9000);
        add("gauge", "redisguard_notice_open_connections", listener.clone(), (host % 5) as u64);
        for ending in ["told", "closed", "reset", "idle", "shed", "limit", "shutdown"] {
            let labels = format!("{listener},ending=\"{ending}\"");
            add("counter", "redisguard_notice_endings", labels, host as u64);
        }
        let ports = if host < HOSTS_WITH_MANY_PORTS { 40 } else { 1 };
        for port in 6379..6379 + ports {
            let by_port = |target: &str| format!("{target},port=\"{port}\"");
            for family in ["ipv4", "ipv6"] {
                let labels = format!("{},family=\"{family}\"", by_port(&guard));
                add("counter", "redisguard_stopped_packets", labels, port);
            }
            add("counter", "redisguard_notice_connections", by_port(&listener), port);
            let latest = "redisguard_notice_last_connection_timestamp_seconds";
            add("gauge", latest, by_port(&listener), if host == 1 { 0 } else { end - 60 });
        }
    }
    let mut text = String::new();
    for ((metric, kind), series) in metrics {
        let (suffix, growth) = if kind == "counter" { ("_total", 3) } else { ("", 0) };
        writeln!(text, "# TYPE {metric} {kind}").unwrap();
        for (labels, value) in series {
            for sample in 0..SAMPLES {
                let (value, at) = (value + growth * sample, end - 60 * (SAMPLES - 1 - sample));
                writeln!(text, "{metric}{suffix}{{{labels}}} {value} {at}").unwrap();
            }
        }
    }
    text + "# EOF\n"
}

/// A Prometheus that has the simulated metrics.
struct Simulation {
    host: Host,
    _prometheus: Started,
    _folder: TempDir,
    end: u64,
}

impl Simulation {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let end = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 60 * 60 - 60;
        let path = |name: &str| folder.path().join(name).display().to_string();
        fs::write(path("metrics"), simulated(end)).unwrap();
        fs::write(path("prometheus.yml"), "global: {}\n").unwrap();
        let mut backfill = Command::new("promtool");
        backfill.args([
            "tsdb",
            "create-blocks-from",
            "openmetrics",
            &path("metrics"),
            &path("data"),
        ]);
        ok(&backfill.output().unwrap());
        let host = Host::network_only();
        let config = format!("--config.file={}", path("prometheus.yml"));
        let storage = format!("--storage.tsdb.path={}", path("data"));
        let address = "--web.listen-address=127.0.0.1:9090";
        let prometheus = host.start("prometheus", &[&config, &storage, address]);
        let simulation = Self { host, _prometheus: prometheus, _folder: folder, end };
        let ready = ["--silent", "--fail", "--noproxy", "*", "http://127.0.0.1:9090/-/ready"];
        let is_ready = || simulation.host.run("curl", &ready).status.success();
        wait_until("Prometheus is ready", is_ready);
        simulation
    }

    fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        let url = format!("http://127.0.0.1:9090/api/v1/{path}");
        let mut arguments =
            vec!["--silent".to_owned(), "--noproxy".into(), "*".into(), "--get".into(), url];
        for (name, value) in parameters {
            arguments.extend(["--data-urlencode".to_owned(), format!("{name}={value}")]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let answer: Value = serde_json::from_str(&ok(&self.host.run("curl", &arguments))).unwrap();
        assert_eq!(answer["status"], "success", "{parameters:?}: {answer}");
        answer["data"].clone()
    }

    /// The series of a panel's query, as Grafana asks for it.
    fn series(&self, query: &str, instant: bool) -> Vec<Value> {
        let (start, end) = ((self.end - 600).to_string(), self.end.to_string());
        let data = match instant {
            true => self.ask("query", &[("query", query), ("time", &end)]),
            false => {
                let range = [("query", query), ("start", &start), ("end", &end), ("step", "60")];
                self.ask("query_range", &range)
            }
        };
        data["result"].as_array().unwrap().clone()
    }

    /// What a variable of the dashboard offers.
    fn options(&self, dashboard: &Value, variable: &str) -> Vec<String> {
        let variables = dashboard["templating"]["list"].as_array().unwrap().iter();
        let found = variables.into_iter().find(|found| found["name"] == variable).unwrap();
        let query = found["query"]["query"].as_str().unwrap();
        let query = query.strip_prefix("label_values(").unwrap().strip_suffix(')').unwrap();
        let (selector, label) = query.rsplit_once(", ").unwrap();
        let selector = selector.replace("$environment", ".*");
        let values = self.ask(&format!("label/{label}/values"), &[("match[]", &selector)]);
        // Grafana shows the first group of the first match.
        let script =
            "const [regex, values] = process.argv.slice(1).map((text) => JSON.parse(text));
            const [, body] = regex.match(/^\\/(.*)\\/$/) ?? [, '^(.*)$'];
            const shown = values.map((value) => value.match(new RegExp(body))[1]);
            console.log(JSON.stringify([...new Set(shown)]))";
        let mut node = Command::new("node");
        node.args(["-e", script, &found["regex"].to_string(), &values.to_string()]);
        serde_json::from_str(&ok(&node.output().unwrap())).unwrap()
    }
}

/// A value as Grafana writes it into a regular expression of PromQL.
fn escaped(value: &str) -> String {
    let special = |letter: char| "$^*{}[]'+?.()|".contains(letter);
    let escape =
        |letter| if special(letter) { format!("\\\\{letter}") } else { letter.to_string() };
    value.chars().map(escape).collect()
}

/// The title, query and kind of every target.
fn queries(dashboard: &Value) -> Vec<(String, String, bool)> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let of_panel = |panel: &Value| {
        let title = panel["title"].as_str().unwrap().to_owned();
        let targets = panel["targets"].as_array().unwrap().clone().into_iter();
        targets.map(move |target| {
            let query = target["expr"].as_str().unwrap().replace("$__rate_interval", "5m");
            (title.clone(), query, target["instant"] == true)
        })
    };
    panels.flat_map(of_panel).collect()
}

fn dashboard(bundle: &Bundle) -> Value {
    serde_json::from_slice(bundle.get(DASHBOARD).unwrap()).unwrap()
}

#[test]
fn every_panel_has_data_for_every_choice_and_few_series_for_all_hosts() {
    let programs = ["promtool", "prometheus", "curl", "nsenter", "node"];
    if !can_make_namespaces() || !tools(&programs) {
        return;
    }
    let simulation = Simulation::new();
    let few = dashboard(&rendered(&root().join("tests/specs/good/metrics/redisguard.toml")));
    let source = Source::from_bytes("many.toml", with_many(40).into_bytes()).unwrap();
    let many = dashboard(&Bundle::render(&Spec::parse(source).unwrap().0).unwrap());

    let environments = simulation.options(&few, "environment");
    assert_eq!(environments, ["production", "staging"]);
    // node_exporter's target and the listener's are one host.
    let hosts: BTreeSet<String> = simulation.options(&few, "host").into_iter().collect();
    assert_eq!(hosts, (0..HOSTS).map(name).collect());

    let all = || ".*".to_owned();
    let mut choices = vec![(all(), all())];
    choices.extend(environments.into_iter().map(|environment| (all(), environment)));
    choices.extend([0, 1, 2, 50, 999].map(|host| (escaped(&name(host)), all())));
    let several = [0, 1, 999].map(|host| escaped(&name(host)));
    choices.push((format!("({})", several.join("|")), all()));
    for (dashboard, max) in [(&few, MAX_SERIES), (&many, MAX_PORTS)] {
        for (host, environment) in &choices {
            for (title, query, instant) in queries(dashboard) {
                let query = query.replace("$host", host).replace("$environment", environment);
                let series = simulation.series(&query, instant);
                let most = if query.contains("by (port)") { max } else { MAX_SERIES };
                assert!((1..=most).contains(&series.len()), "{title}: {} of {query}", series.len());
            }
        }
    }
    // A name that begins others is chosen alone.
    let guarded = queries(&few).into_iter().find(|(title, ..)| title == "Guarded hosts").unwrap().1;
    let count = |host: &str| {
        let query = guarded.replace("$host", host).replace("$environment", ".*");
        simulation.series(&query, true)[0]["value"][1].as_str().unwrap().to_owned()
    };
    assert_eq!(
        [count(".*"), count("web"), count("web2.*")].map(|text| text == "1"),
        [false, true, false]
    );
    assert_eq!(count(".*"), (HOSTS - HOSTS / 50).to_string());
}

#[test]
fn sites_with_other_titles_have_other_dashboards() {
    let of = |site: &str| {
        dashboard(&rendered(&root().join(format!("tests/specs/good/{site}/redisguard.toml"))))["uid"].clone()
    };
    let [shipped, other, same] = ["shipped", "words-of-every-format", "reject-all"].map(of);
    assert_ne!(shipped, other);
    assert_eq!(shipped, same, "the default title");
    assert!(shipped.as_str().unwrap().len() <= 40, "Grafana takes no more: {shipped}");
}
