//! Measures what a connection that does nothing costs in memory: 10,000 of them are held, silent
//! ones and ones that were answered once.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Socket, Type};

use crate::account::{descriptors, memory};
use crate::clients::Clients;
use crate::contestants::Contestant;
use crate::options::Scale;
use crate::rounds::{median, ratio};
use crate::server::Server;
use crate::stage::{Stage, source};
use crate::table::Table;

/// How long a server may take to accept every connection, and to reply on each.
const SERVER_TIMEOUT: Duration = Duration::from_secs(20);

/// Has every server hold its connections.
pub fn measure(stage: &Stage, scale: Scale) -> Table {
    let (rounds, connections) = match scale {
        Scale::Full => (3, 10_000),
        Scale::Smoke => (1, 50),
    };
    let (there, missing) = Contestant::sorted(stage, contestants(scale));
    let title = format!("Memory for each of {connections} idle connections, {rounds} rounds");
    let mut table =
        Table::new(title, &["server", "empty KiB", "silent B", "ours/it", "answered B", "ours/it"]);
    let mut ours: Option<[Vec<f64>; 3]> = None;
    for contestant in there {
        let mut all: [Vec<f64>; 3] = Default::default();
        for _ in 0..rounds {
            let round = take(stage, contestant, connections);
            all.iter_mut().zip(round).for_each(|(all, one)| all.push(one));
        }
        let ours = ours.get_or_insert_with(|| all.clone());
        table.row([
            contestant.name().to_owned(),
            format!("{:.0}", median(all[0].clone()) / 1024.0),
            format!("{:.0}", median(all[1].clone())),
            format!("{:.2}", ratio(&ours[1], &all[1])),
            format!("{:.0}", median(all[2].clone())),
            format!("{:.2}", ratio(&ours[2], &all[2])),
        ]);
    }
    table.notes.extend(missing);
    if scale == Scale::Smoke {
        let [empty, silent, answered] = ours.unwrap();
        assert!(empty[0] > 0.0 && silent[0].is_finite() && answered[0].is_finite());
    }
    table
}

fn contestants(scale: Scale) -> &'static [Contestant] {
    match scale {
        Scale::Full => &[Contestant::Ours, Contestant::RedisUnknown, Contestant::LimitLogged],
        Scale::Smoke => &[Contestant::Ours],
    }
}

/// Bytes of an empty server, and for each silent and each answered connection.
fn take(stage: &Stage, contestant: Contestant, connections: usize) -> [f64; 3] {
    let mut empty = 0.0;
    let [silent, answered] = [false, true].map(|asks| {
        let server = contestant.start(stage);
        let processes = server.processes();
        Clients::new(server.address, server.request).crowd(connections / 5, 64);
        sleep(stage.quiet);
        let (before, open) = (memory(&processes), descriptors(&processes));
        empty = before;
        let held = hold(contestant, &server, connections, asks);
        let latest = Instant::now() + SERVER_TIMEOUT;
        while descriptors(&processes) < open + held.len() {
            assert!(Instant::now() < latest, "{contestant} accepts every connection");
            sleep(Duration::from_millis(10));
        }
        sleep(stage.quiet);
        (memory(&processes) - before) / held.len() as f64
    });
    [empty, silent, answered]
}

/// Connects, and waits for what each connection is told: the answer, or what ours says unasked.
fn hold(contestant: Contestant, server: &Server, connections: usize, asks: bool) -> Vec<Socket> {
    let connect = |index| connect(server.address, index);
    let held: Vec<Socket> = (0..connections).map(connect).collect();
    if asks {
        held.iter().for_each(|mut socket| socket.write_all(server.request).unwrap());
    }
    if asks || contestant == Contestant::Ours {
        let mut buffer = [0; 1024];
        for mut socket in &held {
            let bytes = socket.read(&mut buffer).unwrap();
            assert!(buffer[..bytes].starts_with(b"-"), "{contestant} answers");
        }
    }
    held
}

/// A connection from the `index`th source.
fn connect(address: SocketAddr, index: usize) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    setsockopt(&socket, sockopt::IpBindAddressNoPort, &true).unwrap();
    socket.bind(&SocketAddr::from((source(address.ip(), index), 0)).into()).unwrap();
    socket.connect(&address.into()).unwrap();
    socket.set_read_timeout(Some(SERVER_TIMEOUT)).unwrap();
    socket
}
