//! Owns the log's writing side: whole lines into a file or stdout, and an honest count of those
//! that could not be written. Must never leave half a line behind where it can be completed.

use std::io::{self, ErrorKind, Write};

use jiff::Timestamp;

use super::super::settings::LogFormat;
use super::line::dropped_line;

/// Lines, and how many attempts each stands for.
#[derive(Debug, Default)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    /// Where each line ends, and its attempts.
    ends: Vec<(usize, u64)>,
}

impl Lines {
    /// Appends what `word` words as one line.
    pub(super) fn push(&mut self, attempts: u64, word: impl FnOnce(&mut Vec<u8>)) {
        word(&mut self.bytes);
        self.ends.push((self.bytes.len(), attempts));
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What is lost where these are not written.
    pub(super) fn loss(&self) -> Loss {
        Loss {
            lines: self.ends.len() as u64,
            attempts: self.ends.iter().map(|(_, attempts)| attempts).sum(),
        }
    }
}

/// Lines that were not written, and the attempts that they stood for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Loss {
    pub(super) lines: u64,
    pub(super) attempts: u64,
}

impl Loss {
    pub(super) fn add(&mut self, more: Loss) {
        self.lines += more.lines;
        self.attempts += more.attempts;
    }
}

/// Writes lines to `sink`, and remembers what it owes.
#[derive(Debug)]
pub(super) struct Writer<W> {
    sink: W,
    format: LogFormat,
    lost: Loss,
    /// The rest of a line whose beginning is written.
    rest: Vec<u8>,
    /// The attempts of that line.
    rest_attempts: u64,
    failing: bool,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(sink: W, format: LogFormat) -> Writer<W> {
        let (lost, rest) = (Loss::default(), Vec::new());
        Writer { sink, format, lost, rest, rest_attempts: 0, failing: false }
    }

    /// Writes `lines`, after what is owed from before.
    pub(super) fn write(&mut self, lines: &Lines) {
        if !self.catch_up() {
            self.lost.add(lines.loss());
            return;
        }
        let (written, result) = write_some(&mut self.sink, &lines.bytes);
        if let Err(cause) = result {
            let whole = lines.ends.partition_point(|(end, _)| *end <= written);
            let whole_end = whole.checked_sub(1).map_or(0, |last| lines.ends[last].0);
            let mut unwritten = &lines.ends[whole..];
            if let Some(((end, attempts), after)) = unwritten.split_first()
                && written > whole_end
            {
                self.rest = lines.bytes[written..*end].to_vec();
                self.rest_attempts = *attempts;
                unwritten = after;
            }
            for (_, attempts) in unwritten {
                self.lost.add(Loss { lines: 1, attempts: *attempts });
            }
            self.complain(&cause);
        }
    }

    /// Counts lines that were lost before they came here.
    pub(super) fn count_lost(&mut self, loss: Loss) {
        self.lost.add(loss);
    }

    /// Whether something is owed from before.
    pub(super) fn is_behind(&self) -> bool {
        !self.rest.is_empty() || self.lost != Loss::default()
    }

    /// Completes a torn line and tells the loss, where it can; whether all is well again.
    pub(super) fn catch_up(&mut self) -> bool {
        if !self.is_behind() {
            return true;
        }
        if self.rest.is_empty() {
            let Loss { lines, attempts } = self.lost;
            self.rest = dropped_line(self.format, Timestamp::now(), lines, attempts);
            let (written, result) = write_some(&mut self.sink, &self.rest);
            self.rest.drain(..written);
            if result.is_err() && written == 0 {
                self.rest.clear();
            } else {
                // The line is out, or begun and to be completed: its loss is told.
                self.lost = Loss::default();
                self.rest_attempts = attempts;
            }
            return self.judge(result);
        }
        let (written, result) = write_some(&mut self.sink, &self.rest);
        self.rest.drain(..written);
        self.judge(result) && self.catch_up()
    }

    /// Goes on with another sink; a torn line cannot be completed there.
    pub(super) fn replace(&mut self, sink: W) {
        self.sink = sink;
        if !self.rest.is_empty() {
            self.rest.clear();
            self.lost.add(Loss { lines: 1, attempts: self.rest_attempts });
        }
        self.catch_up();
    }

    /// What is lost so far and not told in the log.
    pub(super) fn lost(&self) -> Loss {
        self.lost
    }

    fn judge(&mut self, result: io::Result<()>) -> bool {
        match result {
            Ok(()) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the log can be written again");
                }
                true
            }
            Err(cause) => {
                self.complain(&cause);
                false
            }
        }
    }

    fn complain(&mut self, cause: &io::Error) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!("could not write the log: {cause}; lines are counted until it works");
        }
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
mod tests {
    use super::*;

    /// A disk with room for so many bytes.
    #[derive(Debug, Default)]
    struct Disk {
        room: usize,
        bytes: Vec<u8>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.room).min(7);
            if taken == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            self.room -= taken;
            self.bytes.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(count: usize) -> Lines {
        let mut lines = Lines::default();
        (0..count).for_each(|_| lines.push(1, |out| out.extend_from_slice(b"0123456789\n")));
        lines
    }

    /// The attempts that the text accounts for.
    fn accounted(text: &str) -> u64 {
        text.lines()
            .map(|line| match line.split_once(" attempts=") {
                Some((_, rest)) => rest.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0),
                None => u64::from(line == "0123456789"),
            })
            .sum()
    }

    #[test]
    fn whatever_room_the_disk_has_every_line_is_whole_and_accounted_for() {
        for room in 0..200 {
            let mut writer = Writer::new(Disk { room, bytes: Vec::new() }, LogFormat::Logfmt);
            for step in 0..6 {
                writer.write(&lines(3));
                writer.sink.room += if step == 3 { 90 } else { 0 };
            }
            writer.sink.room = 10_000;
            assert!(writer.catch_up() && !writer.is_behind());
            writer.write(&lines(1));
            let text = String::from_utf8_lossy(&writer.sink.bytes);
            assert_eq!(accounted(&text), 19, "room for {room}: {text}");
            let whole = |line: &str| line == "0123456789" || line.ends_with(" outcome=dropped");
            assert!(text.lines().all(whole), "room for {room}: {text}");
        }
    }

    #[test]
    fn a_line_torn_by_a_rotation_is_counted() {
        let disk = Disk { room: 15, bytes: Vec::new() };
        let mut writer = Writer::new(disk, LogFormat::Logfmt);
        writer.write(&lines(2));
        writer.replace(Disk { room: 1000, bytes: Vec::new() });
        let text = String::from_utf8_lossy(&writer.sink.bytes);
        assert!(text.ends_with(" lines=1 attempts=1 outcome=dropped\n"), "{text}");
    }

    #[test]
    fn what_was_lost_on_the_way_is_told_as_well() {
        let mut writer = Writer::new(Disk { room: 1000, bytes: Vec::new() }, LogFormat::Logfmt);
        writer.count_lost(Loss { lines: 2, attempts: 40 });
        writer.write(&lines(1));
        assert_eq!(accounted(&String::from_utf8_lossy(&writer.sink.bytes)), 41);
    }
}
