//! Owns the log's writing side: whole lines into a sink, and an honest count of those that could
//! not be written. Must never leave half a line behind where it can be completed or taken back.

use std::io::{self, ErrorKind, Write};

use jiff::Timestamp;

use super::file::Sink;
use super::format::dropped_line;
use crate::listener::settings::LogFormat;

/// So many lines, which stand for so many attempts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct LineTotals {
    pub(super) lines: u64,
    pub(super) attempts: u64,
}

impl LineTotals {
    /// Adds `more`.
    pub(super) fn add(&mut self, more: LineTotals) {
        self.lines += more.lines;
        self.attempts += more.attempts;
    }

    /// What is left without `part`.
    pub(super) fn less(self, part: LineTotals) -> LineTotals {
        LineTotals {
            lines: self.lines.saturating_sub(part.lines),
            attempts: self.attempts.saturating_sub(part.attempts),
        }
    }
}

/// LineBatch, and how many attempts each stands for.
#[derive(Debug, Default)]
pub(super) struct LineBatch {
    text: Vec<u8>,
    /// The bytes of each line, and its attempts.
    each: Vec<(usize, u64)>,
    tally: LineTotals,
}

/// Some of them, few enough to be written at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk<'a> {
    pub(super) text: &'a [u8],
    pub(super) each: &'a [(usize, u64)],
}

impl LineBatch {
    /// Adds what `word` words: one line, its end included.
    pub(super) fn push(&mut self, attempts: u64, word: impl FnOnce(&mut Vec<u8>)) {
        let before = self.text.len();
        word(&mut self.text);
        self.each.push((self.text.len() - before, attempts));
        self.tally.add(LineTotals { lines: 1, attempts });
    }

    /// Adds all of `more`.
    pub(super) fn append(&mut self, more: &LineBatch) {
        self.text.extend_from_slice(&more.text);
        self.each.extend_from_slice(&more.each);
        self.tally.add(more.tally);
    }

    /// How many bytes they have.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// What they stand for.
    pub(super) fn tally(&self) -> LineTotals {
        self.tally
    }

    /// The same lines in chunks of at most `most` bytes, or of one line.
    pub(super) fn chunks(&self, most: usize) -> impl Iterator<Item = Chunk<'_>> {
        let (mut text, mut each) = (self.text.as_slice(), self.each.as_slice());
        std::iter::from_fn(move || {
            let mut bytes = 0;
            let fits = |(length, _): &&(usize, u64)| {
                bytes += length;
                bytes <= most || bytes == *length
            };
            let count = each.iter().take_while(fits).count();
            let (these, later) = each.split_at(count);
            let (piece, rest) = text.split_at(these.iter().map(|(length, _)| length).sum());
            (text, each) = (rest, later);
            (count > 0).then_some(Chunk { text: piece, each: these })
        })
    }
}

/// Writes lines to a sink, and remembers what it owes.
#[derive(Debug)]
pub(super) struct Writer<S> {
    sink: S,
    format: LogFormat,
    /// What was not written, and is not told in the log yet.
    lost: LineTotals,
    /// A line whose beginning is written.
    torn: Option<PartialLine>,
    /// What the log says by now, in lines and in counts.
    told: LineTotals,
    failing: bool,
}

#[derive(Debug)]
struct PartialLine {
    line: Vec<u8>,
    written: usize,
    /// What is lost where it is not completed.
    tally: LineTotals,
}

impl<S: Sink> Writer<S> {
    /// A writer to `sink`; `failing` where people know already that it cannot be written.
    pub(super) fn new(sink: S, format: LogFormat, failing: bool) -> Writer<S> {
        let (lost, told) = (LineTotals::default(), LineTotals::default());
        Writer { sink, format, lost, torn: None, told, failing }
    }

    /// How many bytes are best written at once.
    pub(super) fn at_once(&self) -> usize {
        self.sink.at_once()
    }

    /// Writes `lines`, after what is owed from before.
    pub(super) fn write(&mut self, lines: Chunk<'_>) {
        let mut left = lines.each;
        if self.catch_up() {
            let (written, result) = write_some(&mut self.sink, lines.text);
            let mut whole = 0;
            while let Some(((length, attempts), later)) = left.split_first() {
                let tally = LineTotals { lines: 1, attempts: *attempts };
                if whole + length > written {
                    if written > whole {
                        let line = lines.text[whole..whole + length].to_vec();
                        self.torn = Some(PartialLine { line, written: written - whole, tally });
                        left = later;
                    }
                    break;
                }
                whole += length;
                self.told.add(tally);
                left = later;
            }
            self.judge(result);
        }
        for (_, attempts) in left {
            self.lost.add(LineTotals { lines: 1, attempts: *attempts });
        }
    }

    /// Counts lines that were lost before they came here.
    pub(super) fn count_lost(&mut self, lost: LineTotals) {
        self.lost.add(lost);
    }

    /// Whether something is owed from before.
    pub(super) fn is_behind(&self) -> bool {
        self.torn.is_some() || self.lost != LineTotals::default()
    }

    /// Completes a torn line and tells the loss, where it can; whether nothing is owed now.
    pub(super) fn catch_up(&mut self) -> bool {
        while self.is_behind() {
            let mut torn = self.torn.take().unwrap_or_else(|| {
                let tally = std::mem::take(&mut self.lost);
                let line = dropped_line(self.format, Timestamp::now(), tally.lines, tally.attempts);
                PartialLine { line, written: 0, tally }
            });
            let (written, result) = write_some(&mut self.sink, &torn.line[torn.written..]);
            torn.written += written;
            if torn.written == torn.line.len() {
                self.told.add(torn.tally);
            } else if torn.written == 0 {
                // Nothing of it is out: what is lost later goes into the same count.
                self.lost.add(torn.tally);
            } else {
                self.torn = Some(torn);
            }
            if !self.judge(result) {
                return false;
            }
        }
        true
    }

    /// Goes on with another sink.
    pub(super) fn replace(&mut self, sink: S) {
        self.leave();
        self.sink = sink;
        self.catch_up();
    }

    /// Ends what is begun in the present sink, or takes it back. What stays lost.
    pub(super) fn leave(&mut self) -> LineTotals {
        if !self.catch_up()
            && let Some(torn) = self.torn.take()
        {
            self.sink.truncate_tail(torn.written);
            self.lost.add(torn.tally);
        }
        self.lost
    }

    /// What the log says by now, in lines and in counts.
    pub(super) fn told(&self) -> LineTotals {
        self.told
    }

    /// Says when trouble begins and when it is over; whether there is none.
    fn judge(&mut self, result: io::Result<()>) -> bool {
        let failed = result.is_err();
        match (result, std::mem::replace(&mut self.failing, failed)) {
            (Ok(()), true) => tracing::info!("the log can be written again"),
            (Err(cause), false) => {
                tracing::error!(
                    "could not write the log: {cause}; lines are counted until it works"
                );
            }
            _ => {}
        }
        !failed
    }
}

/// Writes what it can; says how much that was.
fn write_some(sink: &mut impl Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match sink.write(&bytes[written..]) {
            Ok(0) => return (written, Err(ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
            Err(cause) => return (written, Err(cause)),
        }
    }
    (written, Ok(()))
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
