//! Wakeups of a connection over a real socket pair.
#![allow(clippy::unwrap_used)]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU64;
use std::rc::Rc;

use socket2::{Domain, SockRef, Socket, Type};

use super::*;
use crate::listener::local_clients::{LocalClient, Name};
use crate::listener::log::{Outcome, Told};
use crate::listener::net::epoll::Poller;
use crate::listener::net::original_dst::OriginalDestination;
use crate::listener::settings::Settings;
use crate::listener::tls::Identity;

/// A connection, and the client at its other end.
struct Pair {
    connection: Connection,
    client: TcpStream,
    state: WorkerState,
}

impl Pair {
    fn new() -> Pair {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // A fixed small receive buffer: what a client does not read fills the sender's soon.
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        client.set_recv_buffer_size(4096).unwrap();
        client.connect(&listener.local_addr().unwrap().into()).unwrap();
        let (stream, peer): (TcpStream, SocketAddr) = listener.accept().unwrap();
        let client = TcpStream::from(client);
        client.set_nonblocking(true).unwrap();
        let sentence = "PORTCLOSED ".repeat(40);
        let settings = format!(
            "[[reserved]]\nfirst = 6379\nlast = 6379\nsentence = \"{}\"\n",
            sentence.trim_end()
        );
        let state = WorkerState::new(
            Settings::parse(&settings).unwrap(),
            Identity::read(None, None, <_>::default()),
        );
        let destination = OriginalDestination::direct(6379);
        let connection = Connection::new(stream, peer, destination, Tick::default());
        Pair { connection, client, state }
    }

    fn drive(&mut self, wakeup: Wakeup) -> Progress {
        self.connection.drive(wakeup, &mut self.state, Tick::default())
    }

    fn ready(&mut self, writable: bool, ended: bool) -> Progress {
        self.drive(Wakeup::Ready(Ready { key: 0, writable, ended }))
    }

    /// Drives the connection for as long as it could go on at once; it has to come to rest.
    fn settle(&mut self, mut progress: Progress) -> Progress {
        for _ in 0..10_000 {
            let Progress::Runnable(_) = progress else { return progress };
            progress = self.drive(Wakeup::Scheduled);
        }
        panic!("it never waits");
    }

    /// Sends commands, and reads no reply, until the connection's send buffer is full.
    fn fill_send_buffer(&mut self) {
        let commands = b"PING\r\n".repeat(2000);
        while self.connection.output == Output::Writable {
            match self.client.write(&commands) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("{error}"),
            }
            self.ready(false, false);
        }
    }
}

#[test]
fn a_blocked_socket_that_is_not_watched_yet_needs_no_change_of_interest() {
    let poller = Poller::new().unwrap();
    let mut pair = Pair::new();
    pair.fill_send_buffer();
    pair.connection.update_interest(&poller, 1).unwrap();
    pair.connection.watch(&poller, 1).unwrap();
    pair.connection.update_interest(&poller, 1).unwrap();
}

#[test]
fn a_client_that_ended_and_does_not_read_does_not_keep_the_loop_busy() {
    let mut pair = Pair::new();
    pair.fill_send_buffer();
    pair.client.shutdown(Shutdown::Write).unwrap();
    let progress = pair.ready(false, true);
    assert_eq!(pair.settle(progress), Progress::Wait(TimeoutKind::Busy));
    assert_eq!(pair.connection.input, Input::Ended);
    // Its end is reported with everything that the kernel reports from now on.
    let progress = pair.ready(true, true);
    assert_eq!(pair.settle(progress), Progress::Wait(TimeoutKind::Busy));
    let mut buffer = vec![0; 1 << 20];
    let over = loop {
        let _ = pair.client.read(&mut buffer);
        let progress = pair.ready(true, true);
        if let Progress::Over = pair.settle(progress) {
            break pair.connection.attempt(Tick::default()).outcome;
        }
    };
    assert_eq!(over, Outcome::Told);
}

#[test]
fn the_first_reason_to_close_is_the_outcome() {
    let mut pair = Pair::new();
    pair.fill_send_buffer();
    for (wakeup, progress) in [
        (Wakeup::TimedOut(TimeoutKind::Busy), Progress::Wait(TimeoutKind::Closing)),
        (Wakeup::Close(CloseReason::Evicted), Progress::Wait(TimeoutKind::Closing)),
        (Wakeup::TimedOut(TimeoutKind::Closing), Progress::Over),
    ] {
        let reached = pair.drive(wakeup);
        assert_eq!(pair.settle(reached), progress, "{wakeup:?}");
    }
    assert_eq!(pair.connection.attempt(Tick::default()).outcome, Outcome::Idle);
}

