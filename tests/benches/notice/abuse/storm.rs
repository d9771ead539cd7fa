//! Measures what a reconnect storm costs the listener, and what it costs other clients of the listener. What
//! the storm's own program takes from the machine would count too, so there is a control: the same program
//! storms the least that a server can be, and the same clients ask the listener meanwhile.

use std::fs;
use std::time::{Duration, Instant};

use crate::abuser::Abuse;
use crate::account::Cpu;
use crate::clients::{ClientStats, Clients};
use crate::contestants::{Contestant, PING, ours_with_defaults};
use crate::options::Scale;
use crate::rounds::{median, order, ratio, spread};
use crate::server::Server;
use crate::stage::Stage;
use crate::table::Table;

/// Seldom enough that none of the clients' 250 addresses is slowed down.
const EVERY: Duration = Duration::from_millis(1);

/// Whom the storm is against.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Nobody,
    /// A bare server on the listener's core.
    Control,
    Ours,
}

const TARGETS: [Target; 3] = [Target::Nobody, Target::Control, Target::Ours];

impl Target {
    fn name(self) -> &'static str {
        match self {
            Target::Nobody => "no storm",
            Target::Control => "a storm against a bare epoll loop",
            Target::Ours => "the same storm against ours",
        }
    }
}

/// What the rounds with one target brought; latencies in microseconds.
#[derive(Default)]
struct Results {
    p50: Vec<f64>,
    p99: Vec<f64>,
    /// The storm's connections in a second.
    pace: Vec<f64>,
    /// The part of a core that the listener used.
    share: Vec<f64>,
    stats: ClientStats,
}

/// Has every target its turn in every round.
pub fn measure(stage: &Stage, scale: Scale) -> Table {
    let (rounds, clients) = match scale {
        Scale::Full => (21, 1_000),
        Scale::Smoke => (1, 100),
    };
    let ours = ours_with_defaults(stage, None);
    let control = Contestant::Limit.start(stage);
    let mut results: [Results; TARGETS.len()] = Default::default();
    let processes = ours.processes();
    // The storm's program gets the priority of this process: it comes before the clients as often as not.
    stage.undisturbed(&processes, || {
        for round in 0..rounds {
            for turn in order(round, TARGETS.len()) {
                results[turn].take(TARGETS[turn], &ours, &control, clients);
            }
        }
    });
    let title = format!(
        "Other clients of the listener during a storm, {:.0} a second, {rounds} rounds of {clients}",
        1.0 / EVERY.as_secs_f64()
    );
    let head = [
        "while there is",
        "storm /s",
        "served",
        "p50 µs",
        "/quiet",
        "p99 µs",
        "/quiet",
        "from-to",
        "listener CPU",
    ];
    let mut table = Table::new(title, &head);
    let quiet = &results[0];
    for (target, result) in TARGETS.into_iter().zip(&results) {
        table.row([
            target.name().to_owned(),
            format!("{:.0}", median(result.pace.clone())),
            result.stats.served(),
            format!("{:.0}", median(result.p50.clone())),
            format!("{:.2}", ratio(&result.p50, &quiet.p50)),
            format!("{:.0}", median(result.p99.clone())),
            format!("{:.2}", ratio(&result.p99, &quiet.p99)),
            spread(&result.p99, &quiet.p99),
            format!("{:.1}%", 100.0 * median(result.share.clone())),
        ]);
        if scale == Scale::Smoke {
            assert_eq!(result.stats.good, u64::from(clients), "{}", target.name());
        }
    }
    table
}

impl Results {
    /// One round.
    fn take(&mut self, target: Target, ours: &Server, control: &Server, clients: u32) {
        let storm =
            |server: &Server| Abuse::Storm.start(server.address, Abuse::Storm.connections());
        let _storm = match target {
            Target::Nobody => None,
            Target::Control => storm(control),
            Target::Ours => storm(ours),
        };
        let processes = ours.processes();
        let (before, accepted, begun) = (Cpu::of(&processes), accepted(), Instant::now());
        let stats = Clients::new(ours.address, PING).steady(clients, EVERY);
        let time = begun.elapsed().as_secs_f64();
        let storms = self::accepted() - accepted - f64::from(clients);
        let used = Cpu::of(&processes) - before;
        self.pace.push(storms.max(0.0) / time);
        self.share.push(used.nanoseconds as f64 / 1e9 / time);
        self.p50.push(1e3 * stats.latency(0.5));
        self.p99.push(1e3 * stats.latency(0.99));
        self.stats.add(&stats);
    }
}

/// Connections that were ever accepted in this network.
fn accepted() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/net/snmp").unwrap();
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let mut next = || lines.next().unwrap().split(' ');
    let (mut names, mut values) = (next(), next());
    let index = names.position(|name| name == "PassiveOpens").unwrap();
    values.nth(index).unwrap().parse().unwrap()
}
