//! Every command of the runbook runs on a guarded host, block by block as it is written.

use super::*;
use support::sites::blocks;

/// What a block needs before it, if not just a guarded host.
fn before(block: &str) -> &'static [&'static str] {
    match block.trim().rsplit(' ').next() {
        Some("confirm" | "revert") => &["--bundle", "/root/other", "apply", "--confirm", "1h"],
        _ => &[],
    }
}

#[test]
fn every_command_of_the_runbook_runs_on_a_guarded_host() {
    let Some(machine) = host("runbook") else { return };
    let good = support::root().join("tests/specs/good");
    bring_bundle(&machine, &good.join("metrics/redisguard.toml"), "/root/generated");
    bring_bundle(&machine, &good.join("reject-all/redisguard.toml"), "/root/other");
    machine.run(&["mkdir", "-p", "/var/lib/prometheus/node-exporter"]).ok();
    let page = std::fs::read_to_string(support::root().join("docs/runbook.md")).unwrap();
    let blocks = blocks(&page, "bash");
    assert!(blocks.len() > 10);
    for block in blocks {
        let apply: &[&str] = &["--bundle", "/root/generated", "apply"];
        redisguard(&machine, apply).ok();
        if !before(&block).is_empty() {
            redisguard(&machine, before(&block)).ok();
        }
        // Root needs no sudo.
        let script = format!("set -e; cd /root; sudo() {{ \"$@\"; }}\n{block}");
        let output = machine.run(&["bash", "-c", &script]);
        assert_eq!(output.code, 0, "{block}\n{output:?}");
    }
}
