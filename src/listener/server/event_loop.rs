//! The event loop: one thread that accepts, drives every connection that can go on, and ends all of them
//! in good order when the listener stops.
//!
//! Never: spins, waits while a connection could go on, or lets one connection keep it for long.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use super::connections::{
    CloseReason, Connection, ConnectionTable, FIRST_KEY, Key, Progress, Wakeup,
};
use super::requests::{Request, Requests};
use super::shared::WorkerState;
use crate::listener::clock::{Clock, Tick};
use crate::listener::health::Health;
use crate::listener::local_clients::Identifier;
use crate::listener::log::{Attempt, Journal, Log, Told};
use crate::listener::metrics::counters::Counters;
use crate::listener::net::bind::{Listener, Listeners, Unbound};
use crate::listener::net::epoll::{Interest, Poller, Ready};
use crate::listener::settings::Settings;
use crate::listener::tls::Identity;

/// Runnable connections that are driven in one round: new ones wait for a few of those that send
/// without end, not for all of them.
const MAX_SCHEDULED: usize = 4;
/// Connections that are driven in a quiet round because their wait is over: those of a pool were delayed at
/// once, and would all be answered before a client that has just come.
const MAX_TIMED_OUT: usize = 4;
/// From so many new connections in one round on, each is driven a second time before epoll watches
/// it: most are over by then, and to be watched costs as much as a reply.
const CROWD: usize = 4;
/// The key of the requests; listeners have the keys below it.
const REQUESTS: Key = FIRST_KEY - 1;

/// What was served, for the line that says that the listener stopped.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Summary {
    /// Connections accepted, without those of probes.
    pub(super) connections: u64,
    /// Those whose own call was answered by the notice, and the answer arrived.
    pub(super) told: u64,
    /// Replies sent in full.
    pub(super) replies: u64,
    /// Connections whose question was delayed because its source repeats it.
    pub(super) delayed: u64,
}

/// Everything that one worker thread serves with.
pub(super) struct Server {
    pub(super) state: WorkerState,
    pub(super) poller: Poller,
    pub(super) connections: ConnectionTable<Connection>,
    /// Watched under their index as the key.
    pub(super) listeners: Vec<Listener>,
    /// The addresses that are missing among them.
    pub(super) unbound: Vec<Unbound>,
    /// When to try again to bind those.
    pub(super) bind_retry: Option<Tick>,
    pub(super) health: Arc<Health>,
    /// Whether a connection was accepted in this round, and in the one before.
    pub(super) has_accepted: bool,
    pub(super) is_crowded: bool,
    /// Connections that could go on at once, in the order of their turns.
    pub(super) runnable: VecDeque<Key>,
    /// Connections of the latest round that epoll does not watch yet.
    pub(super) unwatched: Vec<Key>,
    /// When to accept again at all listeners, after that failed.
    pub(super) accept_retry: Option<Tick>,
    /// When a failure to accept was last logged.
    pub(super) accept_warning: Option<Tick>,
    pub(super) identifier: Identifier,
    requests: Requests,
    is_stop_requested: bool,
    journal: Journal,
    summary: Summary,
    /// For Prometheus, where metrics are served.
    pub(super) counters: Option<Arc<Counters>>,
    clock: Clock,
    /// When the present round began.
    pub(super) now: Tick,
}

impl Server {
    /// A server for `listeners` that carries out `requests`.
    ///
    /// # Errors
    /// The kernel has no epoll instance to give, or cannot watch a listener.
    pub(super) fn new(
        listeners: Listeners,
        settings: Settings,
        identity: Identity,
        log: Log,
        counters: Option<Arc<Counters>>,
        health: Arc<Health>,
        requests: Requests,
    ) -> io::Result<Server> {
        let mut server = Server {
            connections: ConnectionTable::new(
                settings.max_connections,
                settings.max_per_source,
                Duration::from_secs(settings.idle),
            ),
            identifier: Identifier::new(listeners.sockets.first().map(|listener| &listener.socket)),
            journal: Journal::new(log, &settings),
            state: WorkerState::new(settings, identity),
            poller: Poller::new()?,
            listeners: listeners.sockets,
            bind_retry: None,
            unbound: listeners.unbound,
            health,
            has_accepted: false,
            is_crowded: false,
            requests,
            is_stop_requested: false,
            runnable: VecDeque::new(),
            unwatched: Vec::new(),
            accept_retry: None,
            accept_warning: None,
            summary: Summary::default(),
            counters,
            now: Tick::default(),
            clock: Clock::start(),
        };
        for (index, listener) in server.listeners.iter().enumerate() {
            server.poller.add(&listener.socket, index as Key, Interest::AnyInput)?;
        }
        server.poller.add(&server.requests, REQUESTS, Interest::AnyInput)?;
        server.count_unbound();
        server.schedule_bind_retry();
        Ok(server)
    }

    /// Serves until it is asked to stop.
    ///
    /// # Errors
    /// The kernel cannot wait for sockets.
    pub(super) fn serve(&mut self) -> io::Result<()> {
        while !self.is_stop_requested {
            self.run_round()?;
        }
        Ok(())
    }

    /// Lets open connections end within a short bounded time.
    ///
    /// # Errors
    /// The kernel cannot wait for sockets.
    pub(super) fn finish(mut self) -> io::Result<Summary> {
        self.stop();
        while !self.connections.is_empty() {
            self.run_round()?;
        }
        self.journal.finish(self.now);
        Ok(Summary { delayed: self.state.brake.delayed, ..self.summary })
    }

