//! Owns the abuse: what ill-behaved clients do to a listener, in a process of their own with a
//! lower priority, so that it is the listener that they slow down and not the good clients. Must
//! never end by itself: whoever started it ends it.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

use crate::clients::Clients;
use crate::contestants::{PING, UNKNOWN};
use crate::crowd::{Crowd, begin};
use crate::pipeline::converse;

/// The first argument of the bench program when it is to play this.
pub const ROLE: &str = "play-the-abuser";
/// What it says once the abuse goes on.
const UNDER_WAY: &str = "under way";

/// Addresses that abuse comes from; at 250 connections each they are below the listener's limit.
pub const SOURCES: std::ops::Range<usize> = 1000..1040;

const LARGE: usize = 4 << 20;

/// What ill-behaved clients do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Abuse {
    Nothing,
    Idle,
    Dripping,
    Aborted,
    Descriptors,
    LargeCommands,
    EndlessLines,
    Pipelines,
    NeverReading,
    Bursts,
    Storm,
}

impl Abuse {
    /// Every one.
    pub const ALL: [Abuse; 11] = [
        Abuse::Nothing,
        Abuse::Idle,
        Abuse::Dripping,
        Abuse::Aborted,
        Abuse::Descriptors,
        Abuse::LargeCommands,
        Abuse::EndlessLines,
        Abuse::Pipelines,
        Abuse::NeverReading,
        Abuse::Bursts,
        Abuse::Storm,
    ];

    /// How many connections there are at once, at full scale.
    pub fn connections(self) -> usize {
        match self {
            Abuse::Nothing | Abuse::Aborted => 1,
            Abuse::Idle | Abuse::Dripping => 10_000,
            Abuse::Descriptors => 3_000,
            Abuse::LargeCommands | Abuse::EndlessLines => 4,
            Abuse::Pipelines => 2,
            Abuse::NeverReading => 256,
            Abuse::Bursts => 1_000,
            Abuse::Storm => 10,
        }
    }

    /// Starts it against the listener at `address`, and waits until it goes on.
    pub fn start(self, address: SocketAddr, connections: usize) -> Option<Abuser> {
        if self == Abuse::Nothing {
            return None;
        }
        let index = Abuse::ALL.iter().position(|abuse| *abuse == self).unwrap();
        let mut command = Command::new("nice");
        command.args(["-n", "15"]).arg(std::env::current_exe().unwrap());
        command.args([ROLE, &index.to_string(), &address.to_string(), &connections.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let output = child.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        let abuser = Abuser(child);
        assert_eq!(line.trim(), UNDER_WAY, "{self} goes on");
        Some(abuser)
    }
}

impl fmt::Display for Abuse {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Abuse::Nothing => "nothing",
            Abuse::Idle => "10,000 silent connections",
            Abuse::Dripping => "10,000 with a byte every 500 ms",
            Abuse::Aborted => "connections reset at once",
            Abuse::Descriptors => "3,000 silent, 1,024 descriptors",
            Abuse::LargeCommands => "commands of 4 MiB",
            Abuse::EndlessLines => "lines without end",
            Abuse::Pipelines => "100,000 commands at once",
            Abuse::NeverReading => "256 that send and never read",
            Abuse::Bursts => "1,000 at once, every second",
            Abuse::Storm => "a pool of 10 that asks again",
        })
    }
}

/// A process that abuses until it is dropped.
pub struct Abuser(Child);

impl Drop for Abuser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Abuses for ever; the arguments are those of [`Abuse::start`].
pub fn play(arguments: &[String]) -> ! {
    let _ = set_pdeathsig(Signal::SIGKILL);
    crate::stage::raise_descriptor_limit();
    let abuse = Abuse::ALL[arguments[0].parse::<usize>().unwrap()];
    let address: SocketAddr = arguments[1].parse().unwrap();
    let connections: usize = arguments[2].parse().unwrap();
    match abuse {
        Abuse::Nothing => unreachable!("nobody is needed for nothing"),
        Abuse::Idle | Abuse::Descriptors => {
            let mut crowd = Crowd::new(address, connections);
            forever(|| crowd.meet(|_| Ok(())))
        }
        Abuse::Dripping => {
            let mut bytes = PING.iter().cycle();
            let mut crowd = Crowd::new(address, connections);
            forever(|| {
                let byte = *bytes.next().unwrap();
                crowd.meet(|mut socket| socket.write_all(&[byte]));
            })
        }
        Abuse::Aborted => forever(|| {
            for index in SOURCES {
                let socket = begin(address, index);
                let _ = socket.set_linger(Some(Duration::ZERO));
            }
        }),
        Abuse::LargeCommands => in_threads(connections, || {
            let mut command = format!("*3\r\n$3\r\nSET\r\n$1\r\nx\r\n${LARGE}\r\n").into_bytes();
            command.resize(command.len() + LARGE, b'x');
            command.extend_from_slice(b"\r\n");
            insist(address, |stream| {
                stream.write_all(&command)?;
                stream.read(&mut [0; 1024]).map(drop)
            })
        }),
        Abuse::EndlessLines => in_threads(connections, || {
            insist(address, |stream| stream.write_all(&[b'x'; 64 * 1024]))
        }),
        Abuse::Pipelines => in_threads(connections, || {
            loop {
                converse(address, 100_000);
            }
        }),
        Abuse::NeverReading => {
            let commands = UNKNOWN.repeat(4096);
            let mut crowd = Crowd::new(address, connections);
            forever(|| crowd.push(&commands))
        }
        Abuse::Bursts => {
            let mut next = Instant::now();
            forever(|| {
                sleep(next.saturating_duration_since(Instant::now()));
                next = Instant::now() + Duration::from_secs(1);
                Clients::new(address, PING).from(SOURCES).crowd(connections, connections);
            })
        }
        Abuse::Storm => forever(|| {
            let one = SOURCES.start..SOURCES.start + 1;
            Clients::new(address, PING).from(one).crowd(connections, connections);
        }),
    }
}

/// Says that it goes on after the first time.
fn forever(mut again: impl FnMut()) -> ! {
    again();
    println!("{UNDER_WAY}");
    loop {
        again();
    }
}

/// The same in many threads; it goes on as soon as they run.
fn in_threads(threads: usize, each: impl Fn() + Sync) -> ! {
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(&each);
        }
        println!("{UNDER_WAY}");
    });
    unreachable!("no thread ends")
}

/// Does it on one connection over and over, on another when that one ends.
fn insist(address: SocketAddr, mut once: impl FnMut(&mut TcpStream) -> std::io::Result<()>) -> ! {
    loop {
        let socket = begin(address, SOURCES.start);
        let _ = socket.set_nonblocking(false);
        let mut stream = TcpStream::from(socket);
        while once(&mut stream).is_ok() {}
        sleep(Duration::from_millis(10));
    }
}
