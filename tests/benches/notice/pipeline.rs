//! Measures how fast commands are refused that come all at once on one connection, written and read
//! at the same time.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::account::Cpu;
use crate::contestants::{Contestant, UNKNOWN};
use crate::options::Scale;
use crate::rounds::{median, order, ratio};
use crate::server::Server;
use crate::stage::Stage;
use crate::table::Table;

/// How long nothing may arrive.
const READ_TIMEOUT: Duration = Duration::from_secs(20);
/// Commands that are written at once.
const AT_ONCE: usize = 4096;

/// What one server's rounds brought.
#[derive(Default)]
struct Results {
    /// Replies a second.
    pace: Vec<f64>,
    /// Bytes a second.
    bytes: Vec<f64>,
    /// Seconds for a million replies.
    cpu: Vec<f64>,
}

/// Has every server serve its rounds.
pub fn measure(stage: &Stage, scale: Scale) -> Table {
    let (rounds, commands) = match scale {
        Scale::Full => (9, 1_000_000),
        Scale::Smoke => (1, 5_000),
    };
    let (there, missing) = Contestant::sorted(stage, contestants(scale));
    let servers: Vec<Server> = there.iter().map(|contestant| contestant.start(stage)).collect();
    let mut results: Vec<Results> = servers.iter().map(|_| Results::default()).collect();
    for round in 0..rounds {
        for turn in order(round, servers.len()) {
            results[turn].take(stage, &servers[turn], commands);
        }
    }
    let title = format!("{commands} pipelined unknown commands on one connection, {rounds} rounds");
    let head = ["server", "replies/s", "it/ours", "MB/s", "CPU s/million", "ours/it"];
    let mut table = Table::new(title, &head);
    let ours = &results[0];
    for (server, result) in servers.iter().zip(&results) {
        table.row([
            server.name.to_owned(),
            format!("{:.0}", median(result.pace.clone())),
            format!("{:.2}", ratio(&result.pace, &ours.pace)),
            format!("{:.0}", median(result.bytes.clone()) / 1e6),
            format!("{:.3}", median(result.cpu.clone())),
            format!("{:.2}", ratio(&ours.cpu, &result.cpu)),
        ]);
    }
    table.notes.extend(missing);
    if scale == Scale::Smoke {
        assert!(ours.pace[0] > 0.0 && ours.bytes[0] > 0.0 && ours.cpu[0] > 0.0);
    }
    table
}

fn contestants(scale: Scale) -> &'static [Contestant] {
    match scale {
        Scale::Full => &[Contestant::Ours, Contestant::OursBrief, Contestant::RedisUnknown],
        Scale::Smoke => &[Contestant::Ours],
    }
}

impl Results {
    /// One server's turn.
    fn take(&mut self, stage: &Stage, server: &Server, commands: usize) {
        let processes = server.processes();
        let before = Cpu::at_rest(&processes, stage.quiet);
        let started = Instant::now();
        let received = converse(server.address, commands);
        let lasted = started.elapsed().as_secs_f64();
        let used = Cpu::at_rest(&processes, stage.quiet) - before;
        self.pace.push(commands as f64 / lasted);
        self.bytes.push(received as f64 / lasted);
        self.cpu.push(used.nanoseconds as f64 / 1e9 / (commands as f64 / 1e6));
    }
}

/// Writes the commands and reads the replies, one line for each; the bytes received.
pub fn converse(address: SocketAddr, commands: usize) -> usize {
    let mut reader = TcpStream::connect(address).unwrap();
    reader.set_read_timeout(Some(READ_TIMEOUT)).unwrap();
    let mut writer = reader.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let many = UNKNOWN.repeat(AT_ONCE.min(commands));
            let mut left = commands * UNKNOWN.len();
            while left > 0 {
                let part = left.min(many.len());
                writer.write_all(&many[..part]).unwrap();
                left -= part;
            }
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut buffer = vec![0; 256 * 1024];
        let (mut lines, mut received) = (0, 0);
        loop {
            let bytes = reader.read(&mut buffer).unwrap();
            if bytes == 0 {
                break;
            }
            received += bytes;
            lines += buffer[..bytes].iter().filter(|byte| **byte == b'\n').count();
        }
        assert_eq!(lines, commands, "a reply to every command");
        received
    })
}
