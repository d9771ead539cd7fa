//! Owns one connection's socket and its clock: it carries bytes between the socket and a
//! [`Dialogue`]. Must never hold received bytes, never stop reading because answers wait to be
//! sent (two sides that wait for each other never end), and never close with unread input before
//! the answers are out: the kernel would send a reset, and the sentence would be lost.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{Interest, Ready};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};

use super::bounds::{Buffers, LARGEST, STOP};
use super::dialogue::Dialogue;
use super::linger::linger;
use super::log::Outcome;
use super::room::{Guest, Order, Room};

/// A peer that says nothing for so long is told unasked.
const SILENCE: Duration = Duration::from_secs(1);
/// A peer that rests so long within a line is told unasked.
const UNFINISHED: Duration = Duration::from_secs(2);
/// Commands after which a connection is taken for a loop that retries.
const PATIENT_COMMANDS: u64 = 50;
/// Reads from this size on are a pipeline or a value, and never delayed.
const LARGE_READ: usize = 4096;
/// How long such a loop waits for each answer.
const TARPIT: Duration = Duration::from_millis(200);
/// How long the whole connection may last.
const LONGEST: Duration = Duration::from_secs(3600);
/// Batches of answers that are sent before others have their turn.
const BATCHES_AT_ONCE: usize = 8;
/// How long the last words may take where room is needed.
const HURRY: Duration = Duration::from_secs(1);

/// One connection.
pub(super) struct Connection<'a> {
    stream: &'a TcpStream,
    dialogue: &'a mut Dialogue,
    guest: &'a Guest,
    buffers: &'a RefCell<Buffers>,
    idle: Duration,
    started: Instant,
    /// When a byte was last received or sent.
    active: Instant,
    /// Bytes received and sent.
    carried: u64,
    /// Why this side ends it, and how long its last words may take.
    ending: Option<(Outcome, Instant)>,
    peer_ended: bool,
    /// Whether the latest read was large, so that a small one is likely to be its end.
    after_large: bool,
    order: Order,
}

/// What a read brought.
enum Read {
    Bytes(usize),
    Nothing,
    End,
}

/// What is due when nothing happens.
enum Due {
    SpeakUp,
    Leave(Outcome),
    GiveUp,
}

