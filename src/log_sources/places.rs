//! Which lines of the kernel's logs were counted: syslog daemons write the same line into several files, and the
//! journal has it too.
//!
//! Guarantees: a line counts as often as the log that has it most often.

use crate::report::{Line, Place, UnixMillis};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard};

/// The most different lines that are remembered; each takes some 50 bytes. Lines beyond them count in the first
/// log alone.
const MAX_LINES: usize = 1_000_000;

/// The lines that were counted.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// The first line of the kernel's in the journal: it has every later one.
    journal: Option<UnixMillis>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How often each line was counted, by its fingerprint.
    counted: HashMap<u64, u32>,
    /// How often each line is still to come in the present place before it is a new one.
    known: HashMap<u64, u32>,
    /// The places from which lines were counted.
    used: BTreeSet<usize>,
}

impl Places {
    /// Places of which the journal has every line since `journal`.
    pub fn since(journal: Option<UnixMillis>) -> Self {
        Self { journal, state: Mutex::default() }
    }

    /// Begins another place.
    pub fn begin(&self) {
        let mut state = self.state();
        state.known = state.counted.clone();
    }

    /// The places from which lines were counted.
    pub fn used(&self) -> Vec<usize> {
        self.state().used.iter().copied().collect()
    }

    /// Whether a line was counted from another place; if not, it is remembered.
    pub fn is_repeated(&self, line: &Line<'_>, at: Place<'_>, place: usize) -> bool {
        let (Line::Attempt(attempt) | Line::Undated(attempt)) = line else { return false };
        let is_in_journal = |journal| matches!(line, Line::Undated(_)) || attempt.at >= journal;
        let mut state = self.state();
        if self.journal.is_some_and(is_in_journal) {
            return true;
        }
        let Some(fingerprint) = at.fingerprint else { return false };
        if let Some(left) = state.known.get_mut(&fingerprint).filter(|left| **left > 0) {
            *left -= 1;
            return true;
        }
        if state.counted.len() >= MAX_LINES
            && !state.used.is_empty()
            && !state.used.contains(&place)
        {
            return true;
        }
        if state.counted.len() < MAX_LINES || state.counted.contains_key(&fingerprint) {
            *state.counted.entry(fingerprint).or_default() += 1;
        }
        state.used.insert(place);
        false
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
