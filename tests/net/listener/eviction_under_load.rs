//! Thousands of idle, slow or aborting peers are evicted, and other clients get the notice.
//!
//! Memory is bounded, nothing spins, every descriptor is closed, and every attempt is logged.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::listener::harness::log_totals::Account;
use crate::listener::harness::many_clients::{
    all_at_once, assert_told, connect_from, expect_notice, source,
};
use crate::listener::harness::process_usage::{
    assert_it_does_not_spin, descriptors, descriptors_allowed, resident_kib,
};
use crate::listener::harness::{Notice, around, read_like, read_to_end, wait_until};
use crate::support::tools;

/// What the shipped unit grants the listener (`MemoryMax=`), whatever comes.
const MOST_KIB: u64 = 128 * 1024;
/// Sources of clients that behave have numbers from here on.
const GOOD: u32 = 0x20_0000;

/// A listener, and how it was before it was abused.
pub struct Victim {
    pub notice: Notice,
    descriptors: usize,
    good: AtomicU32,
}

impl Victim {
    pub fn new(notice: Notice) -> Victim {
        let descriptors = descriptors(notice.pid());
        Victim { notice, descriptors, good: AtomicU32::new(0) }
    }

    /// One client that behaves, from an address of its own; it must read the whole sentence.
    pub fn serves_a_good_client(&self) {
        expect_notice(source(GOOD + self.good.fetch_add(1, Ordering::Relaxed)), self.notice.port);
    }

    /// Runs `abuse` while clients that behave come one after the other.
    pub fn amid_clients<T: Send>(&self, abuse: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let abuse = scope.spawn(abuse);
            while !abuse.is_finished() {
                self.serves_a_good_client();
            }
            self.serves_a_good_client();
            abuse.join().unwrap()
        })
    }

    /// With the abuse standing still: no spinning, bounded memory, and still an answer.
    pub fn bears_it(&self) {
        assert_it_does_not_spin(self.notice.pid());
        self.keeps_its_bound();
        self.serves_a_good_client();
    }

    pub fn keeps_its_bound(&self) {
        let resident = resident_kib(self.notice.pid());
        assert!(resident < MOST_KIB, "{resident} KiB are in use");
    }

    /// With the abuse gone: every descriptor is back, and the log adds up to `abuse` attempts and
    /// those of the clients that behaved.
    pub fn recovers(mut self, abuse: u32) -> Account {
        wait_until("every descriptor is back", || {
            descriptors(self.notice.pid()) == self.descriptors
        });
        let (status, log) = self.notice.stop();
        assert!(status.success());
        let account = Account::of(&log);
        let made = u64::from(abuse + self.good.load(Ordering::Relaxed));
        assert_eq!((account.attempts(), account.dropped), (made, 0));
        account
    }
}

/// Connections from 100 sources to `port`.
fn connections(count: u32, port: u16) -> Vec<TcpStream> {
    all_at_once(|number| number < count, |number| connect_from(source(number % 100), port))
}

/// How many streams the other side has closed, which had nothing more to say.
fn closed(streams: &mut [TcpStream]) -> usize {
    let is_closed = |stream: &mut TcpStream| {
        stream.set_nonblocking(true).unwrap();
        let closed = match stream.read(&mut [0; 1024]) {
            Ok(read) => read == 0,
            Err(cause) => cause.kind() != ErrorKind::WouldBlock,
        };
        stream.set_nonblocking(false).unwrap();
        closed
    };
    streams.iter_mut().filter_map(|stream| is_closed(stream).then_some(())).count()
}

#[test]
fn ten_thousand_idle_and_slow_peers_delay_no_client() {
    if !descriptors_allowed(14_000) {
        return;
    }
    let victim = Victim::new(Notice::start("max-connections = 12000\nmax-per-source = 200"));
    let (port, line) = (victim.notice.port, victim.notice.line());
    let mut streams = victim.amid_clients(|| connections(10_000, port));
    let (dripping, idle) = streams.split_at_mut(1_000);
    // One byte at a time, of a line that never ends.
    victim.amid_clients(|| {
        for _ in 0..5 {
            dripping.iter_mut().for_each(|stream| stream.write_all(b"x").unwrap());
            thread::sleep(Duration::from_millis(50));
        }
    });
    // Nobody is left without the sentence, those who said nothing included.
    for stream in idle.iter_mut().chain(dripping.iter_mut()) {
        assert_eq!(read_like(stream, &line), line);
    }
    victim.bears_it();
    assert_eq!(closed(&mut streams), 0, "there is room for all");
    drop(streams);
    victim.recovers(10_000);
}

