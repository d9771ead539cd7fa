//! Sums of connection attempts: how many, by answer, and the first and last.

use super::record::{AnswerKind, Attempt, UnixMillis};

/// The number of attempts by [`AnswerKind`]. Sums saturate: a hostile log cannot overflow them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerCounts([u64; AnswerKind::ALL.len()]);

impl AnswerCounts {
    /// The number of attempts that were answered in this way.
    pub fn of(&self, answer: AnswerKind) -> u64 {
        self.0[answer as usize]
    }

    /// The number of all attempts.
    pub fn sum(&self) -> u64 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The kinds that occurred, with their numbers, in the order of [`AnswerKind::ALL`].
    pub fn nonzero(&self) -> impl Iterator<Item = (AnswerKind, u64)> {
        let all = AnswerKind::ALL.into_iter().map(|answer| (answer, self.of(answer)));
        all.filter(|(_, count)| *count > 0)
    }

    pub(super) fn add(&mut self, answer: AnswerKind, attempts: u64) {
        let count = &mut self.0[answer as usize];
        *count = count.saturating_add(attempts);
    }

    fn merge(&mut self, other: &AnswerCounts) {
        AnswerKind::ALL.into_iter().for_each(|answer| self.add(answer, other.of(answer)));
    }
}

/// The attempts of one source, port or library, and when the first and the last of them were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// The number of attempts by answer.
    pub answers: AnswerCounts,
    /// The first attempt.
    pub first: UnixMillis,
    /// The last attempt.
    pub last: UnixMillis,
}

impl Default for Totals {
    fn default() -> Self {
        Self { answers: AnswerCounts::default(), first: UnixMillis::MAX, last: UnixMillis::MIN }
    }
}

impl Totals {
    /// The number of all attempts.
    pub fn attempts(&self) -> u64 {
        self.answers.sum()
    }

    pub(super) fn add(&mut self, attempt: &Attempt<'_>) {
        self.answers.add(attempt.answer, attempt.attempts);
        self.first = self.first.min(attempt.at);
        self.last = self.last.max(attempt.at);
    }

    /// Adds attempts whose time is not known.
    pub(super) fn add_undated(&mut self, attempt: &Attempt<'_>) {
        self.answers.add(attempt.answer, attempt.attempts);
    }

    /// Whether the time of any attempt is known.
    pub fn is_dated(&self) -> bool {
        self.first <= self.last
    }

    pub(super) fn merge(&mut self, other: &Totals) {
        self.answers.merge(&other.answers);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}
