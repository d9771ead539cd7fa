//! The listener's counters, for Prometheus.
//!
//! Guarantees: exact; every connection that ended is counted once.
//! Never: takes a label from a client. Labels come from the settings and from [`Outcome`], so their
//! number is known.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::exposition::{Kind, Metric, Sample};
use crate::listener::health::Health;
use crate::listener::log::{Attempt, Outcome, Told};
use crate::listener::settings::Settings;

/// The counters, written by the event loop and read for a scrape. Both run on one thread; the atomics
/// only allow the sharing.
#[derive(Debug, Default)]
pub struct Counters {
    /// Ascending by port.
    by_reservation: Vec<ReservationCounters>,
    /// By [`Outcome`].
    by_outcome: [AtomicU64; Outcome::ALL.len()],
    replies: AtomicU64,
    open: AtomicU64,
    /// Whether the settings name networks that probe.
    has_probes: bool,
    /// The notice port, and how many of its addresses are missing.
    notice_port: Option<(u16, AtomicU64)>,
    /// Seconds since 1970.
    started: u64,
    health: Arc<Health>,
}

/// The counters of one reservation.
#[derive(Debug, Default)]
struct ReservationCounters {
    first: u16,
    last: u16,
    connections: AtomicU64,
    told: AtomicU64,
    told_unknown: AtomicU64,
    /// Connections of probes, which nothing else here counts.
    probes: AtomicU64,
    /// When the latest connection ended, in seconds since 1970; 0 before the first.
    latest: AtomicU64,
    /// Addresses that the listener should have and has not.
    unbound: AtomicU64,
}

impl ReservationCounters {
    /// The value of the label `port`.
    fn ports(&self) -> String {
        if self.first == self.last {
            self.first.to_string()
        } else {
            format!("{}-{}", self.first, self.last)
        }
    }
}

impl Counters {
    /// Zeros, for the reservations of `settings`; the metrics say too what `health` knows.
    pub fn new(settings: &Settings, health: Arc<Health>) -> Counters {
        let mut by_reservation: Vec<_> = settings
            .reserved
            .iter()
            .map(|reservation| ReservationCounters {
                first: reservation.first,
                last: reservation.last,
                ..ReservationCounters::default()
            })
            .collect();
        by_reservation.sort_by_key(|counters| counters.first);
        let has_probes = !settings.probe_from.is_empty();
        let notice_port = settings.port.map(|port| (port, AtomicU64::default()));
        Counters {
            by_reservation,
            has_probes,
            notice_port,
            started: unix_time(),
            health,
            ..Counters::default()
        }
    }

    /// The counters of the reservation of a port.
    fn of(&self, port: u16) -> Option<&ReservationCounters> {
        let after = self.by_reservation.partition_point(|found| found.first <= port);
        let found = after.checked_sub(1).and_then(|index| self.by_reservation.get(index));
        found.filter(|found| port <= found.last)
    }

    /// Stores the ports of the addresses that are not bound.
    pub fn set_unbound(&self, ports: impl Iterator<Item = u16>) {
        let notice = self.notice_port.as_ref();
        let all = self.by_reservation.iter().map(|counters| &counters.unbound);
        all.chain(notice.map(|(_, unbound)| unbound)).for_each(|unbound| unbound.store(0, Relaxed));
        for port in ports {
            let unbound = match notice {
                Some((number, unbound)) if *number == port => Some(unbound),
                _ => self.of(port).map(|counters| &counters.unbound),
            };
            unbound.map(|unbound| unbound.fetch_add(1, Relaxed));
        }
    }

    /// Counts a connection that ended.
    pub fn record(&self, attempt: &Attempt<'_>) {
        let found = self.of(attempt.port);
        if attempt.is_probe {
            let _ = found.map(|found| found.probes.fetch_add(1, Relaxed));
            return;
        }
        self.by_outcome[attempt.outcome as usize].fetch_add(1, Relaxed);
        self.replies.fetch_add(attempt.replies, Relaxed);
        if let Some(found) = found {
            found.connections.fetch_add(1, Relaxed);
            let _ = match attempt.told {
                Told::Yes => found.told.fetch_add(1, Relaxed),
                Told::Unknown => found.told_unknown.fetch_add(1, Relaxed),
                Told::No => 0,
            };
            found.latest.store(unix_time(), Relaxed);
        }
    }

    /// Stores how many connections are open.
    pub fn set_open(&self, connections: usize) {
        self.open.store(connections as u64, Relaxed);
    }

    /// All metrics.
    pub fn metrics(&self) -> Vec<Metric> {
        use Kind::{Counter, Gauge};
        let by_port = |name, kind, help, counter: fn(&ReservationCounters) -> &AtomicU64| {
            let samples = self.by_reservation.iter().map(|counters| Sample {
                labels: vec![("port", counters.ports())],
                value: counter(counters).load(Relaxed),
            });
            Metric { name, kind, help, samples: samples.collect() }
        };
        let by_outcome = Outcome::ALL.iter().map(|outcome| Sample {
            labels: vec![("ending", outcome.as_str().to_owned())],
            value: self.by_outcome[*outcome as usize].load(Relaxed),
        });
        let mut probes = by_port(
            "redisguard_notice_probes",
            Counter,
            "Connections from the networks in [probe] from, which no other metric counts.",
            |counters| &counters.probes,
        );
        if !self.has_probes {
            probes.samples.clear();
        }
        let mut unbound = by_port(
            "redisguard_notice_unbound_addresses",
            Gauge,
            "Addresses of the port that the listener should have and another program holds: 0.0.0.0 and [::] count one each.",
            |counters| &counters.unbound,
        );
        unbound.samples.extend(self.notice_port.iter().map(|(port, unbound)| Sample {
            labels: vec![("port", port.to_string())],
            value: unbound.load(Relaxed),
        }));
        let counted = vec![
            unbound,
            by_port(
                "redisguard_notice_connections",
                Counter,
                "Connections to a reserved port that came to their end.",
                |counters| &counters.connections,
            ),
            by_port(
                "redisguard_notice_told",
                Counter,
                "Those of them whose own call was answered by the sentence, and the answer arrived.",
                |counters| &counters.told,
            ),
            by_port(
                "redisguard_notice_told_unknown",
                Counter,
                "Those that were reset before it was known whether the sentence arrived.",
                |counters| &counters.told_unknown,
            ),
            by_port(
                "redisguard_notice_last_connection_timestamp_seconds",
                Gauge,
                "When the latest of them ended, in seconds since 1970; 0 if there was none since the listener was started.",
                |counters| &counters.latest,
            ),
            probes,
            Metric {
                name: "redisguard_notice_endings",
                kind: Counter,
                help: "Connections by how they ended.",
                samples: by_outcome.collect(),
            },
            Metric::single(
                "redisguard_notice_replies",
                Counter,
                "Answers sent in full.",
                self.replies.load(Relaxed),
            ),
            Metric::single(
                "redisguard_notice_open_connections",
                Gauge,
                "Connections that are open now.",
                self.open.load(Relaxed),
            ),
            Metric::single(
                "redisguard_notice_start_time_seconds",
                Gauge,
                "When the listener was started, in seconds since 1970.",
                self.started,
            ),
        ];
        [counted, self.health.metrics()].concat()
    }
}

fn unix_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
