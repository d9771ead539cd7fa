//! Owns what a connection does when it has its turn: it carries bytes between the socket and the
//! conversation, as far as that goes without waiting, and says what it waits for next. Must never
//! hold received bytes, never stop reading because answers wait to be sent (two sides that wait
//! for each other never end), and never close with unread input before the answers are out: the
//! kernel would send a reset, and the sentence would be lost.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Shutdown};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};

use super::Connection;
use super::timeout::{CONNECTION_LIMIT, TimeoutKind};
use crate::listener::clock::Tick;
use crate::listener::log::Outcome;
use crate::listener::net::epoll::Ready;
use crate::listener::protocol::session::{Phase, Session};
use crate::listener::server::shared::WorkerState;

/// Commands after which a connection is taken for a loop that retries.
const PATIENT_COMMANDS: u64 = 50;
/// Reads from this size on are a pipeline or a value, and never delayed.
const LARGE_READ: usize = 4096;
/// How many bytes a whole connection may carry, both ways, and how many more its end may bring.
const LARGEST: u64 = 1 << 30;
/// How long the peer may go on sending after the last word.
const LONGEST_END: Duration = Duration::from_secs(30);
/// Reads in one turn.
const MOST_READS: usize = 4;
/// Batches of answers sent in one turn.
const MOST_BATCHES: usize = 8;

/// Why a connection has its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::listener) enum Wakeup {
    /// It was accepted.
    Welcome,
    /// Its socket is ready.
    Ready(Ready),
    /// It asked for another turn.
    Again,
    /// What it waited for did not come.
    Due(TimeoutKind),
    /// It is to say what is owed and go.
    Go(Order),
}

/// Why a connection is asked to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::listener) enum Order {
    /// To make room.
    MakeRoom,
    /// The listener stops.
    Stop,
    /// At once: what cannot be said now is not said.
    Vanish,
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::listener) enum Progress {
    /// It waits.
    Wait(TimeoutKind),
    /// It waits like this, but could go on at once: others come first.
    Again(TimeoutKind),
    /// It is over.
    Over,
}

impl Connection {
    /// Does what can be done without waiting.
    pub(in crate::listener) fn drive(
        &mut self,
        call: Wakeup,
        desk: &mut WorkerState,
        now: Tick,
    ) -> Progress {
        match call {
            Wakeup::Ready(ready) => self.note(ready),
            Wakeup::Go(order) => {
                // Whatever came already is read, to its end.
                (self.readable, self.end_comes) = (true, true);
                self.delayed = false;
                self.stopping |= order == Order::Stop;
            }
            Wakeup::Due(TimeoutKind::Tarpit) => self.delayed = false,
            Wakeup::Again => self.eager = false,
            Wakeup::Due(_) | Wakeup::Welcome => {}
        }
        if self.said.is_some() {
            return self.linger(call, desk, now);
        }
        let turn = self.with_dialogue(desk, |connection, dialogue, desk| {
            let turn = connection.converse(call, dialogue, desk, now);
            let is_over = matches!(turn, Ok(Progress::Over) | Err(_)) || connection.said.is_some();
            if let Some(outcome) = is_over.then(|| connection.layer.finish()).flatten() {
                dialogue.record_tls(outcome);
            }
            turn
        });
        turn.unwrap_or_else(|_| {
            self.broken = true;
            Progress::Over
        })
    }

    /// Notes what its socket is ready for.
    pub(in crate::listener) fn note(&mut self, ready: Ready) {
        self.readable = true;
        self.end_comes |= ready.ended;
        self.blocked &= !ready.writable;
    }

