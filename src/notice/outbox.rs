//! Owns the answers that are owed and not yet sent: counted, not built, so that a pipeline of any
//! length costs the same. Must never lose or reorder an answer, and never hold rendered bytes.

use std::collections::VecDeque;

use super::answer::Answer;
use super::render::Notice;

/// Different answers in a row that are told apart; no client's set-up comes near.
const MOST_RUNS: usize = 256;
/// Bytes of ECHO arguments that may wait at once.
const MOST_ECHOED: usize = 8 * 1024;
/// Bytes that one batch aims at.
const BATCH: usize = 16 * 1024;

/// Rendered answers on their way into a socket; one buffer serves all connections.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    /// Where in `bytes` each answer ends.
    ends: Vec<usize>,
}

impl Batch {
    /// What is to be sent.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// What has to be remembered of an outbox that is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    /// Answers sent in full.
    pub(super) sent: u64,
    /// Whether the sentence was among them.
    pub(super) told: bool,
    /// Whether no further answer is taken.
    ended: bool,
}

/// The answers owed, in order.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    runs: VecDeque<(Answer, u64)>,
    echoed: usize,
    /// Bytes of the first answer that are sent already.
    begun: usize,
    tally: Tally,
}

impl Outbox {
    /// Owes one more answer. Where the present ones are too varied to be remembered, the
    /// sentence takes its place, so that the count and the order hold in any case.
    pub(super) fn owe(&mut self, answer: Answer) {
        if self.tally.ended {
            return;
        }
        self.tally.ended = answer.is_last();
        if let Some((last, count)) = self.runs.back_mut()
            && *last == answer
            && !matches!(answer, Answer::Echo(_))
        {
            *count += 1;
            return;
        }
        let echo = if let Answer::Echo(text) = &answer { text.len() } else { 0 };
        let too_varied = self.runs.len() >= MOST_RUNS || self.echoed + echo > MOST_ECHOED;
        if too_varied && !answer.is_last() {
            match self.runs.back_mut() {
                Some((Answer::Sentence, count)) => *count += 1,
                _ => self.runs.push_back((Answer::Sentence, 1)),
            }
            return;
        }
        self.echoed += echo;
        self.runs.push_back((answer, 1));
    }

    /// What was sent so far.
    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// Goes on where another one was empty.
    pub(super) fn resume(&mut self, tally: Tally) {
        self.runs.clear();
        *self = Outbox { runs: std::mem::take(&mut self.runs), tally, ..Outbox::default() };
    }

    /// Whether an answer is owed that names the address that the client meant.
    pub(super) fn names_address(&self) -> bool {
        self.runs.iter().any(|(answer, _)| answer.names_address())
    }

    /// Owes nothing more after what is owed now.
    pub(super) fn end(&mut self) {
        self.tally.ended = true;
    }

    /// Owes nothing at all any more.
    pub(super) fn abandon(&mut self) {
        self.runs.clear();
        (self.echoed, self.begun) = (0, 0);
        self.tally.ended = true;
    }

    /// Whether no further answer is taken.
    pub(super) fn has_ended(&self) -> bool {
        self.tally.ended
    }

    /// Whether nothing waits to be sent.
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Whether the sentence was sent, or waits to be.
    pub(super) fn tells(&self) -> bool {
        self.tally.told || self.runs.iter().any(|(answer, _)| answer.tells())
    }

    /// Whether the sentence was sent.
    pub(super) fn told(&self) -> bool {
        self.tally.told
    }

    /// How many answers were sent in full.
    pub(super) fn sent(&self) -> u64 {
        self.tally.sent
    }

    /// Renders the next answers, about [`BATCH`] bytes of them.
    pub(super) fn fill(&self, notice: &Notice, batch: &mut Batch) {
        batch.bytes.clear();
        batch.ends.clear();
        for (answer, count) in &self.runs {
            for _ in 0..*count {
                notice.render(answer, &mut batch.bytes);
                batch.ends.push(batch.bytes.len());
                if batch.bytes.len() >= BATCH + self.begun {
                    break;
                }
            }
            if batch.bytes.len() >= BATCH + self.begun {
                break;
            }
        }
        batch.bytes.drain(..self.begun);
        batch.ends.iter_mut().for_each(|end| *end -= self.begun);
    }

