//! What a roll-out by Ansible costs: seconds, bytes on the wire and the controller's processor and
//! memory, and what a run costs that finds nothing to do, held against the same guard as tasks of
//! Ansible's own. `cargo bench --bench fleet` boots six hosts and takes some minutes; `--rounds=N`
//! makes them fewer or more, `--markdown` prints what docs/fleet.md shows. Without `--bench`, as `cargo test --all-targets` calls it, the
//! playbooks are only read.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

#[allow(dead_code)]
#[path = "../system/ansible/controller.rs"]
mod controller;
#[path = "fleet/cost.rs"]
mod cost;
#[allow(dead_code)]
#[path = "../system/ansible/playbook_run.rs"]
mod playbook_run;
#[allow(dead_code)]
#[path = "notice/rounds.rs"]
mod rounds;
#[allow(unused_imports)]
#[path = "../support/mod.rs"]
mod support;
#[path = "notice/table.rs"]
mod table;

use controller::{Controller, Engine};
use cost::{Cost, measured};
use rounds::{order, ratio, spread};
use std::fs;
use std::process::Command;
use table::Table;

const SITE: &str = "ansible/site.yml";
const BY_HAND: &str = "by-hand.yml";
const HOSTS: [&str; 6] = ["one", "two", "three", "four", "five", "six"];
/// Over so many hosts each run goes.
const SIZES: [usize; 3] = [1, 3, 6];
/// So many names of the same hosts stand for a larger fleet.
const MANY: usize = 120;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given = |name: &str| arguments.iter().any(|argument| argument == name);
    if !given("--bench") {
        return read_playbooks();
    }
    let rounds = arguments.iter().find_map(|argument| argument.strip_prefix("--rounds="));
    let rounds = rounds.map_or(5, |rounds| rounds.parse().unwrap());
    let Some(fleet) = Controller::boot(&HOSTS) else { return };
    fs::copy(source(), fleet.path(BY_HAND)).unwrap();
    let measurements: [fn(&Controller, usize) -> Table; 3] =
        [first_runs, nothing_to_do, many_names];
    for measure in measurements {
        let table = measure(&fleet, rounds);
        println!("{}", if given("--markdown") { table.markdown() } else { table.text() });
    }
}

fn source() -> std::path::PathBuf {
    support::root().join("tests/benches/fleet").join(BY_HAND)
}

fn read_playbooks() {
    let Some(programs) = Engine::Newest.programs() else { return };
    let mut check = Command::new(programs.join("ansible-playbook"));
    let home = tempfile::tempdir().unwrap();
    controller::prepare(&mut check, &programs, home.path());
    let site = support::root().join(SITE);
    check
        .current_dir(support::root())
        .args(["--syntax-check", "-i", "one,"])
        .arg(source())
        .arg(site);
    controller::said(&mut check).ok();
}

/// A run over some of the hosts, all of which must have succeeded.
fn run(fleet: &Controller, playbook: &str, hosts: usize, options: &[&str]) -> Cost {
    let limit = format!("--limit={}", HOSTS[..hosts].join(","));
    let (cost, played) =
        measured(fleet, || fleet.play(playbook, &[&[limit.as_str()], options].concat()));
    assert_eq!(played.0.code, 0, "{played}");
    cost.for_each(hosts)
}

/// From nothing to guarded, in one batch, and back, which is not counted.
fn first_runs(fleet: &Controller, rounds: usize) -> Table {
    const AT_ONCE: &str = "--extra-vars={\"redisguard_serial\": [\"100%\"]}";
    let mut costs = vec![Vec::new(); SIZES.len()];
    for round in 0..rounds {
        for size in order(round, SIZES.len()) {
            costs[size].push(run(fleet, SITE, SIZES[size], &[AT_ONCE]));
            run(fleet, SITE, SIZES[size], &[AT_ONCE, "--extra-vars=redisguard_state=absent"]);
        }
    }
    let mut table = Table::new("From nothing to guarded, confirmed and probed", &Cost::HEAD);
    for (hosts, costs) in SIZES.iter().zip(&costs) {
        table.row(Cost::row(format!("{hosts}"), costs));
    }
    table
}

/// Both find everything in place, by turns, on the same hosts.
fn nothing_to_do(fleet: &Controller, rounds: usize) -> Table {
    for playbook in [BY_HAND, SITE] {
        run(fleet, playbook, HOSTS.len(), &[]);
    }
    let mut table = Table::new(
        "A run that finds nothing to do",
        &[&Cost::HEAD[..], &["by hand/ours", "from-to"]].concat(),
    );
    for hosts in SIZES {
        let contestants = [SITE, BY_HAND];
        let mut costs = [Vec::new(), Vec::new()];
        for round in 0..rounds {
            for index in order(round, contestants.len()) {
                costs[index].push(run(fleet, contestants[index], hosts, &[]));
            }
        }
        let seconds =
            costs.each_ref().map(|costs| costs.iter().map(|cost| cost.seconds).collect::<Vec<_>>());
        let compared =
            [format!("{:.1}", ratio(&seconds[1], &seconds[0])), spread(&seconds[1], &seconds[0])];
        table.row(Cost::row(format!("{hosts}, ours"), &costs[0]).chain(compared));
        table.row(
            Cost::row(format!("{hosts}, by hand"), &costs[1]).chain([String::new(), String::new()]),
        );
    }
    table
}

/// Many names of the same hosts: what the controller takes for each and for each of its forks.
fn many_names(fleet: &Controller, _rounds: usize) -> Table {
    let hosts = fs::read_to_string(fleet.path("inventory.yml")).unwrap();
    let line = |name: &str| {
        hosts.lines().find(|line| line.trim().starts_with(&format!("{name}:"))).unwrap().to_owned()
    };
    let mut names = String::from("redis_hosts:\n  hosts:\n");
    for number in 0..MANY {
        let name = HOSTS[number % HOSTS.len()];
        names.push_str(&line(name).replacen(&format!("{name}:"), &format!("many{number}:"), 1));
        names.push('\n');
    }
    fs::write(fleet.path("many.yml"), names).unwrap();
    let title = format!("A run over {MANY} names of six hosts that finds nothing to do");
    let mut table = Table::new(title, &["forks", "s", "processor s/host", "MiB", "MiB/fork"]);
    for forks in ["10", "25", "50"] {
        let options = ["-i", "many.yml", "--limit=many*", "--forks", forks];
        let (cost, played) = measured(fleet, || fleet.play(SITE, &options));
        assert_eq!(played.0.code, 0, "{played}");
        let each = cost.for_each(MANY);
        let per_fork = each.mebibytes / forks.parse::<f64>().unwrap();
        let cells = [
            format!("{:.1}", each.seconds),
            format!("{:.3}", each.processor),
            format!("{:.0}", each.mebibytes),
            format!("{per_fork:.1}"),
        ];
        table.row(std::iter::once(forks.to_owned()).chain(cells));
    }
    table
}
