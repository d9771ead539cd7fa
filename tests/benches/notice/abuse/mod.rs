//! Measures what is left for good clients while others misbehave: 200 a second come by, each with
//! one command, and the listener has its default limits.

use std::time::{Duration, Instant};

use crate::abuser::Abuse;
use crate::account::{Cpu, peak};
use crate::clients::{ClientStats, Clients};
use crate::contestants::{PING, ours_with_defaults};
use crate::options::Scale;
use crate::rounds::median;
use crate::stage::Stage;
use crate::table::Table;

/// How few descriptors there are where they are to run out.
const FEW: u32 = 1024;

/// What one kind of abuse brought; latencies in milliseconds.
#[derive(Default)]
struct Results {
    p50: Vec<f64>,
    p99: Vec<f64>,
    longest: Vec<f64>,
    /// How late the clients themselves were.
    late: Vec<f64>,
    /// The most memory ever resident, in MiB.
    peak: Vec<f64>,
    /// The part of a core that the listener used.
    share: Vec<f64>,
    stats: ClientStats,
}

/// Has every kind of abuse its rounds, each against a listener that was just started.
pub fn measure(stage: &Stage, scale: Scale) -> Table {
    let (rounds, clients, every) = match scale {
        Scale::Full => (3, 1_000, Duration::from_millis(5)),
        Scale::Smoke => (1, 20, Duration::from_millis(1)),
    };
    // A storm has a table of its own, with a control.
    let measured = || Abuse::ALL.into_iter().filter(|abuse| *abuse != Abuse::Storm);
    let mut results: Vec<Results> = measured().map(|_| Results::default()).collect();
    for _ in 0..rounds {
        for (abuse, results) in measured().zip(&mut results) {
            let connections = match scale {
                Scale::Full => abuse.connections(),
                Scale::Smoke => abuse.connections().min(40),
            };
            results.take(stage, abuse, connections, clients, every);
        }
    }
    let title =
        format!("Good clients of ours while others misbehave: {rounds} rounds of {clients}");
    let head = ["while there are", "served", "p50 ms", "p99 ms", "max ms", "late", "MiB", "CPU"];
    let mut table = Table::new(title, &head);
    for (abuse, results) in measured().zip(results) {
        if scale == Scale::Smoke {
            assert_eq!(results.stats.good, u64::from(clients), "everybody is served: {abuse}");
        }
        table.row([
            abuse.to_string(),
            results.stats.served(),
            format!("{:.2}", median(results.p50)),
            format!("{:.2}", median(results.p99)),
            format!("{:.1}", median(results.longest)),
            format!("{:.1}", median(results.late)),
            format!("{:.1}", median(results.peak)),
            format!("{:.0}%", 100.0 * median(results.share)),
        ]);
    }
    table.notes.push(
        "Late: how many ms the latest client itself was late; that part of max is its own."
            .to_owned(),
    );
    table
}

impl Results {
    /// One round.
    fn take(
        &mut self,
        stage: &Stage,
        abuse: Abuse,
        connections: usize,
        clients: u32,
        every: Duration,
    ) {
        let server = ours_with_defaults(stage, (abuse == Abuse::Descriptors).then_some(FEW));
        // It ends before the server does, which would wait for the connections otherwise.
        let _abuser = abuse.start(server.address, connections);
        let processes = server.processes();
        let (before, begun) = (Cpu::of(&processes), Instant::now());
        let stats = Clients::new(server.address, PING).steady(clients, every);
        let used = Cpu::of(&processes) - before;
        self.share.push(used.nanoseconds as f64 / 1e9 / begun.elapsed().as_secs_f64());
        self.peak.push(peak(&processes) / 1024.0 / 1024.0);
        self.p50.push(stats.latency(0.5));
        self.p99.push(stats.latency(0.99));
        self.longest.push(stats.latency(1.0));
        self.late.push(stats.late.as_secs_f64() * 1e3);
        self.stats.add(&stats);
    }
}
