//! What of the listener does not work: for the service manager (STATUS=, sd_notify(3)) and for the metrics.
//!
//! Guarantees: the service manager is told of every change, in the order of the changes.
//! Never: waits for anything but the lock, which nobody holds for long.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use sd_notify::NotifyState;

use crate::exposition::{Kind, Metric};
use crate::listener_contract;

/// A part of the listener that can fail while the others work, in the order of the status line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Ports that the listener should have, by address: other programs have them.
    Ports,
    /// The certificate, or its key.
    Certificate,
    /// The log of connections.
    Log,
    /// The port that serves the metrics.
    MetricsPort,
}

/// What works and what does not; all threads share it.
#[derive(Debug, Default)]
pub struct Health {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What the status line begins with.
    works: String,
    /// When the certificate ends that TLS clients are shown.
    certificate_end: Option<Timestamp>,
    faults: BTreeMap<Part, Vec<String>>,
    /// Lines that the log lacks, since the start.
    lost_lines: u64,
    /// The service manager knows that the listener is ready, and not that it stops.
    is_serving: bool,
    /// The status line that the service manager knows.
    told: String,
}

impl Health {
    /// Stores why `part` does not work; `None` if it does.
    pub fn set(&self, part: Part, fault: Option<String>) {
        let mut state = self.lock();
        state.set(part, fault);
        state.tell(&[]);
    }

    /// Stores what the status line begins with, and which ports the listener lacks.
    pub fn set_ports(&self, works: String, faults: Vec<String>) {
        let mut state = self.lock();
        state.works = works;
        state.set(Part::Ports, faults);
        state.tell(&[]);
    }

    /// Stores when the certificate ends that TLS clients are shown, and what is wrong with it.
    pub fn set_certificate(&self, end: Option<Timestamp>, fault: Option<String>) {
        let mut state = self.lock();
        state.certificate_end = end;
        state.set(Part::Certificate, fault);
        state.tell(&[]);
    }

    /// Stores how many lines the log lacks.
    pub fn set_lost_lines(&self, lines: u64) {
        self.lock().lost_lines = lines;
    }

    /// Tells the service manager that the listener is ready, what works, and all faults.
    pub fn ready(&self) {
        let mut state = self.lock();
        state.is_serving = true;
        state.tell(&[NotifyState::Ready]);
    }

    /// Tells the service manager that the listener stops.
    pub fn stopping(&self) {
        self.lock().is_serving = false;
        notify(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
    }

    /// The metrics of what works.
    pub fn metrics(&self) -> Vec<Metric> {
        let state = self.lock();
        let end = state.certificate_end.and_then(|end| u64::try_from(end.as_second()).ok());
        let mut metrics = vec![
            Metric::single(
                listener_contract::LOG_WRITABLE,
                Kind::Gauge,
                listener_contract::LOG_WRITABLE_HELP,
                u64::from(!state.faults.contains_key(&Part::Log)),
            ),
            Metric::single(
                "redisguard_notice_log_lost_lines",
                Kind::Counter,
                "Lines that could not be written to the listener's log.",
                state.lost_lines,
            ),
        ];
        metrics.extend(end.map(|end| {
            Metric::single(
                listener_contract::CERTIFICATE_EXPIRY,
                Kind::Gauge,
                listener_contract::CERTIFICATE_EXPIRY_HELP,
                end,
            )
        }));
        metrics
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn set(&mut self, part: Part, faults: impl IntoIterator<Item = String>) {
        let faults: Vec<String> = faults.into_iter().collect();
        self.faults.remove(&part);
        if !faults.is_empty() {
            self.faults.insert(part, faults);
        }
    }

    /// Sends the status line if it has changed, behind `states`.
    fn tell(&mut self, states: &[NotifyState<'_>]) {
        let end = self.certificate_end.map(|end| end.to_string());
        let faults = self.faults.values().flatten().map(String::as_str);
        let line = listener_contract::status_line(&self.works, end.as_deref(), faults);
        if self.is_serving && line != self.told {
            notify(&[states, &[NotifyState::Status(&line)]].concat());
            self.told = line;
        }
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(cause) = sd_notify::notify(states) {
        tracing::warn!("could not notify the service manager: {cause}");
    }
}
