//! What the listener tells the log and the service manager: which ports it answers on, and what does not work.
//!
//! Never: says more than one line to the service manager.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use sd_notify::NotifyState;

use super::event_loop::Server;
use crate::listener::net::bind::{LeftAlone, addresses};
use crate::listener_contract::DEGRADED;

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
        if let Some(no_metrics) = &self.no_metrics {
            tracing::warn!("{no_metrics}");
        }
        if bound.is_empty() {
            tracing::warn!("no port is left to listen on");
        }
        notify_manager(&[NotifyState::Ready, NotifyState::Status(&self.status())]);
    }

    /// Tells the service manager what has changed.
    pub(super) fn announce_status(&self) {
        notify_manager(&[NotifyState::Status(&self.status())]);
    }

    fn status(&self) -> String {
        let ports = addresses(&self.listeners).iter().map(SocketAddr::port).collect();
        let identity = &self.state.identity;
        let unbound = self.unbound.iter().map(ToString::to_string).collect();
        let degraded = [some(unbound, ", "), identity.error(), self.no_metrics.clone()];
        let degraded: Vec<String> = degraded.into_iter().flatten().collect();
        let through_tls = identity.server_config().map_or("", |_| ", also through TLS");
        let status = format!("{}{through_tls}", answers_on(&ports));
        match degraded.is_empty() {
            true => status,
            false => format!("{status}{DEGRADED}{}", degraded.join(", ")),
        }
    }
}

fn answers_on(ports: &BTreeSet<u16>) -> String {
    let named = ports.iter().map(u16::to_string).collect();
    match some(named, ", ") {
        Some(named) => format!("answers on port {named}"),
        None => "answers on no port: other programs have them".to_owned(),
    }
}

/// The first ones of a list, and how many more there are; `None` where there is none.
fn some(mut all: Vec<String>, separator: &str) -> Option<String> {
    let more = all.len().saturating_sub(MAX_NAMED_PORTS);
    all.truncate(MAX_NAMED_PORTS);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!all.is_empty()).then(|| format!("{}{more}", all.join(separator)))
}

/// Tells the service manager; that it cannot be told is only logged.
pub(super) fn notify_manager(states: &[NotifyState<'_>]) {
    if let Err(cause) = sd_notify::notify(states) {
        tracing::warn!("could not notify the service manager: {cause}");
    }
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
