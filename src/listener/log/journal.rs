//! The event loop's side of the log: limits, formats and batches lines, and queues the batches.
//!
//! Never: waits for a disk, except in [`Journal::finish`], for a bounded time.

use std::time::Duration;

use jiff::Timestamp;

use super::format::{Attempt, Folded, TimestampCache, write_folded};
use super::handle::Log;
use super::limiter::Limiter;
use super::line_batch::LineBatch;
use crate::listener::clock::Tick;
use crate::listener::settings::{LogFormat, Settings};

/// How long a line may wait for others of its batch.
const MAX_DELAY: Duration = Duration::from_millis(100);
/// A batch of this size is queued at once.
const BATCH_BYTES: usize = 32 * 1024;

/// The lines that are not queued yet, and what decides about the next one.
#[derive(Debug)]
pub struct Journal {
    log: Log,
    format: LogFormat,
    limiter: Limiter,
    timestamps: TimestampCache,
    pending: LineBatch,
    /// When the first pending line came.
    pending_since: Option<Tick>,
}

impl Journal {
    /// A journal that writes to `log`.
    pub fn new(log: Log, settings: &Settings) -> Journal {
        Journal {
            log,
            format: settings.log_format,
            limiter: Limiter::new(settings.log_per_source),
            timestamps: TimestampCache::default(),
            pending: LineBatch::default(),
            pending_since: None,
        }
    }

    /// Logs a connection that has just ended.
    pub fn record(&mut self, attempt: &Attempt<'_>, now: Tick) {
        self.take_due(now);
        if self.limiter.admit(attempt.peer.ip(), attempt.local, attempt.is_probe, now) {
            let time = self.timestamps.format(Timestamp::now());
            // Lost attempts are those of users.
            let attempts = u64::from(!attempt.is_probe);
            self.pending.push(attempts, |out| attempt.write(self.format, time, out));
            self.queue_if_full(now);
        }
    }

    /// When [`Journal::tend`] has something to do, if ever.
    pub fn due(&self) -> Option<Tick> {
        let pending = self.pending_since.map(|since| since.after(MAX_DELAY));
        [pending, self.limiter.due].into_iter().flatten().min()
    }

    /// Queues what has waited long enough, and the counts that are due.
    pub fn tend(&mut self, now: Tick) {
        self.take_due(now);
        if self.pending_since.is_some_and(|since| now >= since.after(MAX_DELAY)) {
            self.queue_pending();
        }
    }

    /// Completes the current file, counts included, and has the file opened anew.
    pub fn rotate(&mut self, now: Tick) {
        self.flush(now);
        self.log.reopen();
    }

    /// Writes everything, counts included, and waits a bounded time for the disk.
    pub fn finish(mut self, now: Tick) {
        self.flush(now);
        self.log.finish();
    }

    fn flush(&mut self, now: Tick) {
        let folded = self.limiter.take_all();
        self.push_folded(folded, now);
        self.queue_pending();
    }

    fn take_due(&mut self, now: Tick) {
        if self.limiter.due.is_some_and(|due| now >= due) {
            let folded = self.limiter.take_due(now);
            self.push_folded(folded, now);
        }
    }

    fn push_folded(&mut self, folded: Vec<Folded>, now: Tick) {
        for folded in folded {
            let time = self.timestamps.format(Timestamp::now());
            let write = |out: &mut _| write_folded(self.format, time, &folded, out);
            let attempts = if folded.is_probe { 0 } else { folded.attempts };
            self.pending.push(attempts, write);
            self.queue_if_full(now);
        }
    }

    fn queue_if_full(&mut self, now: Tick) {
        self.pending_since.get_or_insert(now);
        if self.pending.len() >= BATCH_BYTES {
            self.queue_pending();
        }
    }

    fn queue_pending(&mut self) {
        self.pending_since = None;
        let pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            self.log.write(&pending);
        }
    }
}
