//! Splits a log into lines, parses them and adds them to an aggregate.
//!
//! Guarantees: memory stays bounded whatever bytes a log holds; every line is counted or skipped.
//! Never: opens anything; it reads what it is given.

use super::aggregate::{Aggregate, Filter};
use super::record::{Line, SkipReason};
use super::timestamp::TimestampParser;
use super::{kernel_log, listener_log};
use memchr::memchr_iter;
use std::io::{self, ErrorKind, Read};

/// How many bytes are read at once, and the longest line that is parsed.
const BUFFER: usize = 256 * 1024;

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

impl LineFormat {
    /// Parses one line, without its line end.
    ///
    /// # Errors
    /// Why the line is skipped.
    pub fn parse<'a>(
        self,
        line: &'a [u8],
        timestamps: &mut TimestampParser,
    ) -> Result<Line<'a>, SkipReason> {
        match self {
            LineFormat::Listener => listener_log::parse(line, timestamps),
            LineFormat::Kernel => kernel_log::parse(line, timestamps),
            LineFormat::Detect => match listener_log::parse(line, timestamps) {
                Err(SkipReason::Foreign) => kernel_log::parse(line, timestamps),
                result => result,
            },
        }
    }
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
            let line = match std::mem::take(&mut overlong) {
                true => Err(SkipReason::Foreign),
                false => format.parse(&buffer[start..end], timestamps),
            };
            aggregate.add(line, filter);
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
        aggregate.add(Err(SkipReason::Foreign), filter);
    } else if !rest.is_empty() {
        let line = format.parse(rest, timestamps).map_err(|reason| match reason {
            SkipReason::Foreign => reason,
            _ => SkipReason::Torn,
        });
        aggregate.add(line, filter);
    }
    result
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
