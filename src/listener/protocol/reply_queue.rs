//! The replies that are owed and not yet sent: counted, and rendered only when they can be sent, so that
//! a pipeline of any length takes the same memory.
//!
//! Guarantees: replies are neither lost nor reordered, and which ones come depends neither on how the
//! client's bytes are split nor on how fast it reads.
//! Never: holds rendered bytes.

use std::collections::VecDeque;
use std::num::NonZeroU8;

use super::encode::Notice;
use super::reply_policy::Reply;

/// How often one connection may get another kind of reply than the one before; after that every
/// command gets the notice. The set-up of no client library comes near. Counted over the whole
/// connection and not over what is queued, or else the replies would depend on how fast the client
/// reads.
const MAX_REPLY_CHANGES: u16 = 255;
/// Bytes of ECHO arguments that one connection may get back; counted like the changes.
const MAX_ECHOED_BYTES: u16 = 8 * 1024;
/// About so many bytes are rendered at once.
const TARGET_BYTES: usize = 16 * 1024;

/// Rendered replies on their way into a socket; one buffer serves all connections.
#[derive(Debug, Default)]
pub struct WriteBuffer {
    bytes: Vec<u8>,
    /// Where in `bytes` each reply ends.
    ends: Vec<usize>,
}

impl WriteBuffer {
    /// What is to be sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The counts of a queue, and its limits: all that an idle connection holds of it.
#[derive(Debug, Default)]
pub struct ReplyStats {
    /// Replies sent in full. Far from overflowing: a connection carries at most a GiB.
    pub sent: u32,
    /// Whether the notice was among them.
    pub notice_sent: bool,
    /// Whether it was the reply to the client's own call, sent in full.
    pub told_user: bool,
    /// Whether no further reply is accepted.
    closed: bool,
    /// Changes of kind so far, up to [`MAX_REPLY_CHANGES`].
    changes: u16,
    /// Bytes of ECHO arguments so far, up to [`MAX_ECHOED_BYTES`].
    echoed: u16,
    /// The kind of the last reply, sent or not; `None` at the start and after an ECHO.
    last_kind: Option<NonZeroU8>,
}

/// The owed replies of one connection, in order.
#[derive(Debug, Default)]
pub struct ReplyQueue {
    /// Equal replies in a row are one entry with a count.
    runs: VecDeque<(Reply, u64)>,
    /// Bytes of the first reply that are sent already.
    head_sent: usize,
    /// The counts so far.
    pub(super) stats: ReplyStats,
}

impl ReplyQueue {
    /// Adds a reply, or the notice in its place if the connection is over its limits. Ignored once
    /// closed. Returns whether the notice was added as a Redis error.
    pub fn push(&mut self, reply: Reply) -> bool {
        if self.stats.closed {
            return false;
        }
        self.stats.closed = reply.is_last();
        let reply = self.within_limits(reply);
        let is_notice_error = reply.is_notice_error();
        match self.runs.back_mut() {
            Some((last, count)) if *last == reply => *count += 1,
            _ => self.runs.push_back((reply, 1)),
        }
        is_notice_error
    }

    /// `reply`, or the notice if the limits do not allow `reply`. The last reply is always allowed.
    fn within_limits(&mut self, mut reply: Reply) -> Reply {
        if let Reply::Echo(text) = &reply {
            let echoed = usize::from(self.stats.echoed) + text.len();
            match u16::try_from(echoed) {
                Ok(echoed) if echoed <= MAX_ECHOED_BYTES => self.stats.echoed = echoed,
                _ => reply = Reply::NoticeError,
            }
        }
        let repeats = reply.kind().is_some() && self.stats.last_kind == reply.kind();
        if repeats || reply.is_last() {
            return reply;
        }
        if self.stats.changes < MAX_REPLY_CHANGES {
            self.stats.changes += 1;
        } else {
            reply = Reply::NoticeError;
        }
        self.stats.last_kind = reply.kind();
        reply
    }

    /// Moves the counts out, if nothing is queued.
    pub fn park(&mut self) -> Option<ReplyStats> {
        self.runs.is_empty().then(|| std::mem::take(&mut self.stats))
    }

    /// Replaces all state by parked counts.
    pub fn resume(&mut self, stats: ReplyStats) {
        self.discard();
        self.stats = stats;
    }

    /// The commands so far turned out to be a library's set-up: no reply to them tells the user.
    pub fn retract_told(&mut self) {
        self.stats.told_user = false;
        for (reply, _) in &mut self.runs {
            if *reply == Reply::NoticeError {
                *reply = Reply::SetupError;
            }
        }
    }

    /// Drops every queued reply, and accepts no further one.
    pub fn discard(&mut self) {
        self.runs.clear();
        self.head_sent = 0;
        self.stats.closed = true;
    }

    /// Accepts no further reply; queued ones stay.
    pub fn close(&mut self) {
        self.stats.closed = true;
    }

    /// Whether no further reply is accepted.
    pub fn is_closed(&self) -> bool {
        self.stats.closed
    }

    /// Whether nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Whether the notice was sent or is queued.
    pub fn carries_notice(&self) -> bool {
        self.stats.notice_sent || self.runs.iter().any(|(reply, _)| reply.carries_notice())
    }

    /// Whether a queued reply contains the address that the client connected to.
    pub fn needs_address(&self) -> bool {
        self.runs.iter().any(|(reply, _)| reply.needs_address())
    }

    /// An upper bound of the heap bytes held.
    pub fn retained_bytes(&self) -> usize {
        self.runs.capacity() * size_of::<(Reply, u64)>() + usize::from(self.stats.echoed)
    }

