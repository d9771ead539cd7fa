//! Measures what a connection costs a server that is busy: its own time on the processor for 1,000
//! connections while 64 clients at once keep it so.

use std::time::Instant;

use crate::account::Cpu;
use crate::clients::{Clients, Tally};
use crate::contestants::Contestant;
use crate::options::Scale;
use crate::rounds::{median, order, ratio, spread};
use crate::server::Server;
use crate::stage::Stage;
use crate::table::Table;

const AT_ONCE: usize = 64;

/// What one server's rounds brought.
#[derive(Default)]
struct Results {
    /// Milliseconds for 1,000 connections.
    cpu: Vec<f64>,
    kernel_part: Vec<f64>,
    /// Connections a second.
    pace: Vec<f64>,
    tally: Tally,
}

/// Has every server serve its rounds.
pub fn measure(stage: &Stage, scale: Scale) -> Table {
    let (rounds, clients) = match scale {
        Scale::Full => (9, 20_000),
        Scale::Smoke => (1, 300),
    };
    let (there, missing) = Contestant::sorted(stage, contestants(scale));
    let servers: Vec<Server> = there.iter().map(|contestant| contestant.start(stage)).collect();
    let mut results: Vec<Results> = servers.iter().map(|_| Results::default()).collect();
    for server in &servers {
        Clients::new(server.address, server.request).crowd(clients / 10, AT_ONCE);
    }
    for round in 0..rounds {
        for turn in order(round, servers.len()) {
            results[turn].take(stage, &servers[turn], clients);
        }
    }
    let title = format!(
        "Server CPU at saturation: {AT_ONCE} clients at once, {rounds} rounds of {clients}"
    );
    let mut table = Table::new(
        title,
        &["server", "ms/1,000", "ours/it", "from-to", "kernel", "conn./s", "served"],
    );
    for (server, result) in servers.iter().zip(&results) {
        table.row([
            server.name.to_owned(),
            format!("{:.1}", median(result.cpu.clone())),
            format!("{:.2}", ratio(&results[0].cpu, &result.cpu)),
            spread(&results[0].cpu, &result.cpu),
            format!("{:.0}%", 100.0 * median(result.kernel_part.clone())),
            format!("{:.0}", median(result.pace.clone())),
            result.tally.served(),
        ]);
    }
    table.notes.extend(missing);
    if scale == Scale::Smoke {
        let ours = &results[0];
        assert_eq!(ours.tally.good, ours.tally.attempted(), "every client of ours is served");
        assert!(ours.cpu.iter().all(|cpu| *cpu > 0.0));
    }
    table
}

fn contestants(scale: Scale) -> &'static [Contestant] {
    match scale {
        Scale::Full => &[
            Contestant::Ours,
            Contestant::Nginx,
            Contestant::NginxBuffered,
            Contestant::RedisUnknown,
            Contestant::RedisFull,
            Contestant::RedisProtected,
            Contestant::LimitLogged,
            Contestant::Limit,
        ],
        Scale::Smoke => &[Contestant::Ours, Contestant::LimitLogged, Contestant::Limit],
    }
}

impl Results {
    /// One server's turn.
    fn take(&mut self, stage: &Stage, server: &Server, clients: usize) {
        let processes = server.processes();
        let before = Cpu::at_rest(&processes, stage.quiet);
        let started = Instant::now();
        let tally = Clients::new(server.address, server.request).crowd(clients, AT_ONCE);
        let lasted = started.elapsed();
        let used = Cpu::at_rest(&processes, stage.quiet) - before;
        self.cpu.push(used.nanoseconds as f64 / 1e6 / (clients as f64 / 1000.0));
        self.kernel_part.push(used.kernel_part());
        self.pace.push(clients as f64 / lasted.as_secs_f64());
        self.tally.add(&tally);
    }
}
