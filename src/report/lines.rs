//! Owns taking the lines of a log: in bounded memory, whatever the bytes are. Reads what it is given,
//! and opens nothing.

use super::aggregate::{Census, Scope};
use super::record::{Fault, Line};
use super::timestamp::Calendar;
use super::{kernel_log, listener_log};
use memchr::memchr_iter;
use std::io::{self, ErrorKind, Read};

/// What is read at once, and the longest line that is looked at.
const BUFFER: usize = 256 * 1024;

/// Whose lines a log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// The listener's.
    Listener,
    /// Those of the kernel and of many others.
    Kernel,
    /// One of both; it is looked at.
    Unknown,
}

impl Writer {
    /// Reads one line, without its end.
    ///
    /// # Errors
    /// Why it cannot be counted.
    pub fn line<'a>(self, line: &'a [u8], calendar: &mut Calendar) -> Result<Line<'a>, Fault> {
        match self {
            Writer::Listener => listener_log::line(line, calendar),
            Writer::Kernel => kernel_log::line(line, calendar),
            Writer::Unknown => match listener_log::line(line, calendar) {
                Err(Fault::Foreign) => kernel_log::line(line, calendar),
                result => result,
            },
        }
    }
}

/// Counts the lines of a log.
///
/// # Errors
/// The log cannot be read to its end; what came before is counted.
pub fn count(
    log: &mut impl Read,
    writer: Writer,
    calendar: &mut Calendar,
    scope: &Scope,
    census: &mut Census,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    // What of the buffer is filled, and whether its line began before it.
    let (mut filled, mut overlong) = (0, false);
    loop {
        let read = match log.read(&mut buffer[filled..]) {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => {
                last(&buffer[..filled], overlong, writer, calendar, scope, census);
                return Err(error);
            }
        };
        if read == 0 {
            last(&buffer[..filled], overlong, writer, calendar, scope, census);
            return Ok(());
        }
        let (mut begin, fresh) = (0, filled);
        filled += read;
        for end in memchr_iter(b'\n', &buffer[fresh..filled]).map(|place| fresh + place) {
            let line = match std::mem::take(&mut overlong) {
                true => Err(Fault::Foreign),
                false => writer.line(&buffer[begin..end], calendar),
            };
            census.add(line, scope);
            begin = end + 1;
        }
        buffer.copy_within(begin..filled, 0);
        filled -= begin;
        if filled == BUFFER {
            (filled, overlong) = (0, true);
        }
    }
}

/// What stands behind the last end of a line: one that is being written, or that a crash has torn.
fn last(
    line: &[u8],
    overlong: bool,
    writer: Writer,
    calendar: &mut Calendar,
    scope: &Scope,
    census: &mut Census,
) {
    if line.is_empty() && !overlong {
        return;
    }
    let line = if overlong { Err(Fault::Foreign) } else { writer.line(line, calendar) };
    let torn = |fault| if fault == Fault::Foreign { fault } else { Fault::Torn };
    census.add(line.map_err(torn), scope);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    const SCOPE: Scope = Scope { since: 0, until: i64::MAX, ports: Vec::new() };

    fn counted(mut log: impl Read) -> Census {
        let (mut census, mut calendar) = (Census::default(), Calendar::new(TimeZone::UTC, 0));
        let writer = Writer::Unknown;
        count(&mut log, writer, &mut calendar, &SCOPE, &mut census).unwrap();
        census
    }

    const LINE: &str = "time=2026-11-27T05:45:00.000Z peer=192.0.2.1 port=6379 outcome=told\n";

    /// A reader that gives a few bytes at a time.
    struct Slowly<'a>(&'a [u8]);

    impl Read for Slowly<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.0.len().min(buffer.len()).min(7);
            let (now, later) = self.0.split_at(length);
            buffer[..length].copy_from_slice(now);
            self.0 = later;
            Ok(length)
        }
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_come() {
        let text = format!("{LINE}\n{LINE}x\n{}", LINE.trim_end());
        for census in [counted(text.as_bytes()), counted(Slowly(text.as_bytes()))] {
            assert_eq!((census.lines.read, census.lines.counted, census.lines.foreign), (5, 3, 2));
        }
    }

    #[test]
    fn a_line_that_is_being_written_is_torn() {
        for end in [LINE.len() - 2, LINE.len() - 20, 20] {
            let census = counted(&LINE.as_bytes()[..end]);
            assert_eq!((census.lines.read, census.lines.torn), (1, 1), "{end}");
        }
    }

    #[test]
    fn a_line_without_end_takes_no_more_room_than_another() {
        let log = LINE.as_bytes().chain(io::repeat(b'x').take(3 * BUFFER as u64 + 5));
        let census = counted(log.chain(&b"\n"[..]).chain(LINE.as_bytes()));
        assert_eq!((census.lines.read, census.lines.counted, census.lines.foreign), (3, 2, 1));
    }
}
