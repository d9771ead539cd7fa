//! Measures what is left for good clients while others misbehave: 200 a second come by, each with
//! one command, and the listener has its default limits.

use std::time::{Duration, Instant};

use crate::abuser::Abuse;
use crate::account::{Cpu, peak};
use crate::clients::Clients;
use crate::contestants::{PING, ours_with_defaults};
use crate::options::Scale;
use crate::stage::Stage;
use crate::table::Table;

/// How few descriptors there are where they are to run out.
const FEW: u32 = 1024;

/// Has every kind of abuse its time.
pub fn measure(stage: &Stage, scale: Scale) -> Table {
    let (clients, every) = match scale {
        Scale::Full => (1_600, Duration::from_millis(5)),
        Scale::Smoke => (20, Duration::from_millis(1)),
    };
    let title = format!("Good clients of ours while others misbehave, {clients} for each kind");
    let head = ["while there are", "served", "p50 ms", "p99 ms", "max ms", "peak MiB", "CPU"];
    let mut table = Table::new(title, &head);
    for abuse in Abuse::ALL {
        let server = ours_with_defaults(stage, (abuse == Abuse::Descriptors).then_some(FEW));
        let connections = match scale {
            Scale::Full => abuse.connections(),
            Scale::Smoke => abuse.connections().min(40),
        };
        let abuser = abuse.start(server.address, connections);
        let processes = server.processes();
        let (before, begun) = (Cpu::of(&processes), Instant::now());
        let tally = Clients::new(server.address, PING).steady(clients, every);
        let used = Cpu::of(&processes) - before;
        let share = used.nanoseconds as f64 / 1e9 / begun.elapsed().as_secs_f64();
        let peak = peak(&processes);
        drop(abuser);
        table.row([
            abuse.to_string(),
            format!("{}/{}", tally.good, tally.attempted()),
            format!("{:.2}", tally.latency(0.5)),
            format!("{:.2}", tally.latency(0.99)),
            format!("{:.1}", tally.latency(1.0)),
            format!("{:.1}", peak / 1024.0 / 1024.0),
            format!("{:.0}%", 100.0 * share),
        ]);
        if scale == Scale::Smoke {
            assert_eq!(tally.good, u64::from(clients), "every good client is served: {abuse}");
        }
    }
    table
}
