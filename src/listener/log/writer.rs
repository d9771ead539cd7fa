//! Writes whole lines to a sink, and accounts for those that it could not write.
//!
//! Guarantees: every line is either in the log, or counted in a `dropped` line there as soon as the sink
//! accepts one.
//! Never: leaves a part of a line behind, if it can be completed or removed.

use std::io::{self, ErrorKind, Write};

use jiff::Timestamp;

use super::file::Sink;
use super::format::dropped_line;
use super::line_batch::{Chunk, LineTotals};
use crate::listener::settings::LogFormat;

/// Writes lines to `S`.
#[derive(Debug)]
pub(super) struct Writer<S> {
    sink: S,
    format: LogFormat,
    /// Lines that were not written and are not counted in the log yet.
    lost: LineTotals,
    /// The line of which only the beginning is written.
    partial: Option<PartialLine>,
    /// Lines and attempts that the log contains, written or counted as dropped.
    pub(super) accounted: LineTotals,
    /// Lines that are not in the log, since the start.
    pub(super) lost_lines: u64,
    /// Why the last write failed. One failure is reported once.
    pub(super) failure: Option<String>,
}

#[derive(Debug)]
struct PartialLine {
    line: Vec<u8>,
    written: usize,
    /// What is lost if the line is never completed.
    totals: LineTotals,
    /// It is a count of lines that were lost before.
    is_count: bool,
}

impl<S: Sink> Writer<S> {
    /// A writer to `sink`. `failure` was reported already.
    pub(super) fn new(sink: S, format: LogFormat, failure: Option<String>) -> Writer<S> {
        let (lost, accounted) = (LineTotals::default(), LineTotals::default());
        Writer { sink, format, lost, partial: None, accounted, lost_lines: 0, failure }
    }

    /// Where the lines go.
    pub(super) fn sink(&self) -> &S {
        &self.sink
    }

    /// Lines that are not in the log, and of which it has no count yet.
    pub(super) fn missing_lines(&self) -> u64 {
        self.lost.lines
    }

    /// The most bytes of a chunk for [`Writer::write`].
    pub(super) fn max_chunk_bytes(&self) -> usize {
        self.sink.atomic_write_bytes()
    }

    /// Writes the lines of `chunk`, after those that are pending.
    pub(super) fn write(&mut self, chunk: Chunk<'_>) {
        let mut left = chunk.spans;
        if self.catch_up() {
            let (written, result) = write_some(&mut self.sink, chunk.text);
            let mut whole = 0;
            while let Some((span, later)) = left.split_first() {
                let totals = LineTotals::one_line(span.attempts);
                if whole + span.length > written {
                    if written > whole {
                        let line = chunk.text[whole..whole + span.length].to_vec();
                        let written = written - whole;
                        let is_count = false;
                        self.partial = Some(PartialLine { line, written, totals, is_count });
                        left = later;
                    }
                    break;
                }
                whole += span.length;
                self.accounted.add(totals);
                left = later;
            }
            self.report(result);
        }
        for span in left {
            self.count_lost(LineTotals::one_line(span.attempts));
        }
    }

    /// Counts lines that are lost.
    pub(super) fn count_lost(&mut self, lost: LineTotals) {
        self.lost.add(lost);
        self.lost_lines += lost.lines;
    }

    /// Whether a line is to be completed, or a loss is to be counted in the log.
    pub(super) fn is_behind(&self) -> bool {
        self.partial.is_some() || !self.lost.is_zero()
    }

    /// Completes a partial line and writes the count of lost ones. Returns whether it could.
    pub(super) fn catch_up(&mut self) -> bool {
        while self.is_behind() {
            let mut partial = self.partial.take().unwrap_or_else(|| {
                let totals = std::mem::take(&mut self.lost);
                let line = dropped_line(self.format, Timestamp::now(), totals);
                PartialLine { line, written: 0, totals, is_count: true }
            });
            let (written, result) = write_some(&mut self.sink, &partial.line[partial.written..]);
            partial.written += written;
            if partial.written == partial.line.len() {
                self.accounted.add(partial.totals);
            } else if partial.written == 0 {
                // No byte of it is written, so that later losses can go into the same count.
                self.lost.add(partial.totals);
            } else {
                self.partial = Some(partial);
            }
            if !self.report(result) {
                return false;
            }
        }
        true
    }

    /// Finishes the current sink and continues with `sink`.
    pub(super) fn replace(&mut self, sink: S) {
        self.finish();
        self.sink = sink;
        if self.is_behind() {
            self.catch_up();
        } else {
            // With nothing to write, that it could be opened is all that is known.
            self.report(Ok(()));
        }
    }

    /// Continues without a sink that can be written: `failure` was reported already.
    pub(super) fn suspend(&mut self, sink: S, failure: String) {
        self.finish();
        self.sink = sink;
        self.failure = Some(failure);
    }

    /// Completes a partial line in the current sink, or removes it from there. Returns what remains
    /// lost.
    pub(super) fn finish(&mut self) -> LineTotals {
        if !self.catch_up()
            && let Some(partial) = self.partial.take()
        {
            self.sink.truncate_tail(partial.written);
            match partial.is_count {
                true => self.lost.add(partial.totals),
                false => self.count_lost(partial.totals),
            }
        }
        self.lost
    }

    /// Reports the first failure, and the first success after it. Returns whether it is a success.
    fn report(&mut self, result: io::Result<()>) -> bool {
        let failure = result.err().map(|cause| cause.to_string());
        match (&failure, &self.failure) {
            (None, Some(_)) => tracing::info!("the log can be written again"),
            (Some(cause), None) => {
                tracing::error!(
                    "could not write the log: {cause}; lines are counted until it works"
                );
            }
            _ => {}
        }
        self.failure = failure;
        self.failure.is_none()
    }
}

/// Writes until everything is written or an error comes. Returns how many bytes were written.
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
