//! Owns the counting of many logs at once: one thread a log, as many as there are processors.

use super::open::{Log, bytes};
use crate::error::Error;
use crate::report;
use crate::report::{Calendar, Census, Scope};
use indicatif::ProgressBar;
use jiff::tz::TimeZone;
use std::sync::Mutex;
use std::thread;

/// What was counted, and which logs could not be read to their end.
#[derive(Debug, Default)]
pub struct Counted {
    /// The counts.
    pub census: Census,
    /// The logs.
    pub troubles: Vec<Error>,
}

impl Counted {
    fn merge(&mut self, other: Counted) {
        self.census.merge(other.census);
        self.troubles.extend(other.troubles);
    }
}

/// Counts the lines of all logs. Stamps that name no zone are of `zone`.
pub fn count(mut logs: Vec<Log>, scope: &Scope, zone: &TimeZone, bar: &ProgressBar) -> Counted {
    // The largest first: the last one to end should be a small one.
    logs.sort_by_key(|log| log.bytes);
    let threads = thread::available_parallelism().map_or(1, usize::from).min(logs.len());
    let queue = Mutex::new(logs);
    let next = || queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop();
    let work = || {
        let mut counted = Counted::default();
        while let Some(log) = next() {
            let name = log.name.clone();
            if let Err(error) = one(log, scope, zone, bar, &mut counted.census) {
                let trouble = Error::new(format!("read {name} to its end"), error);
                counted.troubles.push(trouble);
            }
        }
        counted
    };
    thread::scope(|threads_of| {
        let others: Vec<_> = (1..threads).map(|_| threads_of.spawn(work)).collect();
        let mut counted = work();
        for other in others {
            match other.join() {
                Ok(other) => counted.merge(other),
                Err(cause) => std::panic::resume_unwind(cause),
            }
        }
        counted
    })
}

fn one(
    log: Log,
    scope: &Scope,
    zone: &TimeZone,
    bar: &ProgressBar,
    census: &mut Census,
) -> std::io::Result<()> {
    let mut calendar = Calendar::new(zone.clone(), log.written.unwrap_or(scope.until));
    let mut bytes = bytes(log.from, bar)?;
    report::count(&mut bytes, log.writer, &mut calendar, scope, census)
}