    /// Renders the next replies into `buffer`, about [`TARGET_BYTES`] of them.
    pub fn render(&self, notice: &Notice, buffer: &mut WriteBuffer) {
        buffer.bytes.clear();
        buffer.ends.clear();
        // The part of the first reply that was sent is rendered again, and cut off below.
        let target = TARGET_BYTES + self.head_sent;
        'runs: for (reply, count) in &self.runs {
            for _ in 0..*count {
                notice.encode(reply, &mut buffer.bytes);
                buffer.ends.push(buffer.bytes.len());
                if buffer.bytes.len() >= target {
                    break 'runs;
                }
            }
        }
        buffer.bytes.drain(..self.head_sent);
        buffer.ends.iter_mut().for_each(|end| *end -= self.head_sent);
    }

    /// Removes what was sent: the first `bytes` of `buffer`, as it was rendered last.
    pub fn mark_sent(&mut self, buffer: &WriteBuffer, bytes: usize) {
        let whole = buffer.ends.partition_point(|end| *end <= bytes);
        self.head_sent = match whole.checked_sub(1).and_then(|last| buffer.ends.get(last)) {
            Some(end) => bytes - end,
            None => self.head_sent + bytes,
        };
        self.stats.sent += whole as u32;
        let mut left = whole as u64;
        while left > 0 {
            let Some((reply, count)) = self.runs.front_mut() else { return };
            self.stats.notice_sent |= reply.carries_notice();
            self.stats.told_user |= reply.tells_user();
            let done = left.min(*count);
            left -= done;
            *count -= done;
            if *count == 0 {
                self.runs.pop_front();
            }
        }
        if self.runs.is_empty() {
            // What a burst made it grow to is not held until the next one.
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
    fn sent_in_steps(queue: &mut ReplyQueue, step: usize) -> Vec<u8> {
        let (notice, mut buffer, mut wire) = (notice(), WriteBuffer::default(), Vec::new());
        while !queue.is_empty() {
            queue.render(&notice, &mut buffer);
            let taken = step.min(buffer.bytes().len());
            wire.extend_from_slice(&buffer.bytes()[..taken]);
            queue.mark_sent(&buffer, taken);
        }
        wire
    }

    #[test]
    fn the_bytes_are_the_same_however_little_the_socket_takes() {
        for step in [1, 2, 3, 7, 64, usize::MAX] {
            let mut queue = ReplyQueue::default();
            for _ in 0..3 {
                queue.push(Reply::Ok);
                queue.push(Reply::NoticeError);
                queue.push(Reply::NoticeError);
            }
            queue.push(Reply::Echo((*b"mark").into()));
            let expected = format!("{}$4\r\nmark\r\n", "+OK\r\n-NO\r\n-NO\r\n".repeat(3));
            assert_eq!(sent_in_steps(&mut queue, step), expected.as_bytes(), "{step}");
            assert_eq!((queue.stats.sent, queue.stats.notice_sent), (10, true));
        }
    }

    #[test]
    fn a_million_equal_replies_are_one_entry() {
        let mut queue = ReplyQueue::default();
        for _ in 0..1_000_000 {
            queue.push(Reply::NoticeError);
        }
        assert_eq!(queue.runs.len(), 1);
        assert_eq!(sent_in_steps(&mut queue, usize::MAX).len(), 5_000_000);
        assert_eq!(queue.stats.sent, 1_000_000);
    }

    #[test]
    fn replies_over_the_limits_are_still_counted() {
        let mut queue = ReplyQueue::default();
        for index in 0..100_000 {
            queue.push(if index % 2 == 0 { Reply::Ok } else { Reply::ClientId });
            queue.push(Reply::Echo(vec![b'x'; 400].into()));
        }
        assert!(
            queue.runs.len() <= usize::from(MAX_REPLY_CHANGES) + 1
                && queue.stats.echoed <= MAX_ECHOED_BYTES
        );
        assert!(queue.retained_bytes() <= 32 * 1024, "{} bytes are kept", queue.retained_bytes());
        sent_in_steps(&mut queue, usize::MAX);
        assert_eq!(queue.stats.sent, 200_000);
    }

    #[test]
    fn how_fast_the_client_reads_does_not_change_what_it_reads() {
        let push = |queue: &mut ReplyQueue, index: usize| match index % 5 {
            0 => queue.push(Reply::Ok),
            1 => queue.push(Reply::Echo(vec![b'x'; index % 300].into())),
            2 => queue.push(Reply::ClientId),
            _ => queue.push(Reply::NoticeError),
        };
        let (mut slow, mut quick, mut read) =
            (ReplyQueue::default(), ReplyQueue::default(), Vec::new());
        for index in 0..500 {
            push(&mut slow, index);
            push(&mut quick, index);
            read.extend(sent_in_steps(&mut quick, 9));
        }
        assert_eq!(sent_in_steps(&mut slow, usize::MAX), read);
    }

    #[test]
    fn a_repeated_reply_has_no_limit() {
        let mut queue = ReplyQueue::default();
        for _ in 0..10_000 {
            queue.push(Reply::ClientId);
        }
        assert_eq!(sent_in_steps(&mut queue, usize::MAX), b":1\r\n".repeat(10_000));
    }

    #[test]
    fn no_reply_follows_the_one_to_quit() {
        let mut queue = ReplyQueue::default();
        queue.push(Reply::OkAndClose);
        queue.push(Reply::NoticeError);
        assert!(queue.is_closed());
        assert_eq!(sent_in_steps(&mut queue, 9), b"+OK\r\n");
        assert!(!queue.stats.notice_sent);
    }
}