#[test]
fn a_connection_lingers_after_the_last_reply_until_the_peer_closes() {
    let mut pair = Pair::new();
    pair.client.write_all(b"GET x\r\nQUIT\r\n").unwrap();
    assert_eq!(pair.ready(false, false), Progress::Wait(TimeoutKind::Lingering));
    pair.client.write_all(b"PING\r\n").unwrap();
    assert_eq!(pair.ready(false, false), Progress::Wait(TimeoutKind::Lingering));
    drop(pair.client.shutdown(Shutdown::Write));
    assert_eq!(pair.ready(false, true), Progress::Over);
    let attempt = pair.connection.attempt(Tick::default());
    assert_eq!((attempt.outcome, attempt.replies), (Outcome::Told, 2));
}

#[test]
fn a_connection_whose_client_ended_and_does_not_read_can_be_evicted() {
    let mut pair = Pair::new();
    pair.fill_send_buffer();
    pair.client.shutdown(Shutdown::Write).unwrap();
    let progress = pair.ready(false, true);
    assert_eq!(pair.settle(progress), Progress::Wait(TimeoutKind::Busy));
    let progress = pair.drive(Wakeup::Close(CloseReason::Evicted));
    assert_eq!(pair.settle(progress), Progress::Wait(TimeoutKind::Closing));
    assert_eq!(pair.drive(Wakeup::TimedOut(TimeoutKind::Closing)), Progress::Over);
    assert_eq!(pair.connection.attempt(Tick::default()).outcome, Outcome::Shed);
}

#[test]
fn a_reset_before_the_acknowledgement_leaves_it_unknown_whether_the_client_was_told() {
    let mut pair = Pair::new();
    // All in one read, and more replies than the client's kernel takes.
    pair.client.write_all(&b"PING\r\n".repeat(2000)).unwrap();
    let progress = pair.ready(false, false);
    assert_eq!(pair.settle(progress), Progress::Wait(TimeoutKind::Idle));
    SockRef::from(&pair.client).set_linger(Some(Duration::ZERO)).unwrap();
    let Pair { mut connection, client, mut state } = pair;
    drop(client);
    let ended = Wakeup::Ready(Ready { key: 0, writable: true, ended: true });
    assert_eq!(connection.drive(ended, &mut state, Tick::default()), Progress::Over);
    let attempt = connection.attempt(Tick::default());
    assert_eq!((attempt.told, attempt.outcome), (Told::Unknown, Outcome::Reset));
}

#[test]
fn a_late_command_is_read_before_the_notice_is_sent_unprompted() {
    let mut pair = Pair::new();
    assert_eq!(pair.drive(Wakeup::Accepted), Progress::Wait(TimeoutKind::FirstByte));
    pair.client.write_all(b"*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n").unwrap();
    // Before the kernel has reported it.
    let progress = pair.drive(Wakeup::TimedOut(TimeoutKind::FirstByte));
    assert_eq!(progress, Progress::Wait(TimeoutKind::Idle));
    let mut reply = [0; 99];
    let length = pair.client.read(&mut reply).unwrap();
    assert_eq!(&reply[..length], b"+OK\r\n");
}

/// Has one client after the other send `bytes`, and tells what each then waits for.
fn storm(state: &mut WorkerState, bytes: &[u8], clients: usize) -> Vec<Progress> {
    let attempts = (0..clients).map(|_| {
        let mut pair = Pair::new();
        std::mem::swap(&mut pair.state, state);
        pair.client.write_all(bytes).unwrap();
        let progress = pair.ready(false, false);
        let progress = pair.settle(progress);
        std::mem::swap(&mut pair.state, state);
        progress
    });
    attempts.collect()
}

