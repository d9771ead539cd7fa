//! Owns the serving: one thread accepts, gives every connection its turns, keeps the log's clock,
//! and ends it all in good order. Must never spin, never wait while somebody could be served, and
//! never stop accepting because accepting failed once.

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use super::connections::table::{ConnectionTable, FIRST_KEY, Key};
use super::connections::{Connection, Order, Progress, Wakeup};
use super::shared::WorkerState;
use crate::listener::clock::{Clock, Tick};
use crate::listener::log::{Journal, Log, Outcome};
use crate::listener::metrics::counters::Counts;
use crate::listener::net::bind::{BACKLOG, ListenPort, Listener, Listeners};
use crate::listener::net::epoll::{Interest, Poller, Ready};
use crate::listener::net::original_dst::OriginalDestination;
use crate::listener::net::transport::Transport;
use crate::listener::settings::Settings;
use crate::listener::tls::Identity;

/// How long accepting rests when it fails for a reason that does not go away by itself.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
/// Connections accepted at one door before others have their turn.
const MOST_ACCEPTED: usize = 64;
/// Connections that have another turn in one round, so that newcomers wait for a few of those that
/// send without end, not for all of them.
const MOST_EAGER: usize = 4;
/// So many new connections at once are looked at a second time before they are watched: most are
/// over by then, and being watched costs as much as an answer.
const CROWD: usize = 4;
/// How long a failure to accept is not told again.
const COMPLAINT: Duration = Duration::from_secs(60);

/// What was served, once it is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Connections accepted.
    pub connections: u64,
    /// Those to which the sentence was sent.
    pub told: u64,
    /// Answers sent in full.
    pub replies: u64,
    /// Those closed to make room for others.
    pub shed: u64,
    /// Those with a log line of their own.
    pub logged: u64,
    /// Those counted in a summary line.
    pub folded: u64,
}

/// All there is to serve with.
struct Server {
    desk: WorkerState,
    poller: Poller,
    room: ConnectionTable<Connection>,
    doors: Vec<Listener>,
    /// Doors at which more may wait.
    crowded: Vec<Key>,
    /// Connections that could go on at once, in the order of their turns.
    eager: VecDeque<Key>,
    /// Connections that came in the latest round and are not watched yet.
    fresh: Vec<Key>,
    /// When to try again at all doors, after accepting failed.
    retry: Option<Tick>,
    /// When a failure to accept was last told.
    complained: Option<Tick>,
    journal: Journal,
    summary: Summary,
    /// What Prometheus is told, where it is.
    counts: Option<Arc<Counts>>,
    clock: Clock,
    /// When the present round began.
    now: Tick,
    instant: Instant,
}

/// Serves `listeners` until `shutdown` resolves, then lets present connections end within a short
/// bounded time. Runs on a tokio runtime with its I/O and time drivers enabled.
///
/// # Errors
/// The kernel has no epoll instance to give, or cannot watch a listener.
pub(in crate::listener) async fn serve(
    listeners: Listeners,
    settings: Settings,
    identity: Identity,
    log: Log,
    counts: Option<Arc<Counts>>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<Summary> {
    let rotation = log.rotation();
    let mut hall = Server::open(listeners, settings, identity, log, counts)?;
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            () = rotation.requested() => {
                hall.journal.rotate(Instant::now());
                hall.desk.identity.reload();
            }
            result = hall.next() => result?,
        }
    }
    hall.close_doors();
    while !hall.room.is_empty() {
        hall.next().await?;
    }
    Ok(hall.finish())
}

