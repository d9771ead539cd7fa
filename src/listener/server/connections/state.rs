//! The record of one connection, small enough that thousands can wait, and the types of its states:
//! combinations that cannot occur do not compile.

use std::io;
use std::mem;
use std::net::{IpAddr, SocketAddr, TcpStream};

use super::readiness::{Input, Output};
use super::table::Key;
use crate::listener::clock::Tick;
use crate::listener::local_clients::LocalIndex;
use crate::listener::log::{Attempt, Outcome, Told};
use crate::listener::net::acknowledged::has_acknowledged;
use crate::listener::net::epoll::{Interest, Poller, Ready};
use crate::listener::net::original_dst::OriginalDestination;
use crate::listener::net::transport::Transport;
use crate::listener::protocol::session::{ParkedSession, Session, SessionRecord};
use crate::listener::server::shared::WorkerState;
use crate::listener::source::Source;

/// When the event loop comes back to the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schedule {
    /// When its socket is ready or its wait is over.
    Waiting,
    /// When its turn comes in the event loop's queue of runnable connections.
    Runnable,
    /// When the delay of the tarpit or the brake is over: until then it neither reads nor sends.
    Delayed,
}

/// Why this side closes a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// Nothing came for the idle time.
    Idle,
    /// It makes room for another.
    Evicted,
    /// It reached the limit of a connection's time or bytes.
    Limit,
    /// The listener stops.
    Shutdown,
}

impl From<CloseReason> for Outcome {
    fn from(reason: CloseReason) -> Outcome {
        match reason {
            CloseReason::Idle => Outcome::Idle,
            CloseReason::Evicted => Outcome::Shed,
            CloseReason::Limit => Outcome::Limit,
            CloseReason::Shutdown => Outcome::Shutdown,
        }
    }
}

/// How far a connection has come from its beginning to its end. It never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lifecycle {
    /// Until one side closes.
    Open,
    /// This side closes: the queued replies are the last, and the peer has little time to take them.
    Closing(CloseReason),
    /// Every reply is sent and the sending side is shut; input is discarded until the peer closes.
    Lingering {
        since: Tick,
        /// Why this side closed, if it did.
        reason: Option<CloseReason>,
    },
    /// A reset ended it.
    Broken,
}

impl Lifecycle {
    /// Why this side closes or closed the connection.
    pub(super) fn close_reason(self) -> Option<CloseReason> {
        match self {
            Lifecycle::Closing(reason) => Some(reason),
            Lifecycle::Lingering { reason, .. } => reason,
            Lifecycle::Open | Lifecycle::Broken => None,
        }
    }
}

/// The protocol session; whole only while a command is under way or replies are queued.
#[derive(Debug)]
enum StoredSession {
    Parked(ParkedSession),
    Active(Box<Session>),
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    pub(super) stream: TcpStream,
    peer: IpAddr,
    peer_port: u16,
    /// Which client of this host it is, if it is one.
    pub local: Option<LocalIndex>,
    pub(super) destination: OriginalDestination,
    /// What epoll watches the socket for; `None` while it does not.
    watched: Option<Interest>,
    pub(super) input: Input,
    pub(super) output: Output,
    pub(super) schedule: Schedule,
    /// Whether the latest read was of a pipeline or a value, so that a small one is likely its end.
    pub(super) last_read_was_large: bool,
    /// Whether the brake has counted its question.
    pub(super) is_counted: bool,
    pub(super) lifecycle: Lifecycle,
    pub(super) transport: Transport,
    session: StoredSession,
    pub(super) started: Tick,
    /// When a byte was last received or sent.
    pub active: Tick,
    /// Bytes received; while it lingers, bytes discarded. Far from overflowing: see `MAX_BYTES`.
    pub(super) received: u32,
    /// Bytes sent: those that are owed when the limit is reached come on top of it.
    pub(super) sent: u32,
    /// The bytes that were sent when the sentence that answers the client's own call was among them;
    /// zero before that.
    pub(super) told_at: u32,
    /// Whether a reset ended it.
    is_reset: bool,
}

// An idle connection is this record and 40 bytes of the table, so that ten thousand take a few MiB
// (docs/performance.md). Before the record grows, its padding is to be used up.
const _: () = assert!(size_of::<Connection>() <= 144);

impl Connection {
    /// A connection that was just accepted.
    pub fn new(
        stream: TcpStream,
        peer: SocketAddr,
        destination: OriginalDestination,
        now: Tick,
    ) -> Connection {
        Connection {
            stream,
            peer: peer.ip(),
            peer_port: peer.port(),
            local: None,
            destination,
            watched: None,
            // The first command of most clients is there already: one read is tried unasked.
            input: Input::Readable,
            output: Output::Writable,
            schedule: Schedule::Waiting,
            last_read_was_large: false,
            is_counted: false,
            lifecycle: Lifecycle::Open,
            transport: Transport::default(),
            session: StoredSession::Parked(ParkedSession::default()),
            started: now,
            active: now,
            received: 0,
            sent: 0,
            told_at: 0,
            is_reset: false,
        }
    }

