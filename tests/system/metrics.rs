//! Each check writes metrics within the unit's sandbox, and the listener serves its own.

use super::*;

const FILE: &str = "/var/lib/prometheus/node-exporter/redisguard.prom";
const METRICS: &str = "redis-ports-metrics.service";

/// What the listener shows to a scrape from the host itself.
fn shown(machine: &Machine) -> String {
    let scrape = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9637/metrics', timeout=10).read().decode())";
    machine.run(&["python3", "-c", scrape]).ok()
}

/// How often users of 6379 were told since the listener was started, as it shows.
fn told_so_far(machine: &Machine) -> u64 {
    let shown = shown(machine);
    let count = |line: &str| {
        line.strip_prefix("redisguard_notice_told_total{port=\"6379\"} ")?.parse().ok()
    };
    shown.lines().find_map(count).unwrap_or_else(|| panic!("{shown}"))
}

#[test]
fn every_check_writes_metrics_and_the_listener_shows_its_own() {
    let Some(machine) = host("metrics") else { return };
    let spec = support::root().join("tests/specs/good/metrics/redisguard.toml");
    bring_bundle(&machine, &spec, "/root/bundle");
    let apply = ["--bundle", "/root/bundle", "apply"];
    redisguard(&machine, &apply).ok();

    // Without node_exporter the unit and status say so, and nothing else is the worse for it.
    machine.run(&["systemctl", "start", CHECK]).ok();
    let said = || machine.run(&["journalctl", "-q", "--output=cat", "-u", METRICS]).stdout;
    wait_until("it says what is missing", || said().contains("install node_exporter"));
    let status = json(&machine, 1, &["status"]);
    assert_eq!(status["healthy"], true, "{status:#}");
    let finding = &status["findings"][0];
    assert_eq!((&finding["kind"], &finding["target"]), (&"unit".into(), &METRICS.into()));
    let detail = finding["detail"].as_str().unwrap();
    assert!(detail.contains("there is no directory /var/lib/prometheus"), "{status:#}");

    machine.run(&["mkdir", "-p", "/var/lib/prometheus/node-exporter"]).ok();
    let written = |words: &str| {
        wait_until(&format!("{words} is written"), || {
            machine.run(&["systemctl", "start", CHECK]).ok();
            machine.run(&["cat", FILE]).stdout.contains(words)
        });
    };
    written("\nredisguard_healthy 1\n");
    let text = machine.read_file(FILE);
    for line in ["redisguard_in_sync 1", "redisguard_listener_active 1", "redisguard_findings 0"] {
        assert!(text.contains(&format!("\n{line}\n")), "{line}: {text}");
    }
    assert_eq!(machine.changed_files()[FILE].mode, 0o644);
    assert!(text.contains("\nredisguard_notice_log_writable 1\n"), "{text}");
    json(&machine, 0, &["status"]);

    let before = told_so_far(&machine);
    ping(&machine, 6379);
    wait_until("it is counted", || told_so_far(&machine) == before + 1);
    // Writing metrics asks nobody: it would be counted, and logged every minute.
    machine.run(&["rm", FILE]).ok();
    written("\nredisguard_healthy 1\n");
    assert_eq!(told_so_far(&machine), before + 1);

    machine.run(&["systemctl", "stop", NOTICE]).ok();
    written("\nredisguard_healthy 0\n");
    redisguard(&machine, &["remove"]).ok();
    assert!(!machine.changed_files().contains_key(FILE), "stale metrics stay");
    for unit in [METRICS, CHECK] {
        assert_eq!(super::unit(&machine, unit, "LoadState"), "not-found", "{unit}");
    }
}