impl Server {
    fn open(
        listeners: Listeners,
        settings: Settings,
        identity: Identity,
        log: Log,
        counts: Option<Arc<Counts>>,
    ) -> io::Result<Server> {
        let (clock, instant) = (Clock::start(), Instant::now());
        let idle = Duration::from_secs(settings.idle);
        let hall = Server {
            room: ConnectionTable::new(settings.max_connections, settings.max_per_source, idle),
            journal: Journal::new(log, &settings),
            desk: WorkerState::new(settings, identity),
            poller: Poller::new()?,
            doors: listeners.sockets,
            crowded: Vec::new(),
            eager: VecDeque::new(),
            fresh: Vec::new(),
            retry: None,
            complained: None,
            summary: Summary::default(),
            counts,
            now: clock.tick(instant),
            instant,
            clock,
        };
        for (key, listener) in hall.doors.iter().enumerate() {
            hall.poller.add(&listener.socket, key as Key, Interest::Read)?;
        }
        Ok(hall)
    }

    /// Waits for something to do, and does it.
    async fn next(&mut self) -> io::Result<()> {
        let due = self.due();
        let clock = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => pending().await,
            }
        };
        let turns = self.eager.len().min(MOST_EAGER);
        let has_more = turns + self.fresh.len() + self.crowded.len() > 0;
        let mut ready = 0;
        tokio::select! {
            biased;
            result = self.poller.ready() => ready = result?,
            () = yield_now(), if has_more => {}
            () = clock => {}
        }
        self.look_at_the_clock();
        let unwatched = std::mem::take(&mut self.fresh);
        for place in 0..ready {
            let ready = self.poller.event(place);
            self.attend(ready.key, Wakeup::Ready(ready));
        }
        for key in std::mem::take(&mut self.crowded) {
            self.attend(key, Wakeup::Again);
        }
        for _ in 0..turns {
            let Some(key) = self.eager.pop_front() else { break };
            self.attend(key, Wakeup::Again);
        }
        for key in unwatched {
            self.attend(key, Wakeup::Ready(Ready { key, writable: false, ended: false }));
            self.watch(key);
        }
        if self.fresh.len() < CROWD {
            for key in std::mem::take(&mut self.fresh) {
                self.watch(key);
            }
        }
        self.tend();
        Ok(())
    }

    fn look_at_the_clock(&mut self) {
        self.instant = Instant::now();
        self.now = self.clock.tick(self.instant);
    }

    /// When something is to be done although nothing happens.
    fn due(&self) -> Option<Instant> {
        let waits = [self.room.next_timeout(), self.retry];
        let waits = waits.into_iter().flatten().map(|tick| self.clock.instant(tick));
        waits.chain(self.journal.due()).min()
    }

    fn tend(&mut self) {
        while let Some((key, wait)) = self.room.timed_out(self.now) {
            self.attend(key, Wakeup::Due(wait));
        }
        if self.retry.is_some_and(|when| when <= self.now) {
            self.retry = None;
            for door in 0..self.doors.len() {
                self.attend(door as Key, Wakeup::Again);
            }
        }
        self.journal.tend(self.instant);
        if let Some(counts) = &self.counts {
            counts.are_present(self.room.len());
        }
    }

    /// Gives the door or the connection of that name its turn.
    fn attend(&mut self, key: Key, call: Wakeup) {
        if key < FIRST_KEY {
            if self.accept(key) && !self.crowded.contains(&key) {
                self.crowded.push(key);
            }
            return;
        }
        let Some(connection) = self.room.get_mut(key) else { return };
        if let Wakeup::Ready(ready) = call
            && connection.is_eager()
        {
            return connection.note(ready);
        }
        let turn = connection.drive(call, &mut self.desk, self.now);
        let watched = connection.watch_for_room(&self.poller, key);
        let active = connection.active();
        let eager = matches!(turn, Progress::Again(_)) && connection.becomes_eager();
        match (turn, watched) {
            (Progress::Over, _) | (_, Err(_)) => {
                let connection = self.room.remove(key);
                self.record(&connection);
            }
            (Progress::Wait(wait) | Progress::Again(wait), Ok(())) => {
                self.room.set_timeout(key, wait, active, self.now);
                if eager {
                    self.eager.push_back(key);
                }
            }
        }
    }

    /// Lets in who waits at a door; says whether more may wait there.
    fn accept(&mut self, key: Key) -> bool {
        for _ in 0..MOST_ACCEPTED {
            let Some(listener) = self.doors.get(key as usize) else { return false };
            let port = listener.port;
            match listener.socket.accept() {
                Ok((stream, peer)) => self.welcome(stream, peer, port),
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => return false,
                Err(cause) => {
                    if !self.survives(&cause) {
                        self.retry = Some(self.now.after(ACCEPT_PAUSE));
                        return false;
                    }
                }
            }
        }
        true
    }

    fn welcome(&mut self, stream: TcpStream, peer: SocketAddr, port: ListenPort) {
        if let Some(key) = self.room.eviction_candidate_for(peer.ip()) {
            self.attend(key, Wakeup::Go(Order::MakeRoom));
        }
        if let Some(key) = self.room.overdue_close() {
            self.attend(key, Wakeup::Go(Order::Vanish));
        }
        let destination = match port {
            ListenPort::Reserved(port) => OriginalDestination::direct(port),
            ListenPort::Notice(_) => {
                OriginalDestination::of_redirected(&stream, peer.ip(), &self.desk.settings)
            }
        };
        let layer = Transport::new(self.desk.identity.server_config().cloned());
        let mut connection = Connection::new(stream, peer, destination, layer, self.now);
        let turn = connection.drive(Wakeup::Welcome, &mut self.desk, self.now);
        let eager = matches!(turn, Progress::Again(_)) && connection.becomes_eager();
        let (Progress::Wait(wait) | Progress::Again(wait)) = turn else {
            return self.record(&connection);
        };
        let key = self.room.insert(connection, peer.ip(), wait, self.now);
        self.fresh.push(key);
        if eager {
            self.eager.push_back(key);
        }
    }

    /// Has a connection watched, if it is still there.
    fn watch(&mut self, key: Key) {
        let Some(connection) = self.room.get_mut(key) else { return };
        if let Err(cause) = connection.watch(&self.poller, key) {
            tracing::warn!("could not watch a connection: {cause}");
            self.attend(key, Wakeup::Go(Order::Vanish));
        }
    }

    /// Goes on after accepting failed; says whether trying again at once makes sense.
    fn survives(&mut self, cause: &io::Error) -> bool {
        let errno = cause.raw_os_error().map(Errno::from_raw);
        // Only the one peer was concerned.
        if let Some(Errno::ECONNABORTED | Errno::EINTR | Errno::EPROTO | Errno::EPERM) = errno {
            return true;
        }
        if self.complained.is_none_or(|told| self.now.since(told) >= COMPLAINT) {
            self.complained = Some(self.now);
            tracing::warn!(
                "could not accept a connection: {cause}; closing idle ones if there are"
            );
        }
        let is_full = matches!(errno, Some(Errno::EMFILE | Errno::ENFILE));
        match self.room.cheapest_to_close().filter(|_| is_full) {
            Some(key) => {
                self.attend(key, Wakeup::Go(Order::Vanish));
                true
            }
            None => false,
        }
    }

    fn record(&mut self, connection: &Connection) {
        let attempt = connection.attempt(self.now);
        self.summary.connections += 1;
        self.summary.told += u64::from(attempt.notice_sent);
        self.summary.replies += attempt.replies;
        self.summary.shed += u64::from(attempt.outcome == Outcome::Shed);
        if let Some(counts) = &self.counts {
            counts.record(&attempt);
        }
        self.journal.record(&attempt, self.instant);
    }

    /// Lets in who waits at the doors, closes them, and asks everybody to go.
    fn close_doors(&mut self) {
        self.look_at_the_clock();
        for door in 0..self.doors.len() {
            let mut rounds = 0..usize::from(BACKLOG) / MOST_ACCEPTED;
            while rounds.next().is_some() && self.accept(door as Key) {}
        }
        self.doors.clear();
        for key in self.room.keys() {
            self.attend(key, Wakeup::Go(Order::Stop));
        }
    }

    /// Writes the log to its end, and sums up.
    fn finish(self) -> Summary {
        let (logged, folded) = self.journal.finish(Instant::now());
        Summary { logged, folded, ..self.summary }
    }
}
