//! How many lines were counted, and how many were skipped, by reason.

use super::record::SkipReason;
use serde::Serialize;

/// The lines of all logs. `read` is the sum of all the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LineCounts {
    /// All lines.
    pub read: u64,
    /// Counted.
    pub counted: u64,
    /// Before `--since`, or not about a `--port`.
    pub outside: u64,
    /// Written by other programs.
    pub foreign: u64,
    /// Without their end.
    pub torn: u64,
    /// With a field that redisguard never writes.
    pub malformed: u64,
    /// Without a timestamp, or with one before 2000 or in the future.
    pub misdated: u64,
}

impl LineCounts {
    /// Counts a line that was skipped, but for `read`.
    pub(super) fn skip(&mut self, reason: SkipReason) {
        let count = match reason {
            SkipReason::Foreign => &mut self.foreign,
            SkipReason::Torn => &mut self.torn,
            SkipReason::Malformed => &mut self.malformed,
            SkipReason::Misdated => &mut self.misdated,
        };
        *count += 1;
    }

    pub(super) fn merge(&mut self, other: &LineCounts) {
        let Self { read, counted, outside, foreign, torn, malformed, misdated } = other;
        self.read += read;
        self.counted += counted;
        self.outside += outside;
        self.foreign += foreign;
        self.torn += torn;
        self.malformed += malformed;
        self.misdated += misdated;
    }
}
