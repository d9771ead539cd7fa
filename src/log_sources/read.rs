//! Reads many logs: one thread a log, as many as there are processors; the kernel's one place after the other.

use super::open::{LogSource, open};
use super::places::Places;
use crate::error::Error;
use crate::report::format::printable;
use crate::report::{Aggregate, Filter, SkippedLine, TimestampParser, UnixMillis, scan};
use indicatif::ProgressBar;
use jiff::tz::TimeZone;
use std::io;
use std::sync::Mutex;
use std::thread;

/// The most skipped lines that are kept of each log, and the most bytes of one.
const MAX_SKIPPED: usize = 1000;
const MAX_TEXT: usize = 2048;
/// How far a file's time may be behind its last line, in milliseconds.
const DAY: UnixMillis = 86_400_000;

/// The counts of all logs.
#[derive(Debug, Default)]
pub struct ReadResult {
    /// The counts; those of a log with an error up to that error.
    pub aggregate: Aggregate,
    /// One error for each log that could not be read to its end.
    pub errors: Vec<Error>,
    /// The first lines of each log that were skipped and are not other programs'.
    pub skipped: Vec<SkippedLine>,
    /// The places of [`LogSource::place`] from which lines were counted.
    pub places: Vec<usize>,
    /// The first line of the journal.
    journal: Option<UnixMillis>,
}

impl ReadResult {
    fn merge(&mut self, other: ReadResult) {
        self.aggregate.merge(other.aggregate);
        self.errors.extend(other.errors);
        self.skipped.extend(other.skipped);
        self.journal = self.journal.or(other.journal);
    }
}

/// How logs are read.
#[derive(Debug)]
pub struct Reading<'a> {
    /// Which attempts are counted.
    pub filter: &'a Filter,
    /// The zone of timestamps that name none.
    pub zone: &'a TimeZone,
    /// Since when the journal has every line, if it is known before it is read.
    pub journal_since: Option<UnixMillis>,
    /// Counts the bytes.
    pub progress: &'a ProgressBar,
}

/// Counts the lines of all logs.
pub fn read_all(logs: Vec<LogSource>, reading: &Reading<'_>) -> ReadResult {
    let last = logs.iter().filter_map(|log| log.place).max();
    let (first, mut others): (Vec<_>, Vec<_>) =
        logs.into_iter().partition(|log| log.place.is_none());
    let mut result = read_together(first, reading, &Places::default());
    let journal = reading.journal_since.or(result.journal);
    if let Some(journal) = journal {
        others = reaching_back(others, journal);
        if journal <= reading.filter.since {
            others.clear();
        }
    }
    let places = Places::since(journal);
    for place in last.map(|last| 0..=last).into_iter().flatten() {
        let (present, rest) = others.into_iter().partition(|log| log.place == Some(place));
        others = rest;
        places.begin();
        result.merge(read_together(present, reading, &places));
    }
    result.places = places.used();
    result.skipped.sort();
    result
}

/// The logs with lines from before the journal's first: those that were begun before it, as far as the time of
/// the log that was rotated before them tells.
fn reaching_back(logs: Vec<LogSource>, journal: UnixMillis) -> Vec<LogSource> {
    let times: Vec<_> = logs.iter().map(|log| (log.place, log.modified)).collect();
    let is_needed = |log: &LogSource| {
        let is_between = |(place, modified): &(Option<usize>, Option<UnixMillis>)| {
            *place == log.place
                && *modified < log.modified
                && modified.is_some_and(|modified| modified > journal.saturating_add(DAY))
        };
        !times.iter().any(is_between)
    };
    logs.into_iter().filter(is_needed).collect()
}

/// Reads logs of which none repeats another.
fn read_together(mut logs: Vec<LogSource>, reading: &Reading<'_>, places: &Places) -> ReadResult {
    // Threads take from the end: the largest first, so that the last one to finish is a small one.
    logs.sort_by_key(|log| log.bytes);
    let threads = thread::available_parallelism().map_or(1, usize::from).min(logs.len());
    let queue = Mutex::new(logs);
    let next = || queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop();
    // Each thread has an aggregate of its own: sharing one would mean a lock for every line.
    let work = || {
        let mut result = ReadResult::default();
        while let Some(log) = next() {
            let name = log.name.clone();
            if let Err(error) = read(log, reading, places, &mut result) {
                result.errors.push(Error::new(format!("read {name} to its end"), error));
            }
        }
        result
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut result = work();
        for other in others {
            match other.join() {
                Ok(other) => result.merge(other),
                Err(cause) => std::panic::resume_unwind(cause),
            }
        }
        result
    })
}

fn read(
    log: LogSource,
    reading: &Reading<'_>,
    places: &Places,
    result: &mut ReadResult,
) -> io::Result<()> {
    let Reading { filter, zone, progress, .. } = reading;
    let LogSource { name, format, modified, place, input, .. } = log;
    // A file's time may lie in the future; its lines are not later than now.
    let modified = modified.unwrap_or(filter.until).min(filter.until);
    let mut timestamps = TimestampParser::new((*zone).clone(), modified);
    let is_journal = input.is_journal();
    let mut bytes = open(input, progress)?;
    let mut kept = 0;
    let ReadResult { aggregate, skipped, journal, .. } = result;
    let read = scan(&mut bytes, format, &mut timestamps, |line, at| {
        if let (Ok(line), Some(place)) = (&line, place)
            && places.is_repeated(line, at, place)
        {
            return aggregate.add_repeated();
        }
        let Some(reason) = aggregate.add(line, filter) else { return };
        if kept < MAX_SKIPPED {
            kept += 1;
            let text = printable(&at.text[..at.text.len().min(MAX_TEXT)]);
            let (log, line, reason) = (name.clone(), at.number, reason.name());
            skipped.push(SkippedLine { log, line, reason, text });
        }
    });
    if is_journal {
        *journal = timestamps.first();
    }
    read
}

#[cfg(test)]
mod tests {
    use super::super::open::Input;
    use super::*;
    use crate::report::LineFormat;

    #[test]
    fn files_that_the_journal_covers_are_not_read() {
        let file = |name: &str, place, days: i64| LogSource {
            name: name.to_owned(),
            format: LineFormat::Kernel,
            bytes: 1,
            modified: Some(days * DAY),
            place: Some(place),
            input: Input::Standard,
        };
        let logs = vec![
            file("kern.log", 0, 30),
            file("kern.log.1", 0, 22),
            file("kern.log.2", 0, 15),
            file("kern.log.3", 0, 8),
            file("syslog", 1, 30),
        ];
        let left = reaching_back(logs, 12 * DAY);
        let names: Vec<&str> = left.iter().map(|log| log.name.as_str()).collect();
        assert_eq!(names, ["kern.log.2", "kern.log.3", "syslog"]);
    }
}
