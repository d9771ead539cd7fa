//! Owns what the listener counts for Prometheus: by reservation and by ending, never by anything that
//! comes from outside, so that their number is known from the settings.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::exposition::{Kind, Metric, Sample};

use crate::listener::log::{Attempt, Outcome};
use crate::listener::settings::Settings;

/// All that is counted; read by whoever answers a scrape.
#[derive(Debug)]
pub(in crate::listener) struct Counts {
    /// Ascending by port.
    ports: Vec<PortCounts>,
    endings: [AtomicU64; Outcome::ALL.len()],
    replies: AtomicU64,
    present: AtomicU64,
    started: u64,
}

/// What is counted for one reservation.
#[derive(Debug)]
struct PortCounts {
    first: u16,
    last: u16,
    connections: AtomicU64,
    told: AtomicU64,
    /// Seconds since 1970; 0 where nobody came yet.
    latest: AtomicU64,
}

impl Counts {
    /// Nothing counted yet, for the reservations of `settings`.
    pub(in crate::listener) fn new(settings: &Settings) -> Counts {
        let count = |first, last| PortCounts {
            first,
            last,
            connections: AtomicU64::new(0),
            told: AtomicU64::new(0),
            latest: AtomicU64::new(0),
        };
        let reserved = settings.reserved.iter();
        let mut ports: Vec<_> = reserved.map(|found| count(found.first, found.last)).collect();
        ports.sort_by_key(|count| count.first);
        let (endings, zero) = (Default::default(), || AtomicU64::new(0));
        Counts { ports, endings, replies: zero(), present: zero(), started: now() }
    }

    /// Counts a connection that came to its end.
    pub(in crate::listener) fn record(&self, attempt: &Attempt<'_>) {
        self.endings[attempt.outcome as usize].fetch_add(1, Relaxed);
        self.replies.fetch_add(attempt.replies, Relaxed);
        let before = self.ports.partition_point(|count| count.first <= attempt.port);
        let count = before.checked_sub(1).and_then(|index| self.ports.get(index));
        if let Some(count) = count.filter(|count| attempt.port <= count.last) {
            count.connections.fetch_add(1, Relaxed);
            count.told.fetch_add(u64::from(attempt.notice_sent), Relaxed);
            count.latest.store(now(), Relaxed);
        }
    }

    /// Says how many are connected now.
    pub(in crate::listener) fn are_present(&self, number: usize) {
        self.present.store(number as u64, Relaxed);
    }

    /// All metrics.
    pub(in crate::listener) fn metrics(&self) -> Vec<Metric> {
        use Kind::{Counter, Gauge};
        let by_port = |name, kind, help, of: fn(&PortCounts) -> &AtomicU64| {
            let label = |count: &PortCounts| match count.first == count.last {
                true => count.first.to_string(),
                false => format!("{}-{}", count.first, count.last),
            };
            let sample = |count: &PortCounts| Sample {
                labels: vec![("port", label(count))],
                value: of(count).load(Relaxed),
            };
            Metric { name, kind, help, samples: self.ports.iter().map(sample).collect() }
        };
        let ending = |outcome: &Outcome| Sample {
            labels: vec![("ending", outcome.word().to_owned())],
            value: self.endings[*outcome as usize].load(Relaxed),
        };
        let single = |name, kind, help, value: &AtomicU64| {
            Metric::single(name, kind, help, value.load(Relaxed))
        };
        let started = "When the listener was started, in seconds since 1970.";
        vec![
            by_port(
                "redisguard_notice_connections",
                Counter,
                "Connections to a reserved port that came to their end.",
                |count| &count.connections,
            ),
            by_port(
                "redisguard_notice_told",
                Counter,
                "Those of them to which the sentence was sent.",
                |count| &count.told,
            ),
            by_port(
                "redisguard_notice_last_connection_timestamp_seconds",
                Gauge,
                "When the latest of them ended, in seconds since 1970; 0 if there was none since the listener was started.",
                |count| &count.latest,
            ),
            Metric {
                name: "redisguard_notice_endings",
                kind: Counter,
                help: "Connections by how they ended.",
                samples: Outcome::ALL.iter().map(ending).collect(),
            },
            single("redisguard_notice_replies", Counter, "Answers sent in full.", &self.replies),
            single(
                "redisguard_notice_open_connections",
                Gauge,
                "Connections that are open now.",
                &self.present,
            ),
            Metric::single("redisguard_notice_start_time_seconds", Gauge, started, self.started),
        ]
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
