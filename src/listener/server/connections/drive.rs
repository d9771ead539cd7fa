//! What one wakeup makes a connection do: it carries bytes between the socket and the session as far as
//! that goes without waiting, and says what the connection waits for next.
//!
//! Never: keeps received bytes; stops reading because replies wait to be sent (two sides that wait for
//! each other never end); or closes with unread input before the replies are out, because the
//! kernel would then send a reset, and the client would lose the notice.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Shutdown};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};

use super::readiness::{Input, Output};
use super::state::{CloseReason, Connection, Lifecycle, Schedule};
use super::timeout::{CONNECTION_LIMIT, TimeoutKind};
use crate::listener::clock::Tick;
use crate::listener::net::epoll::Ready;
use crate::listener::protocol::session::{Phase, Session};
use crate::listener::server::shared::WorkerState;

/// Commands after which a client that waits for each reply is taken for one that retries in a loop.
const RETRY_LOOP_COMMANDS: u32 = 50;
/// Reads from this size on are a pipeline or a value, and never delayed.
const LARGE_READ: usize = 4096;
/// The most bytes that a connection may carry, both ways, and again the most that are discarded while
/// it lingers.
const MAX_BYTES: u32 = 1 << 30;
/// How long a peer may go on sending while the connection lingers.
const MAX_LINGER: Duration = Duration::from_secs(30);
/// How long an acknowledgement is waited for: five retransmissions at TCP's first time-out.
const MAX_ACKNOWLEDGEMENT: Duration = Duration::from_secs(5);
/// Reads in one wakeup: a client that sends without end must leave others their turn.
const MAX_READS: usize = 4;
/// Sends in one wakeup, for the same reason.
const MAX_SENDS: usize = 8;

/// Why a connection is driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wakeup {
    /// It was accepted.
    Accepted,
    /// Its socket is ready.
    Ready(Ready),
    /// Its turn in the queue of runnable connections came.
    Scheduled,
    /// What it waited for did not come in time.
    TimedOut(TimeoutKind),
    /// It is to send what it owes, and close.
    Close(CloseReason),
    /// It is to close at once, to free its descriptor; what cannot be sent now is lost.
    Abort,
}

/// How far a wakeup brought the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It waits.
    Wait(TimeoutKind),
    /// It could go on at once, and waits like this until its turn comes.
    Runnable(TimeoutKind),
    /// It is over; dropping it closes the socket.
    Over,
}

impl Connection {
    /// Does what can be done without waiting.
    pub fn drive(&mut self, wakeup: Wakeup, state: &mut WorkerState, now: Tick) -> Progress {
        match wakeup {
            Wakeup::Ready(ready) => self.note_ready(ready),
            Wakeup::Scheduled => self.leave(Schedule::Runnable),
            Wakeup::TimedOut(TimeoutKind::Tarpit) => self.leave(Schedule::Delayed),
            Wakeup::Close(_) | Wakeup::Abort => {
                self.read_to_end();
                self.leave(Schedule::Delayed);
            }
            Wakeup::TimedOut(_) | Wakeup::Accepted => {}
        }
        if let Lifecycle::Lingering { since, .. } = self.lifecycle {
            return self.linger(since, wakeup, state, now);
        }
        let progress = self.with_session(state, |connection, session, state| {
            let progress = connection.exchange(wakeup, session, state, now);
            // Nothing more goes through the transport: what still comes is discarded, sealed or not.
            let is_sent = matches!(connection.lifecycle, Lifecycle::Lingering { .. });
            if (is_sent || matches!(progress, Ok(Progress::Over) | Err(_)))
                && let Some(outcome) = connection.transport.finish(session)
            {
                session.record_tls(outcome);
            }
            progress
        });
        progress.unwrap_or_else(|error| {
            // Not where this side has given up.
            if error.raw_os_error().is_some() {
                self.note_reset();
            }
            Progress::Over
        })
    }

