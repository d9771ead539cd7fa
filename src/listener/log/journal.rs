//! Owns the log's serving side: it folds, words and gathers lines, and hands them over in batches.
//! Must never wait for a disk.

use jiff::Timestamp;
use tokio::time::{Duration, Instant};

use super::Log;
use super::format::{Attempt, TimestampCache, write_folded};
use super::limiter::{Folded, Limiter};
use super::writer::LineBatch;
use crate::listener::settings::{LogFormat, Settings};

/// How long a line may wait for company.
const MAX_DELAY: Duration = Duration::from_millis(100);
/// The bytes of lines that are handed over at once.
const BATCH_BYTES: usize = 32 * 1024;

/// LineBatch on their way to the log.
#[derive(Debug)]
pub(in crate::listener) struct Journal {
    log: Log,
    format: LogFormat,
    limiter: Limiter,
    stamp: TimestampCache,
    pending: LineBatch,
    /// When the first pending line came.
    since: Option<Instant>,
    written: u64,
    folded: u64,
}

impl Journal {
    /// A journal that writes to `log`.
    pub(in crate::listener) fn new(log: Log, settings: &Settings) -> Journal {
        Journal {
            log,
            format: settings.log_format,
            limiter: Limiter::new(settings.log_per_source),
            stamp: TimestampCache::default(),
            pending: LineBatch::default(),
            since: None,
            written: 0,
            folded: 0,
        }
    }

    /// Notes a connection that ended just now.
    pub(in crate::listener) fn record(&mut self, attempt: &Attempt<'_>, now: Instant) {
        self.take_due(now);
        if self.limiter.admit(attempt.peer.ip(), now) {
            self.written += 1;
            let time = self.stamp.word(Timestamp::now());
            self.pending.push(1, |out| attempt.write(self.format, time, out));
            self.pushed(now);
        } else {
            self.folded += 1;
        }
    }

    /// When [`Journal::tend`] has something to do, if ever.
    pub(in crate::listener) fn due(&self) -> Option<Instant> {
        let pending = self.since.map(|since| since + MAX_DELAY);
        [pending, self.limiter.due()].into_iter().flatten().min()
    }

    /// Hands over what has waited long enough, and writes the counts that are due.
    pub(in crate::listener) fn tend(&mut self, now: Instant) {
        self.take_due(now);
        if self.since.is_some_and(|since| now >= since + MAX_DELAY) {
            self.hand_over();
        }
    }

    /// Brings the present file to an end and has it opened anew.
    pub(in crate::listener) fn rotate(&mut self, now: Instant) {
        self.settle(now);
        self.log.reopen();
    }

    /// Writes everything, counts included, and waits a bounded time for the disk. Returns how
    /// many connections got a line of their own and how many were counted.
    pub(in crate::listener) fn finish(mut self, now: Instant) -> (u64, u64) {
        self.settle(now);
        self.log.finish();
        (self.written, self.folded)
    }

    fn settle(&mut self, now: Instant) {
        let folded = self.limiter.take_all();
        self.push_folded(folded, now);
        self.hand_over();
    }

    fn take_due(&mut self, now: Instant) {
        if self.limiter.due().is_some_and(|due| now >= due) {
            let folded = self.limiter.take_due(now);
            self.push_folded(folded, now);
        }
    }

    fn push_folded(&mut self, folded: Vec<Folded>, now: Instant) {
        for (source, attempts) in folded {
            let time = self.stamp.word(Timestamp::now());
            let word = |out: &mut _| write_folded(self.format, time, source, attempts, out);
            self.pending.push(attempts, word);
            self.pushed(now);
        }
    }

    fn pushed(&mut self, now: Instant) {
        self.since.get_or_insert(now);
        if self.pending.len() >= BATCH_BYTES {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        self.since = None;
        let pending = std::mem::take(&mut self.pending);
        if pending.len() > 0 {
            self.log.write(pending);
        }
    }
}
