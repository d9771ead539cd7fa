//! Owns what waits between serving and writing. Must never hold more than a bounded number of
//! bytes, nor be locked while anything is written, so that neither side waits for the other.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::writer::{Lines, Tally};

/// The most bytes of lines that wait; what comes beyond is counted.
const MOST_WAITING: usize = 1 << 20;

/// The place between the two threads.
#[derive(Debug, Default)]
pub(super) struct Handover {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Lines,
    /// What found no room.
    missed: Tally,
    /// Whether the trouble of finding no room is not over yet.
    crowded: bool,
    reopen: bool,
    finish: bool,
    finished: bool,
    /// What was handed over in all, room or not, and what of it the log says by now.
    handed: Tally,
    told: Tally,
}

/// What the writing side finds.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Lines to be written.
    pub(super) lines: Lines,
    /// What found no room after them.
    pub(super) missed: Tally,
    /// The file is to be opened anew, after these lines.
    pub(super) reopen: bool,
    /// Nothing comes after these lines.
    pub(super) finish: bool,
    /// There was too little room, and now there is enough.
    pub(super) relieved: bool,
}

impl Handover {
    /// Hands `lines` over, or counts them where there is no room. False where that begins.
    pub(super) fn put(&self, lines: &Lines) -> bool {
        let mut waiting = self.lock();
        waiting.handed.add(lines.tally());
        let fits = waiting.lines.len() + lines.len() <= MOST_WAITING;
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
    pub(super) fn finish(&self, timeout_of: Duration) -> Result<(), Tally> {
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
    pub(super) fn take(&self, latest: Option<Instant>) -> Found {
        let mut waiting = self.lock();
        loop {
            if waiting.is_something() {
                return waiting.found();
            }
            let timeout_of = latest.map(|latest| latest.saturating_duration_since(Instant::now()));
            waiting = match timeout_of {
                Some(Duration::ZERO) => return Found::default(),
                Some(timeout_of) => {
                    let result = self.changed.wait_timeout(waiting, timeout_of);
                    result.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Notes what the log says by now.
    pub(super) fn note_told(&self, told: Tally) {
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
            || self.missed != Tally::default()
            || self.crowded
            || self.reopen
            || self.finish
    }

    fn found(&mut self) -> Found {
        let relieved = self.crowded && self.missed == Tally::default() && self.lines.len() == 0;
        self.crowded = self.crowded && !relieved;
        Found {
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

    fn lines(length: usize, attempts: u64) -> Lines {
        let mut lines = Lines::default();
        lines.push(attempts, |out| {
            out.extend_from_slice(format!("{}\n", "x".repeat(length - 1)).as_bytes())
        });
        lines
    }

    #[test]
    fn what_finds_no_room_is_counted_and_told_of_once() {
        let handover = Handover::default();
        assert!(handover.put(&lines(MOST_WAITING, 1)));
        assert!(!handover.put(&lines(100, 2)));
        assert!(handover.put(&lines(100, 3)));
        let found = handover.take(None);
        assert_eq!(found.lines.len(), MOST_WAITING);
        assert_eq!(found.missed, Tally { lines: 2, attempts: 5 });
        assert!(!found.relieved);
        assert!(handover.put(&lines(100, 1)));
        assert!(!handover.take(None).relieved);
        assert!(handover.take(None).relieved);
        assert!(handover.put(&lines(MOST_WAITING, 1)));
        assert!(!handover.put(&lines(100, 2)), "it is told again when it begins again");
    }

    #[test]
    fn who_waits_in_vain_learns_what_the_log_lacks() {
        let handover = Handover::default();
        handover.put(&lines(100, 7));
        handover.put(&lines(100, 5));
        handover.note_told(Tally { lines: 1, attempts: 7 });
        let lacking = Tally { lines: 1, attempts: 5 };
        assert_eq!(handover.finish(Duration::ZERO), Err(lacking));
        handover.note_finished();
        assert_eq!(handover.finish(Duration::ZERO), Ok(()));
    }

    #[test]
    fn nothing_is_awaited_beyond_the_time_given() {
        let found = Handover::default().take(Some(Instant::now()));
        assert!(found.lines.len() == 0 && !found.finish && !found.reopen);
    }
}
