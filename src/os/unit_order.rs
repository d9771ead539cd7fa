//! Cycles in the order of units, in systemd's own words: systemd drops a job to break one.

use super::command::{Output, Program};
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

/// How long systemd-analyze may take: it loads all units of the host.
const ANALYZE_LIMIT: Duration = Duration::from_secs(20);
/// How long journalctl may take.
const JOURNAL_LIMIT: Duration = Duration::from_secs(10);
/// The types of units (systemd.unit(5)).
const TYPES: [&str; 11] = [
    "service",
    "target",
    "socket",
    "mount",
    "automount",
    "swap",
    "timer",
    "path",
    "slice",
    "scope",
    "device",
];

/// Units that are ordered in a cycle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cycle {
    /// The units, each ordered after the next one, and the last after the first.
    pub units: Vec<String>,
    /// The unit whose job was dropped; `None` where systemd does not say.
    pub dropped: Option<String>,
}

/// The cycles that the next boot would have, with the unit files of `overlay` in the place of those with the
/// same name. `None` where systemd-analyze cannot tell.
pub(crate) fn of_next_boot(overlay: &Path) -> Option<Vec<Cycle>> {
    // An empty part at the end stands for the directories of the host (systemd.unit(5)).
    let mut path = OsString::from(overlay);
    path.push(":");
    let analyze = Program::new("systemd-analyze").env("SYSTEMD_UNIT_PATH", path);
    let analyze = analyze.args(["--man=no", "verify", "default.target"]).limit(ANALYZE_LIMIT);
    // It fails for any fault of any unit of the host.
    analyze.run("look for ordering cycles").ok().map(|output| cycles(&output.stderr))
}

/// The cycles that systemd has found since the host started; none where the journal cannot be read.
pub(crate) fn of_this_boot() -> Vec<Cycle> {
    let journalctl = Program::new("journalctl").args(["--boot", "--quiet", "--no-pager"]);
    // Until journald runs, systemd writes to the kernel's log.
    let early = ["_TRANSPORT=kernel", "SYSLOG_IDENTIFIER=systemd", "+"];
    let journalctl = journalctl.args(["--output=cat", "--priority=warning"]);
    let journalctl = journalctl.args(early).args(["_PID=1"]);
    let said = journalctl.limit(JOURNAL_LIMIT).run("read the journal");
    said.map(Output::text).map(|text| cycles(&text)).unwrap_or_default()
}

/// The cycles in lines of systemd's: "A: Found ordering cycle on B/start", "A: Found dependency on C/start" for
/// each further unit, and "A: Job B/start deleted to break ordering cycle starting with A/start".
fn cycles(lines: &str) -> Vec<Cycle> {
    let mut found: Vec<Cycle> = Vec::new();
    for line in lines.lines() {
        if let Some((_, units)) = line.split_once("Found ordering cycle") {
            found.push(Cycle { units: unit_names(units).collect(), dropped: None });
        } else if let (Some((_, units)), Some(cycle)) =
            (line.split_once("Found dependency on"), found.last_mut())
        {
            cycle.units.extend(unit_names(units));
        } else if let (Some((_, job)), true, Some(cycle)) =
            (line.split_once("Job "), line.contains("to break ordering cycle"), found.last_mut())
        {
            cycle.dropped = unit_names(job).next();
        }
    }
    for cycle in &mut found {
        // Newer versions name the first unit again at the end of one line.
        if cycle.units.len() > 1 && cycle.units.first() == cycle.units.last() {
            cycle.units.pop();
        }
    }
    // Found again for each job that is part of it.
    let mut once: Vec<Cycle> = Vec::new();
    for cycle in found {
        if !once.contains(&cycle) {
            once.push(cycle);
        }
    }
    once
}

/// The names of units in a text, without the types of their jobs.
fn unit_names(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split_whitespace().filter_map(|word| {
        let name = word.split('/').next()?.trim_end_matches([',', ':', ';']);
        let is_unit = name.rsplit_once('.').is_some_and(|(_, kind)| TYPES.contains(&kind));
        is_unit.then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_is_read_with_the_job_that_was_dropped() {
        let lines = "other.service: Failed with result 'exit-code'.\n\
            network.target: Found ordering cycle on network-pre.target/start\n\
            network.target: Found dependency on redis-ports-block.service/start\n\
            network.target: Found dependency on network.target/start\n\
            network.target: Job network-pre.target/start deleted to break ordering cycle starting \
            with network.target/start\n";
        let units = ["network-pre.target", "redis-ports-block.service", "network.target"];
        let cycle = Cycle {
            units: units.map(str::to_owned).to_vec(),
            dropped: Some("network-pre.target".to_owned()),
        };
        assert_eq!(cycles(&lines.repeat(2)), [cycle]);
    }

    #[test]
    fn a_cycle_in_one_line_is_read() {
        let line = "Found ordering cycle: a.service/start after redis-port-yield@b.service/start \
                    after c.mount/start - after a.service\n";
        let units = ["a.service", "redis-port-yield@b.service", "c.mount"];
        assert_eq!(cycles(line)[0].units, units.map(str::to_owned));
        assert_eq!(cycles("a.service: Found dependency on b.service/start\n"), []);
    }
}
