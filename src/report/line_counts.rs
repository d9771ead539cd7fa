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
    /// Without a timestamp that can be: none, a date that does not exist, or one before 2000.
    pub misdated: u64,
    /// With a timestamp in the future.
    pub future: u64,
    /// With what the kernel logs for redisguard's rules, and nothing that tells whether the kernel wrote it.
    pub unattributed: u64,
    /// Of the kernel, and in another of its logs too, where it was counted.
    pub repeated: u64,
}

/// A line that was skipped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SkippedLine {
    /// The name of its log.
    pub log: String,
    /// Its number in the log, once that is decompressed, from 1.
    pub line: u64,
    /// Why it was skipped, by the names in `lines`.
    pub reason: &'static str,
    /// The line, of a long one the beginning: printable ASCII, other bytes as `\xNN`. Empty for one that was dated
    /// at the end of the log.
    pub text: String,
}

impl LineCounts {
    /// Counts a line that was skipped, but for `read`.
    pub(super) fn skip(&mut self, reason: SkipReason) {
        let count = match reason {
            SkipReason::Foreign => &mut self.foreign,
            SkipReason::Torn => &mut self.torn,
            SkipReason::Malformed => &mut self.malformed,
            SkipReason::Misdated => &mut self.misdated,
            SkipReason::Future => &mut self.future,
            SkipReason::Unattributed => &mut self.unattributed,
        };
        *count += 1;
    }

    pub(super) fn merge(&mut self, other: &LineCounts) {
        let Self {
            read,
            counted,
            outside,
            foreign,
            torn,
            malformed,
            misdated,
            future,
            unattributed,
            repeated,
        } = other;
        self.read += read;
        self.counted += counted;
        self.outside += outside;
        self.foreign += foreign;
        self.torn += torn;
        self.malformed += malformed;
        self.misdated += misdated;
        self.future += future;
        self.unattributed += unattributed;
        self.repeated += repeated;
    }
}