    /// Reads and answers. An error means that the rest could not be said.
    fn converse(
        &mut self,
        call: Wakeup,
        dialogue: &mut Session,
        desk: &mut WorkerState,
        now: Tick,
    ) -> io::Result<Progress> {
        match call {
            Wakeup::Due(TimeoutKind::FirstByte | TimeoutKind::PartialLine) => {
                dialogue.send_unprompted_notice()
            }
            Wakeup::Due(TimeoutKind::Idle | TimeoutKind::Busy) => {
                self.leave(dialogue, Outcome::Idle)
            }
            // Before more is read, or a loop would never see an answer.
            Wakeup::Due(TimeoutKind::Tarpit) => drop(self.send(dialogue, desk, now)?),
            Wakeup::Due(_) => return Err(ErrorKind::TimedOut.into()),
            Wakeup::Welcome | Wakeup::Ready(_) | Wakeup::Again | Wakeup::Go(_) => {}
        }
        if !self.delayed {
            self.receive(dialogue, desk, now)?;
        }
        match call {
            // It came to its end by itself.
            Wakeup::Go(_) if self.peer_ended || dialogue.is_closing() => {}
            Wakeup::Go(Order::Stop) => self.leave(dialogue, Outcome::Shutdown),
            Wakeup::Go(_) => self.leave(dialogue, Outcome::Shed),
            _ if self.carried > LARGEST || now.since(self.started) > CONNECTION_LIMIT => {
                self.leave(dialogue, Outcome::Limit);
            }
            _ if self.delayed => return Ok(Progress::Wait(TimeoutKind::Tarpit)),
            _ => {}
        }
        let more_to_send = self.send(dialogue, desk, now)?;
        if dialogue.phase() == Phase::Closed {
            self.layer.close();
            self.send(dialogue, desk, now)?;
            if !self.layer.has_output(dialogue) {
                return Ok(self.hang_up(call, desk, now));
            }
        }
        if call == Wakeup::Go(Order::Vanish) {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        let wait = self.next_wait(dialogue);
        let more = more_to_send || self.readable;
        Ok(if more { Progress::Again(wait) } else { Progress::Wait(wait) })
    }

    fn next_wait(&self, dialogue: &Session) -> TimeoutKind {
        if let Some(wait) = self.departure() {
            wait
        } else if self.layer.is_handshaking() {
            TimeoutKind::Busy
        } else {
            match dialogue.phase() {
                Phase::AwaitingInput => TimeoutKind::FirstByte,
                Phase::PartialLine => TimeoutKind::PartialLine,
                Phase::Idle | Phase::Closed => TimeoutKind::Idle,
                Phase::Busy | Phase::Closing => TimeoutKind::Busy,
            }
        }
    }

    /// What it waits for where this side ends it.
    fn departure(&self) -> Option<TimeoutKind> {
        if self.stopping {
            Some(TimeoutKind::Shutdown)
        } else {
            self.ending.map(|_| TimeoutKind::Closing)
        }
    }

    fn leave(&mut self, dialogue: &mut Session, outcome: Outcome) {
        if self.ending.is_none() {
            dialogue.close_with_notice();
            self.ending = Some(outcome);
            self.delayed = false;
        }
    }

    /// Everything is said.
    fn hang_up(&mut self, call: Wakeup, desk: &mut WorkerState, now: Tick) -> Progress {
        if self.peer_ended {
            return Progress::Over;
        }
        let _ = self.stream.shutdown(Shutdown::Write);
        self.said = Some(now);
        self.carried = 0;
        self.linger(call, desk, now)
    }

    /// Throws away what still comes, so that the peer has the chance to read the last word.
    fn linger(&mut self, call: Wakeup, desk: &mut WorkerState, now: Tick) -> Progress {
        let is_due = matches!(
            call,
            Wakeup::Due(TimeoutKind::Closing | TimeoutKind::Shutdown | TimeoutKind::Lingering)
        );
        if is_due || call == Wakeup::Go(Order::Vanish) {
            return Progress::Over;
        }
        for _ in 0..MOST_READS {
            match self.read(desk, now) {
                Ok(None) => break,
                Ok(Some(1..)) => {}
                Ok(Some(0)) | Err(_) => return Progress::Over,
            }
        }
        let lasted = self.said.map_or(Duration::ZERO, |said| now.since(said));
        if self.carried > LARGEST || lasted > LONGEST_END {
            return Progress::Over;
        }
        let wait = self.departure().unwrap_or(TimeoutKind::Lingering);
        if self.readable { Progress::Again(wait) } else { Progress::Wait(wait) }
    }

    /// Hands what comes to the conversation.
    fn receive(
        &mut self,
        dialogue: &mut Session,
        desk: &mut WorkerState,
        now: Tick,
    ) -> io::Result<()> {
        for _ in 0..MOST_READS {
            match self.read(desk, now)? {
                None => break,
                Some(0) => self.layer.end_of_input(dialogue),
                Some(bytes) => {
                    let (peer, handshakes) = (self.peer, &mut desk.handshakes);
                    let admit = || handshakes.admit(peer, now);
                    self.layer.receive(&desk.read[..bytes], dialogue, admit);
                    let after_large = std::mem::replace(&mut self.after_large, bytes >= LARGE_READ);
                    if !after_large && !self.after_large && self.is_a_loop(dialogue) {
                        self.delayed = true;
                    }
                    if self.delayed || bytes == desk.read.len() {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn is_a_loop(&self, dialogue: &Session) -> bool {
        let has_more_to_ask = !self.end_comes && self.ending.is_none();
        has_more_to_ask && dialogue.commands() > PATIENT_COMMANDS && dialogue.owes_replies()
    }

    /// Reads what there is, into the desk's buffer: `None` where there is nothing, `Some(0)` at the
    /// peer's end.
    fn read(&mut self, desk: &mut WorkerState, now: Tick) -> io::Result<Option<usize>> {
        if !self.readable || self.peer_ended {
            return Ok(None);
        }
        match recv(self.stream.as_raw_fd(), &mut desk.read, MsgFlags::MSG_DONTWAIT) {
            Ok(bytes) => {
                // A buffer that is not filled has emptied the socket, but for the peer's end.
                self.readable = bytes == desk.read.len() || (self.end_comes && bytes > 0);
                self.peer_ended = bytes == 0;
                self.carried += bytes as u64;
                self.active = now;
                Ok(Some(bytes))
            }
            Err(Errno::EAGAIN) => {
                self.readable = false;
                Ok(None)
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// Sends what is owed for as long as the socket takes it; says whether others should have
    /// their turn before the rest.
    fn send(
        &mut self,
        dialogue: &mut Session,
        desk: &mut WorkerState,
        now: Tick,
    ) -> io::Result<bool> {
        for _ in 0..MOST_BATCHES {
            if self.blocked || !self.layer.has_output(dialogue) {
                return Ok(false);
            }
            let notice = desk.notice(self.destination.port, self.address_for(dialogue));
            let (socket, blocked) = (self.stream.as_raw_fd(), &mut self.blocked);
            let mut write = |bytes: &[u8]| {
                let sent = send(socket, bytes, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL);
                *blocked |= sent == Err(Errno::EAGAIN);
                Ok(sent?)
            };
            let sent = self.layer.send(dialogue, &notice, &mut desk.batch, &mut write)?;
            self.carried += sent as u64;
            self.active = if sent > 0 { now } else { self.active };
        }
        Ok(self.layer.has_output(dialogue))
    }

    /// The address that the client meant, looked up only for answers that name it.
    fn address_for(&self, dialogue: &Session) -> IpAddr {
        if dialogue.needs_address() {
            self.destination.address(&self.stream)
        } else {
            Ipv4Addr::UNSPECIFIED.into()
        }
    }
}
