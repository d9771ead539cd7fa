//! Owns the serving: one thread accepts, gives every connection its turns, keeps the log's clock,
//! and ends it all in good order. Must never spin, never wait while somebody could be served, and
//! never stop accepting because accepting failed once.

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use super::connection::{Call, Connection, Order, Turn, patience};
use super::counts::Counts;
use super::desk::Desk;
use super::layer::Layer;
use super::listen::{Door, Listeners};
use super::log::{Journal, Log, Outcome};
use super::moment::{Clock, Moment};
use super::origin::{Origin, origin};
use super::poller::{Poller, Ready};
use super::room::{FIRST_KEY, Key, Room};
use super::settings::Settings;
use super::tls::Identity;

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
/// The most connections that may have waited at a door when it closes.
const MOST_WAITING: usize = 4096;

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
struct Hall {
    desk: Desk,
    poller: Poller,
    room: Room<Connection>,
    doors: Vec<(TcpListener, Door)>,
    /// Doors at which more may wait.
    crowded: Vec<Key>,
    /// Connections that could go on at once, in the order of their turns.
    eager: VecDeque<Key>,
    /// Connections that came in the latest round and are not watched yet.
    fresh: Vec<Key>,
    /// When to try again at all doors, after accepting failed.
    retry: Option<Moment>,
    /// When a failure to accept was last told.
    complained: Option<Moment>,
    journal: Journal,
    summary: Summary,
    /// What Prometheus is told, where it is.
    counts: Option<Arc<Counts>>,
    clock: Clock,
    /// When the present round began.
    now: Moment,
    instant: Instant,
}