    /// Waits until something can be done, and does it.
    fn run_round(&mut self) -> io::Result<()> {
        let scheduled = self.runnable.len().min(MAX_SCHEDULED);
        let has_work = scheduled + self.unwatched.len() > 0;
        // With work at hand, one look at epoll, and no sleep.
        let timeout = if has_work { Some(Duration::ZERO) } else { self.time_to_next_due() };
        let ready = self.poller.wait(timeout)?;
        self.now = self.clock.now();
        let unwatched = mem::take(&mut self.unwatched);
        self.is_crowded = mem::take(&mut self.has_accepted);
        for index in 0..ready {
            self.dispatch(self.poller.event(index));
        }
        for _ in 0..scheduled {
            let Some(key) = self.runnable.pop_front() else { break };
            self.drive(key, Wakeup::Scheduled);
        }
        for key in unwatched {
            self.drive(key, Wakeup::Ready(Ready { key, writable: false, ended: false }));
            self.watch(key);
        }
        if self.unwatched.len() < CROWD {
            for key in mem::take(&mut self.unwatched) {
                self.watch(key);
            }
        }
        self.run_timers(ready);
        Ok(())
    }

    /// How long until there is something to do even if no socket becomes ready.
    fn time_to_next_due(&self) -> Option<Duration> {
        let retries = [self.accept_retry, self.bind_retry];
        let others = [self.journal.due(), self.state.identity.due()];
        let ticks = [self.connections.next_timeout()].into_iter().chain(retries).chain(others);
        ticks.flatten().min().map(|tick| tick.since(self.clock.now()))
    }

    /// Drives connections whose wait is over: at least as many as were ready, so that no crowd delays them.
    fn run_timers(&mut self, ready: usize) {
        for _ in 0..MAX_TIMED_OUT.max(ready) {
            let Some((key, timeout)) = self.connections.timed_out(self.now) else { break };
            self.drive(key, Wakeup::TimedOut(timeout));
        }
        if self.accept_retry.is_some_and(|when| when <= self.now) {
            self.resume_accepting();
        }
        if self.bind_retry.is_some_and(|when| when <= self.now) {
            self.retry_binding();
        }
        self.journal.tend(self.now);
        self.state.identity.tend(self.now);
        if let Some(counters) = &self.counters {
            counters.set_open(self.connections.len());
        }
    }

    fn dispatch(&mut self, ready: Ready) {
        match ready.key {
            REQUESTS => self.take_requests(),
            listener @ ..FIRST_KEY => self.accept(listener as usize),
            key => self.drive(key, Wakeup::Ready(ready)),
        }
    }

    fn take_requests(&mut self) {
        for request in self.requests.take() {
            match request {
                Request::Reload => {
                    self.journal.rotate(self.now);
                    self.state.identity.reload();
                }
                Request::Stop => self.is_stop_requested = true,
            }
        }
    }

    /// Drives the connection with that key, if it is still open.
    pub(super) fn drive(&mut self, key: Key, wakeup: Wakeup) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        // Its turn will come: one that sends without end gets no more turns for that.
        if let Wakeup::Ready(ready) = wakeup
            && connection.is_runnable()
        {
            return connection.note_ready(ready);
        }
        let progress = connection.drive(wakeup, &mut self.state, self.now);
        let (Progress::Wait(timeout) | Progress::Runnable(timeout)) = progress else {
            return self.remove(key);
        };
        if connection.update_interest(&self.poller, key).is_err() {
            return self.remove(key);
        }
        if matches!(progress, Progress::Runnable(_)) && connection.mark_runnable() {
            self.runnable.push_back(key);
        }
        let active = connection.active;
        self.connections.set_timeout(key, timeout, active, self.now);
    }

    /// Has epoll watch a connection, if it is still open.
    fn watch(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if let Err(cause) = connection.watch(&self.poller, key) {
            tracing::warn!("could not watch a connection: {cause}");
            self.drive(key, Wakeup::Abort);
        }
    }

    /// Removes a connection that is over, which closes its socket.
    fn remove(&mut self, key: Key) {
        let connection = self.connections.remove(key);
        self.record(&connection);
    }

    /// Counts and logs a connection that is over.
    pub(super) fn record(&mut self, connection: &Connection) {
        let local = connection.local.and_then(|index| self.state.local_clients.remove(index));
        let attempt = Attempt { local: local.as_ref(), ..connection.attempt(self.now) };
        // A program of this host is none of the outsiders that probe, even if it has such an address.
        let is_probe = local.is_none() && self.state.settings.is_probe(attempt.peer.ip());
        let attempt = Attempt { is_probe, ..attempt };
        if attempt.is_own_question() {
            return;
        }
        if !is_probe {
            self.summary.connections += 1;
            self.summary.told += u64::from(attempt.told == Told::Yes);
            self.summary.replies += attempt.replies;
        }
        if let Some(counters) = &self.counters {
            counters.record(&attempt);
        }
        self.journal.record(&attempt, self.now);
    }

    /// Accepts what waits in the backlogs, stops listening, and asks every connection to close.
    fn stop(&mut self) {
        self.now = self.clock.now();
        self.drain_backlogs();
        self.listeners.clear();
        self.bind_retry = None;
        self.state.is_stopping = true;
        for key in self.connections.keys() {
            self.drive(key, Wakeup::Close(CloseReason::Shutdown));
        }
    }
}
