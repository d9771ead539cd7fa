//! Owns what waits between serving and writing. Must never hold more than a bounded number of
//! bytes, nor be locked while anything is written, so that neither side waits for the other.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::writer::{LineBatch, LineTotals};

/// The most bytes of lines that wait; what comes beyond is counted.
const MAX_QUEUED_BYTES: usize = 1 << 20;

/// The place between the two threads.
#[derive(Debug, Default)]
pub(super) struct LogQueue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: LineBatch,
    /// What found no room.
    missed: LineTotals,
    /// Whether the trouble of finding no room is not over yet.
    crowded: bool,
    reopen: bool,
    finish: bool,
    finished: bool,
    /// What was handed over in all, room or not, and what of it the log says by now.
    handed: LineTotals,
    told: LineTotals,
}

/// What the writing side finds.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// LineBatch to be written.
    pub(super) lines: LineBatch,
    /// What found no room after them.
    pub(super) missed: LineTotals,
    /// The file is to be opened anew, after these lines.
    pub(super) reopen: bool,
    /// Nothing comes after these lines.
    pub(super) finish: bool,
    /// There was too little room, and now there is enough.
    pub(super) relieved: bool,
}

impl LogQueue {
    /// Hands `lines` over, or counts them where there is no room. False where that begins.
    pub(super) fn put(&self, lines: &LineBatch) -> bool {
        let mut waiting = self.lock();
        waiting.handed.add(lines.tally());
        let fits = waiting.lines.len() + lines.len() <= MAX_QUEUED_BYTES;
        if fits {
            waiting.lines.append(lines);
        } else {
            waiting.missed.add(lines.tally());
        }
        let went_well = fits || std::mem::replace(&mut waiting.crowded, true);
        self.changed.notify_all();
        went_well
    }

    /// Asks for the file to be opened anew.
    pub(super) fn reopen(&self) {
        self.lock().reopen = true;
        self.changed.notify_all();
    }

    /// Says that nothing more comes, and waits for the writing side to end.
    ///
    /// # Errors
    /// It did not within `timeout_of`; what the log lacks so far.
    pub(super) fn finish(&self, timeout_of: Duration) -> Result<(), LineTotals> {
        let mut waiting = self.lock();
        waiting.finish = true;
        self.changed.notify_all();
        let (waiting, _) = self
            .changed
            .wait_timeout_while(waiting, timeout_of, |waiting| !waiting.finished)
            .unwrap_or_else(PoisonError::into_inner);
        if waiting.finished { Ok(()) } else { Err(waiting.handed.less(waiting.told)) }
    }

    /// Takes what waits; where that is nothing, waits for it, at most until `latest`.
    pub(super) fn take(&self, latest: Option<Instant>) -> Work {
        let mut waiting = self.lock();
        loop {
            if waiting.is_something() {
                return waiting.found();
            }
            let timeout_of = latest.map(|latest| latest.saturating_duration_since(Instant::now()));
            waiting = match timeout_of {
                Some(Duration::ZERO) => return Work::default(),
                Some(timeout_of) => {
                    let result = self.changed.wait_timeout(waiting, timeout_of);
                    result.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Notes what the log says by now.
    pub(super) fn note_told(&self, told: LineTotals) {
        self.lock().told = told;
    }

    /// Says that the writing side has ended.
    pub(super) fn note_finished(&self) {
        self.lock().finished = true;
        self.changed.notify_all();
    }

    /// A thread that panicked leaves nothing half-done here.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn is_something(&self) -> bool {
        self.lines.len() > 0
            || self.missed != LineTotals::default()
            || self.crowded
            || self.reopen
            || self.finish
    }

    fn found(&mut self) -> Work {
        let relieved =
            self.crowded && self.missed == LineTotals::default() && self.lines.len() == 0;
        self.crowded = self.crowded && !relieved;
        Work {
            lines: std::mem::take(&mut self.lines),
            missed: std::mem::take(&mut self.missed),
            reopen: std::mem::take(&mut self.reopen),
            finish: self.finish,
            relieved,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(length: usize, attempts: u64) -> LineBatch {
        let mut lines = LineBatch::default();
        lines.push(attempts, |out| {
            out.extend_from_slice(format!("{}\n", "x".repeat(length - 1)).as_bytes())
        });
        lines
    }

    #[test]
    fn what_finds_no_room_is_counted_and_told_of_once() {
        let queue = LogQueue::default();
        assert!(queue.put(&lines(MAX_QUEUED_BYTES, 1)));
        assert!(!queue.put(&lines(100, 2)));
        assert!(queue.put(&lines(100, 3)));
        let found = queue.take(None);
        assert_eq!(found.lines.len(), MAX_QUEUED_BYTES);
        assert_eq!(found.missed, LineTotals { lines: 2, attempts: 5 });
        assert!(!found.relieved);
        assert!(queue.put(&lines(100, 1)));
        assert!(!queue.take(None).relieved);
        assert!(queue.take(None).relieved);
        assert!(queue.put(&lines(MAX_QUEUED_BYTES, 1)));
        assert!(!queue.put(&lines(100, 2)), "it is told again when it begins again");
    }

    #[test]
    fn who_waits_in_vain_learns_what_the_log_lacks() {
        let queue = LogQueue::default();
        queue.put(&lines(100, 7));
        queue.put(&lines(100, 5));
        queue.note_told(LineTotals { lines: 1, attempts: 7 });
        let lacking = LineTotals { lines: 1, attempts: 5 };
        assert_eq!(queue.finish(Duration::ZERO), Err(lacking));
        queue.note_finished();
        assert_eq!(queue.finish(Duration::ZERO), Ok(()));
    }

    #[test]
    fn nothing_is_awaited_beyond_the_time_given() {
        let found = LogQueue::default().take(Some(Instant::now()));
        assert!(found.lines.len() == 0 && !found.finish && !found.reopen);
    }
}