#[test]
fn beyond_the_limit_the_oldest_idle_peers_get_the_notice_and_are_evicted() {
    if !descriptors_allowed(8_000) {
        return;
    }
    let victim = Victim::new(Notice::start("max-connections = 1000\nmax-per-source = 200"));
    let (port, line) = (victim.notice.port, victim.notice.line());
    let told = |stream: &mut TcpStream| assert_eq!(read_like(stream, &line), line);
    let asks = |number: u32| {
        let mut stream = connect_from(source(number % 100), port);
        stream.write_all(b"PING\r\n").unwrap();
        told(&mut stream);
        stream
    };
    // One after the other, so that it is known who has rested longest.
    let mut streams = connections(500, port);
    streams.iter_mut().for_each(told);
    streams.extend((0..500).map(asks));
    streams.extend((0..600).map(asks));
    let (oldest, others) = streams.split_at_mut(600);
    for stream in oldest {
        let rest = read_to_end(stream);
        assert_eq!(rest.replace(&line, ""), "", "told already, and closed in good order");
    }
    assert_eq!(closed(others), 0, "more were closed than had to be");
    // A peer that is evicted before it sent anything gets the notice first.
    let mut silent = connections(2_000, port);
    silent.iter_mut().for_each(told);
    victim.bears_it();
    drop((streams, silent));
    let account = victim.recovers(3_600);
    assert_eq!(account.folded, 0);
}

#[test]
fn aborted_connections_delay_no_client() {
    if !descriptors_allowed(8_000) {
        return;
    }
    let victim = Victim::new(Notice::start(""));
    let port = victim.notice.port;
    let beginnings = [&b""[..], b"PING\r\n", b"*2\r\n$3\r\nGET\r\n$900\r\nab", b"PI"];
    victim.amid_clients(|| {
        let rounds = |round: u32| {
            for number in round * 100..(round + 1) * 100 {
                let mut stream = connect_from(source(number % 5_000), port);
                let _ = stream.write_all(beginnings[number as usize % beginnings.len()]);
                Socket::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
            }
            // The backlog is served in order: so it never overflows, and all are counted.
            victim.serves_a_good_client();
        };
        all_at_once(|round| round < 200, rounds)
    });
    victim.bears_it();
    victim.recovers(20_000);
}

#[test]
fn with_1024_descriptors_the_oldest_peers_are_evicted_and_new_ones_told() {
    if !tools(&["prlimit"]) || !descriptors_allowed(8_000) {
        return;
    }
    let settings = "max-connections = 5000\nmax-per-source = 5000";
    let victim = Victim::new(Notice::start_with(settings, |command| {
        around(command, &["prlimit", "--nofile=1024:1024"])
    }));
    let (port, line) = (victim.notice.port, victim.notice.line());
    let mut streams = victim.amid_clients(|| {
        let connect = |number: u32| {
            let mut stream = connect_from(source(number % 100), port);
            stream.write_all(b"PING\r\n").unwrap();
            assert_eq!(read_like(&mut stream, &line), line, "newcomer {number}");
            stream
        };
        (0..1_600).map(connect).collect::<Vec<_>>()
    });
    victim.bears_it();
    let gone = closed(&mut streams);
    assert!(gone > 1_600 - 1_024, "only {gone} made room");
    assert_eq!(closed(&mut streams[..gone]), gone, "the oldest should have gone");
    drop(streams);
    assert!(victim.notice.diagnostics().contains("could not accept"));
    victim.recovers(1_600);
}

#[test]
fn a_thousand_simultaneous_connects_are_all_told() {
    if !descriptors_allowed(8_000) {
        return;
    }
    let victim = Victim::new(Notice::start(""));
    let server = SocketAddrV4::new(Ipv4Addr::LOCALHOST, victim.notice.port);
    let sockets: Vec<Socket> = (0..1_000)
        .map(|number| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.bind(&SocketAddrV4::new(source(number), 0).into()).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        })
        .collect();
    victim.amid_clients(|| {
        for socket in &sockets {
            // Does not wait for the other side.
            let _ = socket.connect(&server.into());
        }
        for socket in sockets {
            socket.set_nonblocking(false).unwrap();
            let mut stream = TcpStream::from(socket);
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            stream.write_all(b"PING\r\n").unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            assert_told(server.port(), &read_to_end(&mut stream));
        }
    });
    victim.bears_it();
    victim.recovers(1_000);
}