#[test]
fn the_same_question_on_many_connections_is_delayed_and_no_other() {
    const DELAYED: Progress = Progress::Wait(TimeoutKind::Tarpit);
    let setup = b"*1\r\n$5\r\nHELLO\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n";
    let ping = [&setup[..], b"*1\r\n$4\r\nPING\r\n"].concat();
    let questions: [&[u8]; 7] = [
        &ping,
        b"PING\r\n",
        b"GET x\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x00\xc8\x01",
        b"*x\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ];
    let mut state = Pair::new().state;
    for question in questions {
        let progress = storm(&mut state, question, 60);
        let text = String::from_utf8_lossy(question).into_owned();
        assert!(progress[..50].iter().all(|progress| *progress != DELAYED), "{text:?}");
        assert!(progress[50..].iter().all(|progress| *progress == DELAYED), "{text:?}");
    }
    let answered = Progress::Wait(TimeoutKind::Idle);
    assert!(storm(&mut state, setup, 60).iter().all(|progress| *progress == answered));
}

#[test]
fn a_delayed_reply_comes_once_and_neither_a_close_nor_the_end_waits_for_it() {
    let mut state = Pair::new().state;
    storm(&mut state, b"PING\r\n", 50);
    let delayed = |state: &mut WorkerState| {
        let mut pair = Pair::new();
        std::mem::swap(&mut pair.state, state);
        pair.client.write_all(b"PING\r\n").unwrap();
        assert_eq!(pair.ready(false, false), Progress::Wait(TimeoutKind::Tarpit));
        // What comes meanwhile does not end the delay.
        assert_eq!(pair.ready(false, false), Progress::Wait(TimeoutKind::Tarpit));
        let unsent = pair.client.read(&mut [0; 64]).unwrap_err();
        assert_eq!(unsent.kind(), ErrorKind::WouldBlock);
        pair
    };
    let replies = |pair: &Pair| pair.connection.attempt(Tick::default()).replies;

    let mut pair = delayed(&mut state);
    let after = pair.drive(Wakeup::TimedOut(TimeoutKind::Tarpit));
    assert_eq!((after, replies(&pair)), (Progress::Wait(TimeoutKind::Idle), 1));
    pair.client.write_all(b"PING\r\n").unwrap();
    assert_eq!(pair.ready(false, false), Progress::Wait(TimeoutKind::Idle), "only once");
    std::mem::swap(&mut pair.state, &mut state);

    for wakeup in [Wakeup::Close(CloseReason::Evicted), Wakeup::Close(CloseReason::Shutdown)] {
        let mut pair = delayed(&mut state);
        pair.drive(wakeup);
        assert_eq!(replies(&pair), 1, "{wakeup:?}");
        std::mem::swap(&mut pair.state, &mut state);
    }

    // The client may have closed its side already, as in `printf 'PING\r\n' | nc -N`.
    let mut pair = delayed(&mut state);
    pair.client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(pair.ready(false, true), Progress::Wait(TimeoutKind::Tarpit));
    pair.drive(Wakeup::TimedOut(TimeoutKind::Tarpit));
    assert_eq!(replies(&pair), 1);
    std::mem::swap(&mut pair.state, &mut state);

    // A listener that stops delays nobody.
    state.is_stopping = true;
    let progress = storm(&mut state, b"PING\r\n", 1);
    assert_eq!(progress, [Progress::Wait(TimeoutKind::Shutdown)]);
}

/// How many of so many clients of one control group are delayed, which send `bytes` as `uid`.
fn delayed_of(
    state: &mut WorkerState,
    cgroup: u64,
    uid: u32,
    bytes: &[u8],
    clients: usize,
) -> usize {
    let name = Rc::new(Name::Id(cgroup));
    let attempts = (0..clients).filter(|_| {
        let mut pair = Pair::new();
        std::mem::swap(&mut pair.state, state);
        let (name, cgroup) = (Rc::clone(&name), NonZeroU64::new(cgroup));
        let client = LocalClient { name, uid: Some(uid), cgroup, is_own: false };
        pair.connection.local = Some(pair.state.local_clients.insert(client));
        pair.client.write_all(bytes).unwrap();
        let progress = pair.ready(false, false);
        std::mem::swap(&mut pair.state, state);
        progress == Progress::Wait(TimeoutKind::Tarpit)
    });
    attempts.count()
}

#[test]
fn two_services_at_one_address_are_not_delayed_for_each_other() {
    let mut state = Pair::new().state;
    assert_eq!(delayed_of(&mut state, 1, 7, b"PING\r\n", 60), 10);
    assert_eq!(delayed_of(&mut state, 2, 7, b"PING\r\n", 50), 0);
    assert_eq!(delayed_of(&mut state, 2, 7, b"PING\r\n", 1), 1);
}

#[test]
fn redisguards_own_question_is_not_delayed_but_anothers_with_its_name_is() {
    let own = format!("PING\r\nCLIENT SETNAME {}\r\n", crate::listener_contract::OWN_CLIENT_NAME);
    let mut state = Pair::new().state;
    assert_eq!(delayed_of(&mut state, 1, 0, own.as_bytes(), 60), 0);
    assert_eq!(delayed_of(&mut state, 1, 7, own.as_bytes(), 60), 10);
    assert_eq!(delayed_of(&mut state, 1, 0, own.as_bytes(), 1), 0);
}

/// A client that ends its input and never reads: its kernel acknowledges no more than its buffer takes.
#[test]
fn an_acknowledgement_that_never_comes_is_waited_for_a_bounded_time() {
    let mut pair = Pair::new();
    pair.client.write_all(&b"PING\r\n".repeat(2000)).unwrap();
    pair.client.shutdown(Shutdown::Write).unwrap();
    let progress = pair.ready(false, true);
    assert_eq!(pair.settle(progress), Progress::Wait(TimeoutKind::Acknowledgement));
    let mut now = Tick::default();
    let mut waits = 0;
    let acknowledgement = Wakeup::TimedOut(TimeoutKind::Acknowledgement);
    while pair.connection.drive(acknowledgement, &mut pair.state, now) != Progress::Over {
        now = now.after(Duration::from_millis(100));
        waits += 1;
    }
    assert_eq!(waits, 51);
    assert_eq!(pair.connection.attempt(now).told, Told::No);
}
