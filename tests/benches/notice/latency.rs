//! Measures what one connection meets when there is room: the time from connecting to the whole
//! sentence, and the server's CPU, at a steady 2,000 connections a second.

use std::time::Duration;

use crate::account::Cpu;
use crate::clients::{ClientStats, Clients};
use crate::contestants::Contestant;
use crate::options::Scale;
use crate::rounds::{median, order, ratio};
use crate::server::Server;
use crate::stage::Stage;
use crate::table::Table;

const EVERY: Duration = Duration::from_micros(500);

/// What one server's rounds brought; latencies in microseconds.
#[derive(Default)]
struct Results {
    p50: Vec<f64>,
    p99: Vec<f64>,
    /// Milliseconds for 1,000 connections.
    cpu: Vec<f64>,
    /// How late the clients themselves were, in milliseconds.
    late: Vec<f64>,
    stats: ClientStats,
}

/// Has every server serve its rounds.
pub fn measure(stage: &Stage, scale: Scale) -> Table {
    let (rounds, clients) = match scale {
        // Many short rounds: what stalls the machine for a moment spoils few of them.
        Scale::Full => (41, 1_000),
        Scale::Smoke => (1, 100),
    };
    let (there, missing) = Contestant::sorted(stage, contestants(scale));
    let servers: Vec<Server> = there.iter().map(|contestant| contestant.start(stage)).collect();
    let mut results: Vec<Results> = servers.iter().map(|_| Results::default()).collect();
    for server in &servers {
        Clients::new(server.address, server.request).steady(clients / 10, EVERY);
    }
    let processes: Vec<u32> = servers.iter().flat_map(Server::processes).collect();
    stage.undisturbed(&processes, || {
        for round in 0..rounds {
            for turn in order(round, servers.len()) {
                results[turn].take(stage, &servers[turn], clients);
            }
        }
    });
    let title = format!(
        "Latency and CPU at {:.0} connections a second, {rounds} rounds of {clients}",
        1.0 / EVERY.as_secs_f64()
    );
    let mut table = Table::new(
        title,
        &["server", "p50 µs", "ours/it", "p99 µs", "ours/it", "ms/1,000", "ours/it", "served"],
    );
    let ours = &results[0];
    for (server, result) in servers.iter().zip(&results) {
        table.row([
            server.name.to_owned(),
            format!("{:.0}", median(result.p50.clone())),
            format!("{:.2}", ratio(&ours.p50, &result.p50)),
            format!("{:.0}", median(result.p99.clone())),
            format!("{:.2}", ratio(&ours.p99, &result.p99)),
            format!("{:.1}", median(result.cpu.clone())),
            format!("{:.2}", ratio(&ours.cpu, &result.cpu)),
            result.stats.served(),
        ]);
    }
    let late = results.iter().flat_map(|result| result.late.clone());
    table.notes.push(format!(
        "In half of the rounds one of the clients itself was {:.1} ms late or more.",
        median(late)
    ));
    table.notes.extend(missing);
    if scale == Scale::Smoke {
        assert_eq!(ours.stats.good, ours.stats.attempted(), "every client of ours is served");
        assert!(ours.p50[0] > 0.0 && ours.p99[0] >= ours.p50[0] && ours.cpu[0] > 0.0);
    }
    table
}

fn contestants(scale: Scale) -> &'static [Contestant] {
    match scale {
        Scale::Full => &[
            Contestant::Ours,
            Contestant::Nginx,
            Contestant::RedisUnknown,
            Contestant::RedisFull,
            Contestant::RedisProtected,
            Contestant::LimitLogged,
            Contestant::Limit,
        ],
        Scale::Smoke => &[Contestant::Ours, Contestant::LimitLogged],
    }
}

impl Results {
    /// One server's turn.
    fn take(&mut self, stage: &Stage, server: &Server, clients: u32) {
        let processes = server.processes();
        let before = Cpu::at_rest(&processes, stage.quiet);
        let stats = Clients::new(server.address, server.request).steady(clients, EVERY);
        let used = Cpu::at_rest(&processes, stage.quiet) - before;
        self.p50.push(1e3 * stats.latency(0.5));
        self.p99.push(1e3 * stats.latency(0.99));
        self.cpu.push(used.nanoseconds as f64 / 1e6 / (f64::from(clients) / 1000.0));
        self.late.push(stats.late.as_secs_f64() * 1e3);
        self.stats.add(&stats);
    }
}
