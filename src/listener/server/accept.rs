//! Accepting connections: in batches, with room made for each, and again after accepting failed.
//!
//! Never: stops for good because accepting failed once.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use nix::errno::Errno;

use super::connections::{CloseReason, Connection, Key, Progress, Wakeup};
use super::event_loop::Server;
use crate::listener::net::bind::{BACKLOG, ListenPort};
use crate::listener::net::epoll::Interest;
use crate::listener::net::original_dst::{OriginalDestination, conntrack_destination};
use crate::listener::source::{Source, SourceKey};

/// Connections accepted from one listener in a round, before others have their turn.
const MAX_ACCEPTED: usize = 64;
/// How long accepting rests when it fails for a reason that does not go away by itself.
const RETRY_DELAY: Duration = Duration::from_millis(10);
/// How long a failure to accept is not logged again.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

impl Server {
    /// Accepts from a listener that is ready; it is reported again while more wait there. A client alone is
    /// the usual case, and to find that no other waits costs as much as to accept one: so only a second
    /// round in a row takes a batch.
    pub(super) fn accept(&mut self, listener: usize) {
        let most = if self.is_crowded { MAX_ACCEPTED } else { 1 };
        self.accept_batch(listener, most);
        self.has_accepted = true;
    }

    /// Accepts again at all listeners, after that failed.
    pub(super) fn resume_accepting(&mut self) {
        self.accept_retry = None;
        self.watch_listeners(Interest::AnyInput);
    }

    /// Accepts all that waits when the listener stops: the kernel would reset these connections.
    pub(super) fn drain_backlogs(&mut self) {
        for listener in 0..self.listeners.len() {
            let mut batches = 0..usize::from(BACKLOG) / MAX_ACCEPTED;
            while batches.next().is_some() && self.accept_batch(listener, MAX_ACCEPTED) {}
        }
    }

    /// Accepts `most` connections; says whether more may wait.
    fn accept_batch(&mut self, listener: usize, most: usize) -> bool {
        for _ in 0..most {
            let Some(listener) = self.listeners.get(listener) else { return false };
            let port = listener.port;
            match listener.socket.accept() {
                Ok((stream, peer)) => self.admit(stream, peer, port),
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => return false,
                Err(cause) => {
                    if !self.recover(&cause) {
                        // What waits would be reported all the time.
                        self.watch_listeners(Interest::Nothing);
                        self.accept_retry = Some(self.now.after(RETRY_DELAY));
                        return false;
                    }
                }
            }
        }
        true
    }

    /// Changes what all listeners are watched for. If that fails, it is tried again like accepting.
    fn watch_listeners(&mut self, interest: Interest) {
        for (index, listener) in self.listeners.iter().enumerate() {
            if let Err(cause) = self.poller.modify(&listener.socket, index as Key, interest) {
                tracing::warn!("could not watch a listening socket: {cause}");
                self.accept_retry = Some(self.now.after(RETRY_DELAY));
            }
        }
    }

    /// Makes room for a new connection, and drives it for the first time.
    fn admit(&mut self, stream: TcpStream, peer: SocketAddr, port: ListenPort) {
        let destination = match port {
            ListenPort::Reserved(port) => OriginalDestination::direct(port),
            ListenPort::Notice(_) => {
                let original = conntrack_destination(&stream, peer.is_ipv4());
                OriginalDestination::redirected(original, &self.state.settings)
            }
        };
        // An outsider that was redirected may have any address.
        let local = match destination.redirected {
            true => None,
            false => self.identifier.identify(&stream, peer, self.now),
        };
        let source = match &local {
            Some(local) if local.is_own => SourceKey::OWN,
            _ => Source::new(peer.ip(), local.as_ref().and_then(|local| local.cgroup)).key(),
        };
        if let Some(key) = self.connections.eviction_candidate_for(source) {
            self.drive(key, Wakeup::Close(CloseReason::Evicted));
        }
        if let Some(key) = self.connections.overdue_close() {
            self.drive(key, Wakeup::Abort);
        }
        let mut connection = Connection::new(stream, peer, destination, self.now);
        connection.local = local.map(|local| self.state.local_clients.insert(local));
        let progress = connection.drive(Wakeup::Accepted, &mut self.state, self.now);
        let (Progress::Wait(timeout) | Progress::Runnable(timeout)) = progress else {
            return self.record(&connection);
        };
        let is_runnable = matches!(progress, Progress::Runnable(_)) && connection.mark_runnable();
        let key = self.connections.insert(connection, source, timeout, self.now);
        self.unwatched.push(key);
        if is_runnable {
            self.runnable.push_back(key);
        }
    }

    /// Does what helps after accepting failed; says whether it may be tried again at once.
    fn recover(&mut self, cause: &io::Error) -> bool {
        let errno = cause.raw_os_error().map(Errno::from_raw);
        // accept(2): these concern one peer only, and the next connection may be fine.
        if let Some(Errno::ECONNABORTED | Errno::EINTR | Errno::EPROTO | Errno::EPERM) = errno {
            return true;
        }
        if self.accept_warning.is_none_or(|last| self.now.since(last) >= WARNING_INTERVAL) {
            self.accept_warning = Some(self.now);
            tracing::warn!(
                "could not accept a connection: {cause}; closing idle ones if there are"
            );
        }
        let is_full = matches!(errno, Some(Errno::EMFILE | Errno::ENFILE));
        match self.connections.cheapest_to_close().filter(|_| is_full) {
            Some(key) => {
                self.drive(key, Wakeup::Abort);
                true
            }
            None => false,
        }
    }
}
