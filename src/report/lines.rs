//! Splits a log into lines, parses them and dates them.
//!
//! Guarantees: memory stays bounded whatever bytes a log holds; every line is passed on, once.
//! Never: opens anything; it reads what it is given.

use super::aggregate::{Aggregate, Filter};
use super::kernel_log::{KernelLog, Logged};
use super::listener_log;
use super::record::{Attempt, Line, SkipReason, Skipped};
use super::timestamp::{Dated, Segment, TimestampParser, When, Yearless};
use memchr::memchr_iter;
use std::io::{self, ErrorKind, Read};

/// How many bytes are read at once, and the longest line that is parsed.
const BUFFER: usize = 256 * 1024;
/// The most lines without a year that are kept until the log's end tells it. Each takes some 200 bytes; the kernel
/// writes a few a minute.
const MAX_YEARLESS: usize = 200_000;

/// Which program's lines a log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFormat {
    /// The listener's.
    Listener,
    /// The kernel's, between those of other programs.
    Kernel,
    /// Either: every line is tried as both.
    Detect,
}

/// The place of a line in a log.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// Its text. Empty for a line that is dated at the end of the log, and no longer there.
    pub text: &'a [u8],
    /// A number for the message of one of the kernel's lines: the same in each log that has the message.
    pub fingerprint: Option<u64>,
}

/// Adds every line of a log to `aggregate`.
///
/// # Errors
/// The log cannot be read to its end; the lines before the error are counted.
pub fn read_lines(
    log: &mut impl Read,
    format: LineFormat,
    timestamps: &mut TimestampParser,
    filter: &Filter,
    aggregate: &mut Aggregate,
) -> io::Result<()> {
    scan(log, format, timestamps, |line, _| {
        aggregate.add(line, filter);
    })
}

/// Passes every line of a log to `each`, parsed, or the reason to skip it.
///
/// # Errors
/// The log cannot be read to its end; the lines before the error were passed on.
pub fn scan(
    log: &mut impl Read,
    format: LineFormat,
    timestamps: &mut TimestampParser,
    mut each: impl FnMut(Result<Line<'_>, Skipped>, Place<'_>),
) -> io::Result<()> {
    let mut parser = Parser {
        format,
        timestamps,
        kernel: KernelLog::default(),
        number: 0,
        held: 0,
        yearless: Vec::new(),
    };
    let mut buffer = vec![0; BUFFER];
    // `overlong`: the line at the start of the buffer began before it and is skipped.
    let (mut filled, mut overlong) = (0, false);
    let result = loop {
        let read = match log.read(&mut buffer[filled..]) {
            Ok(0) => break Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => break Err(error),
        };
        // Bytes before `searched` hold no line end: they were searched after an earlier read.
        let (mut start, searched) = (0, filled);
        filled += read;
        for offset in memchr_iter(b'\n', &buffer[searched..filled]) {
            let end = searched + offset;
            match std::mem::take(&mut overlong) {
                true => parser.overlong(&mut each),
                false => parser.line(&buffer[start..end], false, &mut each),
            }
            start = end + 1;
        }
        buffer.copy_within(start..filled, 0);
        filled -= start;
        if filled == BUFFER {
            (filled, overlong) = (0, true);
        }
    };
    // Bytes after the last line end are a line that is being written, or that a crash has torn.
    let rest = &buffer[..filled];
    if overlong {
        parser.overlong(&mut each);
    } else if !rest.is_empty() {
        parser.line(rest, true, &mut each);
    }
    parser.finish(&mut each);
    result
}

/// A line that waits for its year.
struct Waiting {
    number: u64,
    stamp: Yearless,
    segment: Segment,
    fingerprint: u64,
    attempt: Attempt<'static>,
}

/// Parses the lines of one log.
struct Parser<'a> {
    format: LineFormat,
    timestamps: &'a mut TimestampParser,
    kernel: KernelLog,
    /// The number of the present line.
    number: u64,
    /// How many lines of the present entry are not passed on yet.
    held: u64,
    yearless: Vec<Waiting>,
}

