//! Binds addresses that another program has, once they are free again.
//!
//! Never: binds a port with `listen = "if-free"` after the start: a Redis that restarts must get it.

use std::mem;
use std::time::Duration;

use super::connections::Key;
use super::event_loop::Server;
use crate::listener::local_clients::Identifier;
use crate::listener::net::bind::Unbound;
use crate::listener::net::epoll::Interest;

/// How long until the next try. It costs two system calls for each address, and only while one is missing.
const INTERVAL: Duration = Duration::from_secs(3);

impl Server {
    /// Sets when to try next: never while nothing is missing.
    pub(super) fn schedule_bind_retry(&mut self) {
        self.bind_retry = (!self.unbound.is_empty()).then(|| self.now.after(INTERVAL));
    }

    /// Tries again to bind what is missing, and tells the service manager if that changed anything.
    pub(super) fn retry_binding(&mut self) {
        let before = self.unbound.len();
        for unbound in mem::take(&mut self.unbound) {
            let address = unbound.address;
            let listener = match unbound.retry() {
                Ok(listener) => listener,
                Err(unbound) => {
                    self.unbound.push(unbound);
                    continue;
                }
            };
            let key = self.listeners.len() as Key;
            if let Err(cause) = self.poller.add(&listener.socket, key, Interest::AnyInput) {
                // The socket is closed, and the address is tried again.
                tracing::warn!("could not watch {address}: {cause}");
                self.unbound.push(Unbound::lost(listener.port, address, cause));
                continue;
            }
            tracing::info!("listening on {address}, which is free again");
            if self.listeners.is_empty() {
                self.identifier = Identifier::new(Some(&listener.socket));
            }
            self.listeners.push(listener);
        }
        self.schedule_bind_retry();
        if self.unbound.len() != before {
            self.count_unbound();
            self.announce_ports();
        }
    }

    /// Counts the missing addresses for Prometheus.
    pub(super) fn count_unbound(&self) {
        if let Some(counters) = &self.counters {
            counters.set_unbound(self.unbound.iter().map(|unbound| unbound.port.number()));
        }
    }
}