impl<'a> Connection<'a> {
    /// A connection that was just accepted; without a byte it lasts for `idle`.
    pub(super) fn new(
        stream: &'a TcpStream,
        dialogue: &'a mut Dialogue,
        guest: &'a Guest,
        buffers: &'a RefCell<Buffers>,
        idle: Duration,
    ) -> Connection<'a> {
        let now = Instant::now();
        Connection {
            stream,
            dialogue,
            guest,
            buffers,
            idle,
            started: now,
            active: now,
            carried: 0,
            ending: None,
            peer_ended: false,
            after_large: false,
            order: Order::Stay,
        }
    }

    /// Serves the connection to its end, and says which end that was.
    pub(super) async fn serve(mut self, room: &Room) -> Outcome {
        let result = self.converse().await;
        let ending = self.ending.map(|(outcome, _)| outcome);
        if result.is_err() {
            return ending.unwrap_or(Outcome::Reset);
        }
        room.lingers(self.guest);
        let _ = SockRef::from(self.stream).shutdown(Shutdown::Write);
        if !self.peer_ended {
            let latest = self.ending.map(|(_, latest)| latest);
            linger(self.stream, self.guest, self.buffers, self.order, latest).await;
        }
        let orderly = if self.dialogue.told() { Outcome::Told } else { Outcome::Closed };
        ending.unwrap_or(orderly)
    }

    /// Talks until everything is said. An error means that the rest could not be said.
    async fn converse(&mut self) -> io::Result<()> {
        loop {
            if self.send()? {
                tokio::task::yield_now().await;
            }
            self.guest.note(self.active, self.dialogue.is_at_rest());
            if self.dialogue.has_ended() && !self.dialogue.owes() {
                return Ok(());
            }
            let (when, due) = self.due();
            if when <= Instant::now() {
                // Not left to the timer below: a peer that never stops sending outruns it.
                self.attend_to(&due)?;
                continue;
            }
            tokio::select! {
                biased;
                order = self.guest.order_beyond(self.order) => self.obey(order)?,
                ready = timeout_at(when, self.stream.ready(self.interest())) => {
                    if let Ok(ready) = ready {
                        self.take_in(ready?).await?;
                    }
                }
            }
            if self.carried > LARGEST {
                self.leave(Outcome::Limit, HURRY);
            }
        }
    }

    /// Reads, where there is something to read.
    async fn take_in(&mut self, ready: Ready) -> io::Result<()> {
        if !self.peer_ended && (ready.is_readable() || ready.is_read_closed()) {
            let read = self.receive()?;
            self.pace(&read).await;
        }
        Ok(())
    }

    fn interest(&self) -> Interest {
        match (self.dialogue.owes(), self.peer_ended) {
            (true, true) => Interest::WRITABLE,
            (true, false) => Interest::READABLE | Interest::WRITABLE,
            (false, _) => Interest::READABLE,
        }
    }

    fn due(&self) -> (Instant, Due) {
        if let Some((_, patience)) = self.ending {
            return (patience, Due::GiveUp);
        }
        let mut first = (self.active + self.idle, Due::Leave(Outcome::Idle));
        let mut perhaps = |when: Instant, due: Due| {
            if when < first.0 {
                first = (when, due);
            }
        };
        perhaps(self.started + LONGEST, Due::Leave(Outcome::Limit));
        if self.dialogue.is_silent() {
            perhaps(self.started + SILENCE, Due::SpeakUp);
        } else if self.dialogue.is_in_a_line() {
            perhaps(self.active + UNFINISHED, Due::SpeakUp);
        }
        first
    }

    fn attend_to(&mut self, due: &Due) -> io::Result<()> {
        match due {
            Due::SpeakUp => self.dialogue.speak_up(),
            Due::Leave(outcome) => self.leave(*outcome, HURRY),
            Due::GiveUp => return Err(ErrorKind::TimedOut.into()),
        }
        Ok(())
    }

    /// Does what the room asks for; what has arrived already is still answered.
    fn obey(&mut self, order: Order) -> io::Result<()> {
        self.order = order;
        let (outcome, patience) = match order {
            Order::Stop => (Outcome::Shutdown, STOP),
            _ => (Outcome::Shed, HURRY),
        };
        if !self.peer_ended {
            self.receive()?;
        }
        self.leave(outcome, patience);
        if order == Order::Vanish {
            self.send()?;
            return Err(ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    fn leave(&mut self, outcome: Outcome, patience: Duration) {
        let latest = Instant::now() + patience;
        match &mut self.ending {
            Some((_, end)) => *end = latest.min(*end),
            None => {
                self.dialogue.take_leave();
                self.ending = Some((outcome, latest));
            }
        }
    }

    /// Sends what is owed for as long as the socket takes it; says whether others should have
    /// their turn before the rest.
    fn send(&mut self) -> io::Result<bool> {
        let batch = &mut self.buffers.borrow_mut().batch;
        for _ in 0..BATCHES_AT_ONCE {
            if !self.dialogue.owes() {
                return Ok(false);
            }
            self.dialogue.fill(batch);
            match self.stream.try_write(batch.bytes()) {
                Ok(bytes) => {
                    self.dialogue.sent_bytes(batch, bytes);
                    self.carried += bytes as u64;
                }
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(cause) => return Err(cause),
            }
            self.active = Instant::now();
        }
        Ok(true)
    }

    fn receive(&mut self) -> io::Result<Read> {
        let buffer = &mut self.buffers.borrow_mut().read;
        match self.stream.try_read(buffer) {
            Ok(0) => {
                self.peer_ended = true;
                self.dialogue.end_of_input();
                Ok(Read::End)
            }
            Ok(bytes) => {
                self.dialogue.receive(&buffer[..bytes]);
                self.carried += bytes as u64;
                self.active = Instant::now();
                Ok(Read::Bytes(bytes))
            }
            Err(cause) if cause.kind() == ErrorKind::WouldBlock => Ok(Read::Nothing),
            Err(cause) => Err(cause),
        }
    }

    /// Slows down a loop of small requests, and lets others have their turn after large ones.
    async fn pace(&mut self, read: &Read) {
        let Read::Bytes(bytes) = read else { return };
        let after_large = std::mem::replace(&mut self.after_large, *bytes >= LARGE_READ);
        if self.after_large {
            tokio::task::yield_now().await;
        } else if !after_large
            && self.dialogue.commands() > PATIENT_COMMANDS
            && self.dialogue.owes()
            && self.ending.is_none()
        {
            tokio::select! {
                biased;
                _ = self.guest.order_beyond(self.order) => {}
                () = sleep(TARPIT) => {}
            }
        }
    }
}
