//! Measures what a connection costs a server that is busy: its own time on the processor for 1,000
//! connections while 64 clients at once keep it so. On one core with its clients a server always
//! finds a crowd; on a core of its own it sleeps whenever it is faster than they are, and pays for
//! being woken.

use std::time::Instant;

use crate::account::Cpu;
use crate::clients::{ClientStats, Clients};
use crate::contestants::Contestant;
use crate::options::Scale;
use crate::rounds::{median, order, ratio, spread};
use crate::server::Server;
use crate::stage::Stage;
use crate::table::Table;

const AT_ONCE: usize = 64;
/// Addresses that the clients have: each asks no oftener than a source may without being slowed down.
const SOURCES: std::ops::Range<usize> = 2_000..22_000;

/// What one server's rounds brought.
#[derive(Default)]
struct Results {
    /// Milliseconds for 1,000 connections, on the clients' core.
    shared: Vec<f64>,
    /// The same on a core of its own.
    alone: Vec<f64>,
    /// Of the first, what was spent inside of the kernel.
    kernel: Vec<f64>,
    /// Connections a second, on a core of its own.
    pace: Vec<f64>,
    stats: ClientStats,
}

/// Has every server serve its rounds.
pub fn measure(stage: &Stage, scale: Scale) -> Table {
    let (rounds, clients) = match scale {
        Scale::Full => (9, 20_000),
        Scale::Smoke => (1, 200),
    };
    let (there, missing) = Contestant::sorted(stage, contestants(scale));
    let servers: Vec<Server> = there.iter().map(|contestant| contestant.start(stage)).collect();
    let mut results: Vec<Results> = servers.iter().map(|_| Results::default()).collect();
    for server in &servers {
        let crowd = Clients::new(server.address, server.request).from(SOURCES);
        crowd.crowd(clients / 10, AT_ONCE);
    }
    for round in 0..rounds {
        for turn in order(round, servers.len()) {
            results[turn].take(stage, &servers[turn], clients);
        }
    }
    let title =
        format!("Server CPU under load: {AT_ONCE} clients at once, {rounds} rounds of {clients}");
    let mut table = Table::new(
        title,
        &[
            "server", "ms/1,000", "ours/it", "from-to", "kernel", "own core", "ours/it", "/s",
            "served",
        ],
    );
    let ours = &results[0];
    for (server, result) in servers.iter().zip(&results) {
        table.row([
            server.name.to_owned(),
            format!("{:.1}", median(result.shared.clone())),
            format!("{:.2}", ratio(&ours.shared, &result.shared)),
            spread(&ours.shared, &result.shared),
            format!("{:.0}%", 100.0 * median(result.kernel.clone())),
            format!("{:.1}", median(result.alone.clone())),
            format!("{:.2}", ratio(&ours.alone, &result.alone)),
            format!("{:.0}", median(result.pace.clone())),
            result.stats.served(),
        ]);
    }
    table.notes.extend(missing);
    if scale == Scale::Smoke {
        assert_eq!(ours.stats.good, ours.stats.attempted(), "every client of ours is served");
        assert!(ours.shared[0] > 0.0 && ours.alone[0] > 0.0);
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
            Contestant::LimitUnread,
        ],
        Scale::Smoke => &[Contestant::Ours, Contestant::LimitLogged, Contestant::Limit],
    }
}

impl Results {
    /// One server's turn.
    fn take(&mut self, stage: &Stage, server: &Server, clients: usize) {
        let processes = server.processes();
        let new = || Clients::new(server.address, server.request).from(SOURCES);
        let crowd = || new().crowd(clients, AT_ONCE);
        let thousands = clients as f64 / 1000.0;

        let before = Cpu::at_rest(&processes, stage.quiet);
        let shared = stage.beside_the_server(crowd);
        let between = Cpu::at_rest(&processes, stage.quiet);
        let begun = Instant::now();
        let alone = crowd();
        self.pace.push(clients as f64 / begun.elapsed().as_secs_f64());
        let after = Cpu::at_rest(&processes, stage.quiet);

        self.shared.push((between - before).nanoseconds as f64 / 1e6 / thousands);
        self.kernel.push((between - before).kernel_part());
        self.alone.push((after - between).nanoseconds as f64 / 1e6 / thousands);
        self.stats.add(&shared);
        self.stats.add(&alone);
    }
}
