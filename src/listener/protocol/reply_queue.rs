//! Owns the answers that are owed and not yet sent: counted, not built, so that a pipeline of any
//! length costs the same. Must never lose or reorder an answer, and never hold rendered bytes.

use std::collections::VecDeque;
use std::num::NonZeroU8;

use super::encode::Notice;
use super::reply_policy::Answer;

/// How often one connection may be given another answer than before; no client's set-up comes
/// near. Beyond it everything gets the sentence. Counted over the whole connection, not over what
/// waits: which answers come must not depend on how the peer's bytes are split, nor on how fast it
/// reads.
const MOST_CHANGES: u16 = 255;
/// Bytes of ECHO arguments that one connection may be given back, for the same reason.
const MOST_ECHOED: u16 = 8 * 1024;
/// Bytes that one batch aims at.
const BATCH: usize = 16 * 1024;

/// Rendered answers on their way into a socket; one buffer serves all connections.
#[derive(Debug, Default)]
pub(in crate::listener) struct Batch {
    bytes: Vec<u8>,
    /// Where in `bytes` each answer ends.
    ends: Vec<usize>,
}

impl Batch {
    /// What is to be sent.
    pub(in crate::listener) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// What has to be remembered of an outbox that is empty.
#[derive(Debug, Default)]
pub(in crate::listener) struct Tally {
    /// Answers sent in full.
    pub(in crate::listener) sent: u64,
    /// Whether the sentence was among them.
    pub(in crate::listener) told: bool,
    /// Whether no further answer is taken.
    ended: bool,
    changes: u16,
    /// Bytes of ECHO arguments.
    echoed: u16,
    /// The kind of the latest answer owed, sent or not; `None` at the start and after an ECHO.
    latest: Option<NonZeroU8>,
}

/// The answers owed, in order.
#[derive(Debug, Default)]
pub(in crate::listener) struct Outbox {
    runs: VecDeque<(Answer, u64)>,
    /// Bytes of the first answer that are sent already.
    begun: usize,
    tally: Tally,
}

impl Outbox {
    /// Owes one more answer, or the sentence in its place.
    pub(in crate::listener) fn owe(&mut self, answer: Answer) {
        if self.tally.ended {
            return;
        }
        self.tally.ended = answer.is_last();
        let answer = self.granted(answer);
        match self.runs.back_mut() {
            Some((last, count)) if *last == answer => *count += 1,
            _ => self.runs.push_back((answer, 1)),
        }
    }

    /// This answer where there may be one more like it, else the sentence; last words always.
    fn granted(&mut self, mut answer: Answer) -> Answer {
        if let Answer::Echo(text) = &answer {
            let echoed = usize::from(self.tally.echoed) + text.len();
            if let Some(echoed) = u16::try_from(echoed).ok().filter(|bytes| *bytes <= MOST_ECHOED) {
                self.tally.echoed = echoed;
            } else {
                answer = Answer::Sentence;
            }
        }
        let is_same = answer.kind().is_some() && self.tally.latest == answer.kind();
        if is_same || answer.is_last() {
            return answer;
        }
        if self.tally.changes < MOST_CHANGES {
            self.tally.changes += 1;
        } else {
            answer = Answer::Sentence;
        }
        self.tally.latest = answer.kind();
        answer
    }

    /// Takes out what has to be remembered of it, where nothing waits to be sent.
    pub(in crate::listener) fn pause(&mut self) -> Option<Tally> {
        self.runs.is_empty().then(|| std::mem::take(&mut self.tally))
    }

    /// Goes on where another one paused.
    pub(in crate::listener) fn resume(&mut self, tally: Tally) {
        self.abandon();
        self.tally = tally;
    }

    /// Whether an answer is owed that names the address that the client meant.
    pub(in crate::listener) fn names_address(&self) -> bool {
        self.runs.iter().any(|(answer, _)| answer.names_address())
    }

    /// Owes nothing at all any more.
    pub(in crate::listener) fn abandon(&mut self) {
        self.runs.clear();
        self.begun = 0;
        self.tally.ended = true;
    }

    /// Owes nothing more after what is owed now.
    pub(in crate::listener) fn end(&mut self) {
        self.tally.ended = true;
    }

    /// Whether no further answer is taken.
    pub(in crate::listener) fn has_ended(&self) -> bool {
        self.tally.ended
    }

    /// Whether nothing waits to be sent.
    pub(in crate::listener) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Whether the sentence was sent, or waits to be.
    pub(in crate::listener) fn tells(&self) -> bool {
        self.tally.told || self.runs.iter().any(|(answer, _)| answer.tells())
    }

    /// Whether the sentence was sent.
    pub(in crate::listener) fn told(&self) -> bool {
        self.tally.told
    }

    /// How many answers were sent in full.
    pub(in crate::listener) fn sent(&self) -> u64 {
        self.tally.sent
    }

    /// The most bytes that may be kept for what is owed.
    pub(in crate::listener) fn kept(&self) -> usize {
        self.runs.capacity() * size_of::<(Answer, u64)>() + usize::from(self.tally.echoed)
    }

    /// Renders the next answers, about [`BATCH`] bytes of them.
    pub(in crate::listener) fn fill(&self, notice: &Notice, batch: &mut Batch) {
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
    pub(in crate::listener) fn sent_bytes(&mut self, batch: &Batch, bytes: usize) {
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
        assert!(
            outbox.runs.len() <= usize::from(MOST_CHANGES) + 1
                && outbox.tally.echoed <= MOST_ECHOED
        );
        assert!(outbox.kept() <= 32 * 1024, "{} bytes are kept", outbox.kept());
        sent_in_steps(&mut outbox, usize::MAX);
        assert_eq!(outbox.sent(), 200_000);
    }

    #[test]
    fn how_fast_the_peer_reads_does_not_change_what_it_reads() {
        let owe = |outbox: &mut Outbox, index: usize| match index % 5 {
            0 => outbox.owe(Answer::Done),
            1 => outbox.owe(Answer::Echo(vec![b'x'; index % 300].into())),
            2 => outbox.owe(Answer::Number),
            _ => outbox.owe(Answer::Sentence),
        };
        let (mut slow, mut quick, mut read) = (Outbox::default(), Outbox::default(), Vec::new());
        for index in 0..500 {
            owe(&mut slow, index);
            owe(&mut quick, index);
            read.extend(sent_in_steps(&mut quick, 9));
        }
        assert_eq!(sent_in_steps(&mut slow, usize::MAX), read);
    }

    #[test]
    fn repeated_answers_are_granted_for_ever() {
        let mut outbox = Outbox::default();
        (0..10_000).for_each(|_| outbox.owe(Answer::Number));
        assert_eq!(sent_in_steps(&mut outbox, usize::MAX), b":1\r\n".repeat(10_000));
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
