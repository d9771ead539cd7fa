//! What the listener tells its log of diagnostics and the service manager of its ports.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::event_loop::Server;
use crate::listener::net::bind::{LeftAlone, addresses};

/// Ports that the status line names one by one; a thousand would make it unreadable.
const MAX_NAMED_PORTS: usize = 16;

impl Server {
    /// Tells the log and the service manager what is listened on, and what does not work.
    pub(super) fn announce_ready(&self, left_alone: &[LeftAlone]) {
        let bound = addresses(&self.listeners);
        for unbound in &self.unbound {
            tracing::warn!("{unbound}; the listener takes it once it is free");
        }
        for address in &bound {
            tracing::info!("listening on {address}");
        }
        for left in left_alone {
            tracing::info!("port {} is left alone: {}", left.port, left.reason);
        }
        if bound.is_empty() {
            tracing::warn!("no port is left to listen on");
        }
        self.announce_ports();
        self.health.ready();
    }

    /// Tells which ports are listened on, and which addresses other programs have.
    pub(super) fn announce_ports(&self) {
        let ports = addresses(&self.listeners).iter().map(SocketAddr::port).collect();
        let unbound = some(self.unbound.iter().map(ToString::to_string).collect());
        self.health.set_ports(answers_on(&ports), unbound);
    }
}

fn answers_on(ports: &BTreeSet<u16>) -> String {
    let named = some(ports.iter().map(u16::to_string).collect());
    match named.is_empty() {
        true => "answers on no port: other programs have them".to_owned(),
        false => format!("answers on port {}", named.join(", ")),
    }
}

/// The first ones of a list; the last of them says how many more there are.
fn some(mut all: Vec<String>) -> Vec<String> {
    let more = all.len().saturating_sub(MAX_NAMED_PORTS);
    all.truncate(MAX_NAMED_PORTS);
    if let Some(last) = all.last_mut().filter(|_| more > 0) {
        last.push_str(&format!(" and {more} more"));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_ports_stay_one_short_line() {
        let line = answers_on(&(6000..7000).collect());
        assert!(line.starts_with("answers on port 6000, 6001,") && line.ends_with(" and 984 more"));
        assert_eq!(answers_on(&[1].into()), "answers on port 1");
        assert_eq!(answers_on(&BTreeSet::new()), "answers on no port: other programs have them");
    }
}
