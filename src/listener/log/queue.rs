//! The bounded queue between the event loop, which must not wait for a disk, and the thread that writes.
//!
//! Never: holds more than [`MAX_QUEUED_BYTES`] of lines, or is locked during a write, so that neither
//! side waits for the other.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::line_batch::{LineBatch, LineTotals};

/// The most bytes of queued lines; lines beyond are counted as lost. At the longest lines this is two
/// thousand of them.
const MAX_QUEUED_BYTES: usize = 1 << 20;

/// The queue; both threads share it.
#[derive(Debug, Default)]
pub(super) struct LogQueue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    work: Work,
    /// Lines did not fit, and the queue was not empty since.
    overflowing: bool,
    finished: bool,
    /// All lines ever pushed, whether they fitted or not.
    pushed: LineTotals,
    /// Those of them that the log contains, written or counted as dropped.
    accounted: LineTotals,
}

/// What the writing thread is to do, in the order of the fields.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// Lines to write.
    pub(super) lines: LineBatch,
    /// Lines that did not fit after them.
    pub(super) lost: LineTotals,
    /// The queue overflowed, and no longer does.
    pub(super) recovered: bool,
    /// Open the file anew.
    pub(super) reopen: bool,
    /// End; nothing more comes.
    pub(super) finish: bool,
}

impl LogQueue {
    /// Adds `lines`, or counts them as lost if they do not fit. Returns false for the first that are
    /// lost, so that an overflow is reported once.
    pub(super) fn push(&self, lines: &LineBatch) -> bool {
        let mut state = self.lock();
        state.pushed.add(lines.totals);
        let fits = state.work.lines.len() + lines.len() <= MAX_QUEUED_BYTES;
        if fits {
            state.work.lines.append(lines);
        } else {
            state.work.lost.add(lines.totals);
        }
        let needs_no_report = fits || std::mem::replace(&mut state.overflowing, true);
        self.changed.notify_all();
        needs_no_report
    }

    /// Asks for the file to be opened anew.
    pub(super) fn reopen(&self) {
        self.lock().work.reopen = true;
        self.changed.notify_all();
    }

    /// Asks the writing thread to end, and waits for it.
    ///
    /// # Errors
    /// It did not end within `timeout`; the lines that the log lacks until now.
    pub(super) fn finish(&self, timeout: Duration) -> Result<(), LineTotals> {
        let mut state = self.lock();
        state.work.finish = true;
        self.changed.notify_all();
        let (state, _) = self
            .changed
            .wait_timeout_while(state, timeout, |state| !state.finished)
            .unwrap_or_else(PoisonError::into_inner);
        if state.finished { Ok(()) } else { Err(state.pushed.minus(state.accounted)) }
    }

    /// Takes all work. If there is none, waits for it, but no longer than until `deadline`; then the
    /// work is empty.
    pub(super) fn take(&self, deadline: Option<Instant>) -> Work {
        let mut state = self.lock();
        loop {
            if let Some(work) = state.take_work() {
                return work;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            state = match left {
                Some(Duration::ZERO) => return Work::default(),
                Some(left) => {
                    let result = self.changed.wait_timeout(state, left);
                    result.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Stores what the log contains by now; [`LogQueue::finish`] reports the rest.
    pub(super) fn set_accounted(&self, accounted: LineTotals) {
        self.lock().accounted = accounted;
    }

    /// The writing thread has ended.
    pub(super) fn set_finished(&self) {
        self.lock().finished = true;
        self.changed.notify_all();
    }

    /// A poisoned lock is no reason to stop: every change below is complete at once.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// All work, if there is any.
    fn take_work(&mut self) -> Option<Work> {
        let work = std::mem::take(&mut self.work);
        let has_lines = !work.lines.is_empty() || !work.lost.is_zero();
        let recovered = self.overflowing && !has_lines;
        self.overflowing &= !recovered;
        (has_lines || recovered || work.reopen || work.finish).then_some(Work { recovered, ..work })
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
    fn lines_that_do_not_fit_are_counted_and_reported_once() {
        let queue = LogQueue::default();
        assert!(queue.push(&lines(MAX_QUEUED_BYTES, 1)));
        assert!(!queue.push(&lines(100, 2)));
        assert!(queue.push(&lines(100, 3)));
        let work = queue.take(None);
        assert_eq!(work.lines.len(), MAX_QUEUED_BYTES);
        assert_eq!(work.lost, LineTotals { lines: 2, attempts: 5 });
        assert!(!work.recovered);
        assert!(queue.push(&lines(100, 1)));
        assert!(!queue.take(None).recovered);
        assert!(queue.take(None).recovered);
        assert!(queue.push(&lines(MAX_QUEUED_BYTES, 1)));
        assert!(!queue.push(&lines(100, 2)), "the next overflow is reported again");
    }

    #[test]
    fn a_finish_that_times_out_reports_what_the_log_lacks() {
        let queue = LogQueue::default();
        queue.push(&lines(100, 7));
        queue.push(&lines(100, 5));
        queue.set_accounted(LineTotals { lines: 1, attempts: 7 });
        let lacking = LineTotals { lines: 1, attempts: 5 };
        assert_eq!(queue.finish(Duration::ZERO), Err(lacking));
        queue.set_finished();
        assert_eq!(queue.finish(Duration::ZERO), Ok(()));
    }

    #[test]
    fn taking_ends_at_the_deadline() {
        let work = LogQueue::default().take(Some(Instant::now()));
        assert!(work.lines.is_empty() && !work.finish && !work.reopen);
    }
}