    /// Whether the sentence that answers the client's own call was sent, and is not acknowledged yet. An
    /// acknowledgement is the only proof: what the client sends may have been under way already, and what
    /// it sends after the sentence acknowledges it.
    pub(super) fn awaits_acknowledgement(&self) -> bool {
        self.told_at > 0 && !has_acknowledged(&self.stream, self.told_at)
    }

    /// A reset ended the connection.
    pub(super) fn note_reset(&mut self) {
        self.is_reset = true;
        if self.lifecycle.close_reason().is_none() {
            self.lifecycle = Lifecycle::Broken;
        }
    }

    /// Whether the client's own call was answered, once the connection is over.
    fn told(&self) -> Told {
        match (self.told_at > 0, self.awaits_acknowledgement()) {
            (false, _) => Told::No,
            (true, false) => Told::Yes,
            (true, true) if self.is_reset => Told::Unknown,
            (true, true) => Told::No,
        }
    }

    /// What the session has sent and heard so far; not while [`Connection::with_session`] works with it.
    pub(super) fn record(&self) -> SessionRecord<'_> {
        match &self.session {
            StoredSession::Parked(parked) => parked.record(),
            StoredSession::Active(session) => session.record(),
        }
    }

    /// The source that limits count it by.
    pub(super) fn source(&self, state: &WorkerState) -> Source {
        let local = self.local.and_then(|index| state.local_clients.get(index));
        Source::new(self.peer, local.and_then(|local| local.cgroup))
    }

    /// Notes that the connection is put into the queue of runnable ones; false if it is there.
    pub fn mark_runnable(&mut self) -> bool {
        mem::replace(&mut self.schedule, Schedule::Runnable) != Schedule::Runnable
    }

    /// Whether the connection is in the queue of runnable ones.
    pub fn is_runnable(&self) -> bool {
        self.schedule == Schedule::Runnable
    }

    /// Goes from `schedule` back to [`Schedule::Waiting`]; another one stays.
    pub(super) fn leave(&mut self, schedule: Schedule) {
        if self.schedule == schedule {
            self.schedule = Schedule::Waiting;
        }
    }

    /// Stores what the kernel reported.
    pub fn note_ready(&mut self, ready: Ready) {
        self.input = self.input.reported(ready.ended);
        if ready.writable {
            self.output = Output::Writable;
        }
    }

    /// Has the next reads take everything that has arrived, the peer's end included: a connection that
    /// is closed here does not wait for another report.
    pub(super) fn read_to_end(&mut self) {
        self.input = self.input.reported(true);
    }

    /// Has the poller watch the socket from now on.
    pub fn watch(&mut self, poller: &Poller, key: Key) -> io::Result<()> {
        let interest = match self.output {
            Output::Writable => Interest::Read,
            Output::Blocked => Interest::ReadWrite,
        };
        poller.add(&self.stream, key, interest)?;
        self.watched = Some(interest);
        Ok(())
    }

    /// Has the poller watch for room in the send buffer too, if that is full. It stays so: most
    /// connections never need it, and one that did is likely to need it again.
    pub fn update_interest(&mut self, poller: &Poller, key: Key) -> io::Result<()> {
        if self.watched == Some(Interest::Read) && self.output == Output::Blocked {
            poller.modify(&self.stream, key, Interest::ReadWrite)?;
            self.watched = Some(Interest::ReadWrite);
        }
        Ok(())
    }

    /// The attempt that the log records, once the connection is over.
    pub fn attempt(&self, now: Tick) -> Attempt<'_> {
        let (record, told) = (self.record(), self.told());
        let outcome = match (self.lifecycle, self.lifecycle.close_reason()) {
            (_, Some(reason)) => reason.into(),
            (Lifecycle::Broken, None) => Outcome::Reset,
            (_, None) if told == Told::Yes => Outcome::Told,
            (_, None) => Outcome::Closed,
        };
        Attempt {
            peer: SocketAddr::new(self.peer, self.peer_port),
            port: self.destination.port,
            redirected: self.destination.redirected,
            local: None,
            is_probe: false,
            client: record.client,
            replies: record.stats.sent.into(),
            told,
            duration: now.since(self.started),
            outcome,
        }
    }

    /// Calls `work` with the whole session, and parks it again afterwards if nothing is under way.
    pub(super) fn with_session<T>(
        &mut self,
        state: &mut WorkerState,
        work: impl FnOnce(&mut Connection, &mut Session, &mut WorkerState) -> T,
    ) -> T {
        let empty = StoredSession::Parked(ParkedSession::default());
        let mut session = match mem::replace(&mut self.session, empty) {
            StoredSession::Active(session) => session,
            StoredSession::Parked(parked) => {
                let mut session = state.take_session();
                session.resume(parked);
                session
            }
        };
        let result = work(self, &mut session, state);
        self.session = match session.park() {
            Some(parked) => {
                state.return_session(session);
                StoredSession::Parked(parked)
            }
            None => StoredSession::Active(session),
        };
        result
    }
}
