//! Owns the sums of one thing that is counted: how many attempts, how answered, and from when to when.

use super::record::{Answer, Knock, Moment};

/// How many attempts were answered how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answers([u64; Answer::ALL.len()]);

impl Answers {
    /// How many were answered so.
    pub fn of(&self, answer: Answer) -> u64 {
        self.0[answer as usize]
    }

    /// How many there were.
    pub fn sum(&self) -> u64 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    pub(super) fn add(&mut self, answer: Answer, attempts: u64) {
        let count = &mut self.0[answer as usize];
        *count = count.saturating_add(attempts);
    }

    fn merge(&mut self, other: &Answers) {
        Answer::ALL.into_iter().for_each(|answer| self.add(answer, other.of(answer)));
    }
}

/// The attempts of some, and when the first and the last of them were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// By answer.
    pub answers: Answers,
    /// The first.
    pub first: Moment,
    /// The last.
    pub last: Moment,
}

impl Default for Count {
    fn default() -> Self {
        Self { answers: Answers::default(), first: Moment::MAX, last: Moment::MIN }
    }
}

impl Count {
    pub(super) fn add(&mut self, knock: &Knock<'_>) {
        self.answers.add(knock.answer, knock.attempts);
        self.first = self.first.min(knock.at);
        self.last = self.last.max(knock.at);
    }

    pub(super) fn merge(&mut self, other: &Count) {
        self.answers.merge(&other.answers);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}
