//! Reads many logs at once: one thread a log, as many as there are processors.

use super::open::{LogSource, open};
use crate::error::Error;
use crate::report::{Aggregate, Filter, TimestampParser, read_lines};
use indicatif::ProgressBar;
use jiff::tz::TimeZone;
use std::io;
use std::sync::Mutex;
use std::thread;

/// The counts of all logs.
#[derive(Debug, Default)]
pub struct ReadResult {
    /// The counts; those of a log with an error up to that error.
    pub aggregate: Aggregate,
    /// One error for each log that could not be read to its end.
    pub errors: Vec<Error>,
}

impl ReadResult {
    fn merge(&mut self, other: ReadResult) {
        self.aggregate.merge(other.aggregate);
        self.errors.extend(other.errors);
    }
}

/// Counts the lines of all logs. Timestamps without a zone are in `zone`; `progress` counts bytes.
pub fn read_all(
    mut logs: Vec<LogSource>,
    filter: &Filter,
    zone: &TimeZone,
    progress: &ProgressBar,
) -> ReadResult {
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
            if let Err(error) = read(log, filter, zone, progress, &mut result.aggregate) {
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
    filter: &Filter,
    zone: &TimeZone,
    progress: &ProgressBar,
    aggregate: &mut Aggregate,
) -> io::Result<()> {
    let mut timestamps = TimestampParser::new(zone.clone(), log.modified.unwrap_or(filter.until));
    let mut bytes = open(log.input, progress)?;
    read_lines(&mut bytes, log.format, &mut timestamps, filter, aggregate)
}