    /// Notes that the first `bytes` of `batch`, the latest one filled, are sent.
    pub(super) fn sent_bytes(&mut self, batch: &Batch, bytes: usize) {
        let whole = batch.ends.partition_point(|end| *end <= bytes);
        self.begun = match whole.checked_sub(1).and_then(|last| batch.ends.get(last)) {
            Some(end) => bytes - end,
            None => self.begun + bytes,
        };
        self.tally.sent += whole as u64;
        let mut left = whole as u64;
        while left > 0 {
            let Some((answer, count)) = self.runs.front_mut() else { return };
            self.tally.told |= answer.tells();
            let done = left.min(*count);
            left -= done;
            *count -= done;
            if *count == 0 {
                if let Answer::Echo(text) = answer {
                    self.echoed -= text.len();
                }
                self.runs.pop_front();
            }
        }
        if self.runs.is_empty() {
            self.runs.shrink_to(4);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice() -> Notice {
        Notice { sentence: "NO".into(), port: 1, address: [127, 0, 0, 1].into() }
    }

    /// Sends everything, at most `step` bytes at a time.
    fn sent_in_steps(outbox: &mut Outbox, step: usize) -> Vec<u8> {
        let (notice, mut batch, mut wire) = (notice(), Batch::default(), Vec::new());
        while !outbox.is_empty() {
            outbox.fill(&notice, &mut batch);
            let taken = step.min(batch.bytes().len());
            wire.extend_from_slice(&batch.bytes()[..taken]);
            outbox.sent_bytes(&batch, taken);
        }
        wire
    }

    #[test]
    fn however_little_the_socket_takes_the_bytes_are_the_same() {
        for step in [1, 2, 3, 7, 64, usize::MAX] {
            let mut outbox = Outbox::default();
            for _ in 0..3 {
                outbox.owe(Answer::Done);
                outbox.owe(Answer::Sentence);
                outbox.owe(Answer::Sentence);
            }
            outbox.owe(Answer::Echo((*b"mark").into()));
            let expected = format!("{}$4\r\nmark\r\n", "+OK\r\n-NO\r\n-NO\r\n".repeat(3));
            assert_eq!(sent_in_steps(&mut outbox, step), expected.as_bytes(), "{step}");
            assert_eq!((outbox.sent(), outbox.told()), (10, true));
        }
    }

    #[test]
    fn a_million_owed_answers_are_one_entry() {
        let mut outbox = Outbox::default();
        (0..1_000_000).for_each(|_| outbox.owe(Answer::Sentence));
        assert_eq!(outbox.runs.len(), 1);
        assert_eq!(sent_in_steps(&mut outbox, usize::MAX).len(), 5_000_000);
        assert_eq!(outbox.sent(), 1_000_000);
    }

    #[test]
    fn answers_too_varied_to_remember_are_still_counted() {
        let mut outbox = Outbox::default();
        for index in 0..100_000 {
            outbox.owe(if index % 2 == 0 { Answer::Done } else { Answer::Number });
            outbox.owe(Answer::Echo(vec![b'x'; 400].into()));
        }
        assert!(outbox.runs.len() <= MOST_RUNS + 1 && outbox.echoed <= MOST_ECHOED);
        sent_in_steps(&mut outbox, usize::MAX);
        assert_eq!((outbox.sent(), outbox.echoed), (200_000, 0));
    }

    #[test]
    fn nothing_is_owed_after_a_farewell() {
        let mut outbox = Outbox::default();
        outbox.owe(Answer::Farewell);
        outbox.owe(Answer::Sentence);
        assert!(outbox.has_ended());
        assert_eq!(sent_in_steps(&mut outbox, 9), b"+OK\r\n");
        assert!(!outbox.told());
    }
}