/// Serves `listeners` until `shutdown` resolves, then lets present connections end within a short
/// bounded time. Runs on a tokio runtime with its I/O and time drivers enabled.
///
/// # Errors
/// The kernel has no epoll instance to give, or cannot watch a listener.
pub(super) async fn serve(
    listeners: Listeners,
    settings: Settings,
    identity: Identity,
    log: Log,
    counts: Option<Arc<Counts>>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<Summary> {
    let rotation = log.rotation();
    let mut hall = Hall::open(listeners, settings, identity, log, counts)?;
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            () = rotation.requested() => {
                hall.journal.rotate(Instant::now());
                hall.desk.identity.read_again();
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

impl Hall {
    fn open(
        listeners: Listeners,
        settings: Settings,
        identity: Identity,
        log: Log,
        counts: Option<Arc<Counts>>,
    ) -> io::Result<Hall> {
        let (clock, instant) = (Clock::start(), Instant::now());
        let idle = Duration::from_secs(settings.idle);
        let hall = Hall {
            room: Room::new(settings.max_connections, settings.max_per_source, idle, patience),
            journal: Journal::new(log, &settings),
            desk: Desk::new(settings, identity),
            poller: Poller::new()?,
            doors: listeners.sockets,
            crowded: Vec::new(),
            eager: VecDeque::new(),
            fresh: Vec::new(),
            retry: None,
            complained: None,
            summary: Summary::default(),
            counts,
            now: clock.moment(instant),
            instant,
            clock,
        };
        for (key, (socket, _)) in hall.doors.iter().enumerate() {
            hall.poller.watch(socket, key as Key, false)?;
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
            let ready = self.poller.told(place);
            self.attend(ready.key, Call::Ready(ready));
        }
        for key in std::mem::take(&mut self.crowded) {
            self.attend(key, Call::Again);
        }
        for _ in 0..turns {
            let Some(key) = self.eager.pop_front() else { break };
            self.attend(key, Call::Again);
        }
        for key in unwatched {
            self.attend(key, Call::Ready(Ready { key, writable: false, ended: false }));
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
        self.now = self.clock.moment(self.instant);
    }

    /// When something is to be done although nothing happens.
    fn due(&self) -> Option<Instant> {
        let waits = [self.room.due(), self.retry];
        let waits = waits.into_iter().flatten().map(|moment| self.clock.instant(moment));
        waits.chain(self.journal.due()).min()
    }

    fn tend(&mut self) {
        while let Some((key, wait)) = self.room.overdue(self.now) {
            self.attend(key, Call::Due(wait));
        }
        if self.retry.is_some_and(|when| when <= self.now) {
            self.retry = None;
            for door in 0..self.doors.len() {
                self.attend(door as Key, Call::Again);
            }
        }
        self.journal.tend(self.instant);
        if let Some(counts) = &self.counts {
            counts.are_present(self.room.len());
        }
    }

    /// Gives the door or the connection of that name its turn.
    fn attend(&mut self, key: Key, call: Call) {
        if key < FIRST_KEY {
            if self.accept(key) && !self.crowded.contains(&key) {
                self.crowded.push(key);
            }
            return;
        }
        let Some(connection) = self.room.guest(key) else { return };
        if let Call::Ready(ready) = call
            && connection.is_eager()
        {
            return connection.note(ready);
        }
        let turn = connection.take_turn(call, &mut self.desk, self.now);
        let watched = connection.watch_for_room(&self.poller, key);
        let active = connection.active();
        let eager = matches!(turn, Turn::Again(_)) && connection.becomes_eager();
        match (turn, watched) {
            (Turn::Over, _) | (_, Err(_)) => {
                let connection = self.room.leave(key);
                self.record(&connection);
            }
            (Turn::Wait(wait) | Turn::Again(wait), Ok(())) => {
                self.room.wait(key, wait, active, self.now);
                if eager {
                    self.eager.push_back(key);
                }
            }
        }
    }

    /// Lets in who waits at a door; says whether more may wait there.
    fn accept(&mut self, key: Key) -> bool {
        for _ in 0..MOST_ACCEPTED {
            let Some((listener, door)) = self.doors.get(key as usize) else { return false };
            let door = *door;
            match listener.accept() {
                Ok((stream, peer)) => self.welcome(stream, peer, door),
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

    fn welcome(&mut self, stream: TcpStream, peer: SocketAddr, door: Door) {
        if let Some(key) = self.room.in_the_way_of(peer.ip()) {
            self.attend(key, Call::Go(Order::MakeRoom));
        }
        if let Some(key) = self.room.too_slow_to_leave() {
            self.attend(key, Call::Go(Order::Vanish));
        }
        let origin = match door {
            Door::Reserved(port) => Origin { port, redirected: false },
            Door::Redirected => origin(&stream, peer.ip(), &self.desk.settings),
        };
        let layer = Layer::new(self.desk.identity.config().cloned());
        let mut connection = Connection::new(stream, peer, origin, layer, self.now);
        let turn = connection.take_turn(Call::Welcome, &mut self.desk, self.now);
        let eager = matches!(turn, Turn::Again(_)) && connection.becomes_eager();
        let (Turn::Wait(wait) | Turn::Again(wait)) = turn else {
            return self.record(&connection);
        };
        let key = self.room.enter(connection, peer.ip(), wait, self.now);
        self.fresh.push(key);
        if eager {
            self.eager.push_back(key);
        }
    }

    /// Has a connection watched, if it is still there.
    fn watch(&mut self, key: Key) {
        let Some(connection) = self.room.guest(key) else { return };
        if let Err(cause) = connection.watch(&self.poller, key) {
            tracing::warn!("could not watch a connection: {cause}");
            self.attend(key, Call::Go(Order::Vanish));
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
        match self.room.dispensable().filter(|_| is_full) {
            Some(key) => {
                self.attend(key, Call::Go(Order::Vanish));
                true
            }
            None => false,
        }
    }

    fn record(&mut self, connection: &Connection) {
        let attempt = connection.attempt(self.now);
        self.summary.connections += 1;
        self.summary.told += u64::from(attempt.told);
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
            let mut rounds = 0..MOST_WAITING / MOST_ACCEPTED;
            while rounds.next().is_some() && self.accept(door as Key) {}
        }
        self.doors.clear();
        for key in self.room.everybody() {
            self.attend(key, Call::Go(Order::Stop));
        }
    }

    /// Writes the log to its end, and sums up.
    fn finish(self) -> Summary {
        let (logged, folded) = self.journal.finish(Instant::now());
        Summary { logged, folded, ..self.summary }
    }
}