impl Parser<'_> {
    /// Parses one line, without its line end; `is_unfinished` if it has none.
    fn line(
        &mut self,
        line: &[u8],
        is_unfinished: bool,
        each: &mut impl FnMut(Result<Line<'_>, Skipped>, Place<'_>),
    ) {
        self.number += 1;
        let place = Place { number: self.number, text: line, fingerprint: None };
        if self.format != LineFormat::Kernel {
            // A log that came by way of another system.
            let text = line.strip_suffix(b"\r").unwrap_or(line);
            match listener_log::parse(text, self.timestamps) {
                Err(SkipReason::Foreign) if self.format == LineFormat::Detect => {}
                Err(reason) => {
                    let reason = if is_unfinished && reason != SkipReason::Foreign {
                        SkipReason::Torn
                    } else {
                        reason
                    };
                    let at = listener_log::time(text, self.timestamps);
                    return each(Err(Skipped { reason, at, is_kernel: false }), place);
                }
                Ok(line) => return each(Ok(line), place),
            }
        }
        match self.kernel.take(line, self.timestamps) {
            None => self.held += 1,
            Some(parsed) => self.logged(parsed, place, each),
        }
    }

    /// Passes on one of the kernel's lines once its time is known.
    fn logged(
        &mut self,
        parsed: Result<Logged, Skipped>,
        place: Place<'_>,
        each: &mut impl FnMut(Result<Line<'_>, Skipped>, Place<'_>),
    ) {
        for _ in 0..std::mem::take(&mut self.held) {
            each(Err(SkipReason::Foreign.into()), place);
        }
        let Logged { attempt, when, fingerprint } = match parsed {
            Ok(logged) => logged,
            Err(skipped) => return each(Err(skipped), place),
        };
        let line = match when {
            Some(When::At(at)) => Ok(Line::Attempt(Attempt { at, ..attempt })),
            Some(When::Impossible) => Err(Skipped::of_kernel(SkipReason::Misdated)),
            Some(When::Yearless(stamp)) => {
                let segment = self.timestamps.segment(stamp);
                if self.yearless.len() < MAX_YEARLESS {
                    let number = place.number;
                    return self.yearless.push(Waiting {
                        number,
                        stamp,
                        segment,
                        fingerprint,
                        attempt,
                    });
                }
                Ok(Line::Undated(attempt))
            }
            None => Ok(Line::Undated(attempt)),
        };
        each(line, Place { fingerprint: Some(fingerprint), ..place });
    }

    fn overlong(&mut self, each: &mut impl FnMut(Result<Line<'_>, Skipped>, Place<'_>)) {
        self.number += 1;
        each(
            Err(SkipReason::Foreign.into()),
            Place { number: self.number, text: b"", fingerprint: None },
        );
    }

    /// Passes on what waited for the end of the log.
    fn finish(mut self, each: &mut impl FnMut(Result<Line<'_>, Skipped>, Place<'_>)) {
        let place = Place { number: self.number, text: b"", fingerprint: None };
        if self.held > 0 {
            self.held -= 1;
            let last = self.kernel.finish(self.timestamps);
            self.logged(last.unwrap_or_else(|| Err(SkipReason::Foreign.into())), place, each);
        }
        for Waiting { number, stamp, segment, fingerprint, attempt } in
            std::mem::take(&mut self.yearless)
        {
            let line = match self.timestamps.date(stamp, segment) {
                Some(Dated::At(at)) => Ok(Line::Attempt(Attempt { at, ..attempt })),
                Some(Dated::Ambiguous) => Ok(Line::Undated(attempt)),
                None => Err(Skipped::of_kernel(SkipReason::Misdated)),
            };
            each(line, Place { number, text: b"", fingerprint: Some(fingerprint) });
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    const FILTER: Filter = Filter { since: 0, until: i64::MAX, ports: Vec::new() };

    fn aggregated(mut log: impl Read) -> Aggregate {
        let (mut aggregate, mut timestamps) =
            (Aggregate::default(), TimestampParser::new(TimeZone::UTC, 0));
        let format = LineFormat::Detect;
        read_lines(&mut log, format, &mut timestamps, &FILTER, &mut aggregate).unwrap();
        aggregate
    }

    const LINE: &str = "time=2026-11-27T05:45:00.000Z peer=192.0.2.1 port=6379 outcome=told\n";

    /// A reader that returns a few bytes at a time.
    struct ShortReads<'a>(&'a [u8]);

    impl Read for ShortReads<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.0.len().min(buffer.len()).min(7);
            let (now, later) = self.0.split_at(length);
            buffer[..length].copy_from_slice(now);
            self.0 = later;
            Ok(length)
        }
    }

    #[test]
    fn lines_do_not_depend_on_the_size_of_reads() {
        let text = format!("{LINE}\n{LINE}x\n{}", LINE.trim_end());
        for aggregate in [aggregated(text.as_bytes()), aggregated(ShortReads(text.as_bytes()))] {
            let lines = aggregate.lines;
            assert_eq!((lines.read, lines.counted, lines.foreign), (5, 3, 2));
        }
    }

    #[test]
    fn a_line_that_is_being_written_is_torn() {
        for end in [LINE.len() - 2, LINE.len() - 20, 20] {
            let aggregate = aggregated(&LINE.as_bytes()[..end]);
            assert_eq!((aggregate.lines.read, aggregate.lines.torn), (1, 1), "{end}");
        }
    }

    #[test]
    fn a_line_without_end_takes_no_more_memory_than_another() {
        let log = LINE.as_bytes().chain(io::repeat(b'x').take(3 * BUFFER as u64 + 5));
        let aggregate = aggregated(log.chain(&b"\n"[..]).chain(LINE.as_bytes()));
        let lines = aggregate.lines;
        assert_eq!((lines.read, lines.counted, lines.foreign), (3, 2, 1));
    }
}