    /// Receives commands and sends replies.
    ///
    /// # Errors
    /// The remaining replies cannot be sent.
    fn exchange(
        &mut self,
        wakeup: Wakeup,
        session: &mut Session,
        state: &mut WorkerState,
        now: Tick,
    ) -> io::Result<Progress> {
        match wakeup {
            // A late command may have come in this instant.
            Wakeup::TimedOut(TimeoutKind::FirstByte | TimeoutKind::PartialLine) => {
                self.input = self.input.reported(false);
            }
            Wakeup::TimedOut(TimeoutKind::Idle | TimeoutKind::Busy) => {
                self.close(session, CloseReason::Idle);
            }
            // Before more is read: the next command of a loop would delay these replies again.
            Wakeup::TimedOut(TimeoutKind::Tarpit) => drop(self.send(session, state, now)?),
            Wakeup::TimedOut(_) => return Err(ErrorKind::TimedOut.into()),
            _ => {}
        }
        let received_before = self.received;
        if self.schedule != Schedule::Delayed {
            self.receive(session, state, now)?;
        }
        if self.asks_again(wakeup, session, state, now) {
            self.schedule = Schedule::Delayed;
        }
        match wakeup {
            Wakeup::TimedOut(TimeoutKind::FirstByte | TimeoutKind::PartialLine)
                if self.received == received_before
                    && matches!(session.phase(), Phase::AwaitingInput | Phase::PartialLine) =>
            {
                session.send_unprompted_notice();
            }
            // The client ended it first, and its outcome says so.
            Wakeup::Close(_) | Wakeup::Abort
                if self.input == Input::Ended || session.is_closing() => {}
            Wakeup::Close(reason) => self.close(session, reason),
            Wakeup::Abort => self.close(session, CloseReason::Evicted),
            _ if self.received.saturating_add(self.sent) > MAX_BYTES
                || now.since(self.started) > CONNECTION_LIMIT =>
            {
                self.close(session, CloseReason::Limit);
            }
            _ if self.schedule == Schedule::Delayed => {
                return Ok(Progress::Wait(TimeoutKind::Tarpit));
            }
            _ => {}
        }
        let has_more = self.send(session, state, now)?;
        if session.phase() == Phase::Closed {
            self.transport.close();
            self.send(session, state, now)?;
            if !self.transport.has_output(session) {
                return Ok(self.hang_up(wakeup, state, now));
            }
        }
        // Its session had ended before, but the peer takes the last replies slowly or not at all. As
        // an open connection it would keep its place, and be the one to evict again every time.
        let is_evicted = matches!(wakeup, Wakeup::Close(CloseReason::Evicted) | Wakeup::Abort);
        if is_evicted && self.lifecycle == Lifecycle::Open {
            self.lifecycle = Lifecycle::Closing(CloseReason::Evicted);
        }
        if wakeup == Wakeup::Abort {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        let timeout = self.next_timeout(session, state);
        Ok(self.wait(timeout, has_more))
    }

    /// What the connection waits for until it is driven again.
    fn next_timeout(&self, session: &Session, state: &WorkerState) -> TimeoutKind {
        if let Some(timeout) = self.closing_timeout(state) {
            return timeout;
        }
        // A handshake takes several packets in which the session gets nothing.
        if self.transport.is_handshaking() {
            return TimeoutKind::Busy;
        }
        match session.phase() {
            Phase::AwaitingInput => TimeoutKind::FirstByte,
            Phase::PartialLine => TimeoutKind::PartialLine,
            Phase::Idle | Phase::Closed => TimeoutKind::Idle,
            Phase::Busy | Phase::Closing => TimeoutKind::Busy,
        }
    }

    /// What it waits for once this side closes it.
    fn closing_timeout(&self, state: &WorkerState) -> Option<TimeoutKind> {
        if state.is_stopping {
            return Some(TimeoutKind::Shutdown);
        }
        self.lifecycle.close_reason().map(|_| TimeoutKind::Closing)
    }

    fn wait(&self, timeout: TimeoutKind, has_more: bool) -> Progress {
        if has_more || self.input.is_readable() {
            Progress::Runnable(timeout)
        } else {
            Progress::Wait(timeout)
        }
    }

    /// Ends the session from this side. The first reason counts.
    fn close(&mut self, session: &mut Session, reason: CloseReason) {
        if self.lifecycle == Lifecycle::Open {
            self.transport.release(session);
            session.close_with_notice();
            self.lifecycle = Lifecycle::Closing(reason);
            self.leave(Schedule::Delayed);
        }
    }

    /// Closes the sending side after the last reply. The connection lingers unless the peer has closed
    /// its side already.
    fn hang_up(&mut self, wakeup: Wakeup, state: &mut WorkerState, now: Tick) -> Progress {
        if self.input == Input::Ended && !self.awaits_acknowledgement() {
            return Progress::Over;
        }
        // An error means that the peer is gone: the next read says so too.
        let _ = self.stream.shutdown(Shutdown::Write);
        let reason = self.lifecycle.close_reason();
        self.lifecycle = Lifecycle::Lingering { since: now, reason };
        self.received = 0;
        self.linger(now, wakeup, state, now)
    }

    /// Discards what still comes. To close at once would make the kernel send a reset, which can
    /// overtake the last reply.
    fn linger(
        &mut self,
        since: Tick,
        wakeup: Wakeup,
        state: &mut WorkerState,
        now: Tick,
    ) -> Progress {
        let is_over = match wakeup {
            Wakeup::TimedOut(TimeoutKind::Acknowledgement) => false,
            Wakeup::TimedOut(timeout) => timeout.is_closing(),
            other => other == Wakeup::Abort,
        };
        if is_over {
            return Progress::Over;
        }
        if self.input == Input::Ended {
            return self.await_acknowledgement(since, state, now);
        }
        for _ in 0..MAX_READS {
            match self.read(state, now) {
                Ok(None) => break,
                // A library that was late: it takes the sentence for the reply to its set-up.
                Ok(Some(1..)) if self.record().is_silent() => self.told_at = 0,
                Ok(Some(1..)) => {}
                Ok(Some(0)) => return Progress::Over,
                Err(_) => {
                    self.note_reset();
                    return Progress::Over;
                }
            }
        }
        if self.received > MAX_BYTES || now.since(since) > MAX_LINGER {
            return Progress::Over;
        }
        self.wait(self.closing_timeout(state).unwrap_or(TimeoutKind::Lingering), false)
    }

    /// Waits until the sentence is acknowledged, for a bounded time: the peer's end came before it was sent,
    /// as from `printf 'PING\r\n' | nc -N`.
    fn await_acknowledgement(&mut self, since: Tick, state: &WorkerState, now: Tick) -> Progress {
        let is_reset = self.stream.take_error().is_ok_and(|error| error.is_some());
        if is_reset {
            self.note_reset();
        }
        if is_reset || !self.awaits_acknowledgement() || now.since(since) > MAX_ACKNOWLEDGEMENT {
            return Progress::Over;
        }
        Progress::Wait(self.closing_timeout(state).unwrap_or(TimeoutKind::Acknowledgement))
    }

    /// Reads, and passes what comes to the session.
    fn receive(
        &mut self,
        session: &mut Session,
        state: &mut WorkerState,
        now: Tick,
    ) -> io::Result<()> {
        for _ in 0..MAX_READS {
            match self.read(state, now)? {
                None => break,
                Some(0) => self.transport.end_of_input(session),
                Some(bytes) => {
                    let (source, handshakes) = (self.source(state), &mut state.handshakes);
                    let config = state.identity.server_config();
                    let begin_tls = || config.filter(|_| handshakes.admit(source, now));
                    self.transport.receive(&state.read_buffer[..bytes], session, begin_tls);
                    let is_large = bytes >= LARGE_READ;
                    let was_large = std::mem::replace(&mut self.last_read_was_large, is_large);
                    if !was_large && !is_large && self.is_retry_loop(session, state) {
                        self.schedule = Schedule::Delayed;
                        break;
                    }
                    // More of a full buffer's kind is likely to come: others have their turn first.
                    if bytes == state.read_buffer.len() {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether the client sends one command after the other, whatever the replies say: a program that
    /// retries without a pause. Close to the end of the connection it does not matter.
    fn is_retry_loop(&self, session: &Session, state: &WorkerState) -> bool {
        self.input != Input::ReadableToEnd
            && self.lifecycle == Lifecycle::Open
            && !state.is_stopping
            && session.commands() > RETRY_LOOP_COMMANDS
            && session.owes_replies()
    }

    /// Reads once into the shared buffer: `None` if nothing is there, `Some(0)` at the peer's end.
    fn read(&mut self, state: &mut WorkerState, now: Tick) -> io::Result<Option<usize>> {
        if !self.input.is_readable() {
            return Ok(None);
        }
        let buffer = &mut state.read_buffer;
        match recv(self.stream.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(bytes) => {
                self.input = self.input.after_read(bytes, buffer.len());
                self.received = self.received.saturating_add(bytes as u32);
                self.active = now;
                Ok(Some(bytes))
            }
            Err(Errno::EAGAIN) => {
                self.input = Input::Drained;
                Ok(None)
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// Sends queued replies for as long as the socket takes them; true if it would take more.
    fn send(
        &mut self,
        session: &mut Session,
        state: &mut WorkerState,
        now: Tick,
    ) -> io::Result<bool> {
        for _ in 0..MAX_SENDS {
            if self.output == Output::Blocked || !self.transport.has_output(session) {
                return Ok(false);
            }
            let notice = state.notice(self.destination.port, self.address_for(session));
            let (socket, output) = (self.stream.as_raw_fd(), &mut self.output);
            let mut write = |bytes: &[u8]| {
                let sent = send(socket, bytes, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL);
                if sent == Err(Errno::EAGAIN) {
                    *output = Output::Blocked;
                }
                Ok(sent?)
            };
            let buffer = &mut state.write_buffer;
            let sent = self.transport.send(session, &notice, buffer, &mut write)?;
            self.sent = self.sent.saturating_add(sent as u32);
            self.active = if sent > 0 { now } else { self.active };
            self.told_at = match (session.record().told_user(), self.told_at) {
                (false, _) => 0,
                (true, 0) => self.sent,
                (true, before) => before,
            };
        }
        Ok(self.transport.has_output(session))
    }

    /// The address that the client meant. It costs system calls, so only replies that contain it get the
    /// real one.
    fn address_for(&self, session: &Session) -> IpAddr {
        if session.needs_address() {
            self.destination.address(&self.stream)
        } else {
            Ipv4Addr::UNSPECIFIED.into()
        }
    }
}

#[cfg(test)]
#[path = "drive_tests.rs"]
mod tests;
