//! The log as the event loop holds it, and the thread behind it that writes.
//!
//! Guarantees: a slow or full disk never delays a connection. What cannot be written is counted, in the
//! log once it works again, and on standard error.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{Timestamp, Unit};
use nix::errno::Errno;

use super::file::{LogFile, LogTarget};
use super::line_batch::{LineBatch, LineTotals};
use super::queue::{LogQueue, Work};
use super::writer::Writer;
use crate::listener::health::{Health, Part};
use crate::listener::settings::LogFormat;

/// How often a failing log is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How often a log that works is looked at, whether anybody connects or not.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// How long the end of the program waits for the disk.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// The open log.
#[derive(Debug)]
pub struct Log {
    queue: Arc<LogQueue>,
    health: Arc<Health>,
    target: LogTarget,
}

impl Log {
    /// Opens the log and starts the thread that writes. A log that cannot be opened or written is no error: it
    /// is reported to `health`, and tried again.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn open(target: &LogTarget, format: LogFormat, health: Arc<Health>) -> io::Result<Log> {
        let (file, cause) = match LogFile::open(target) {
            Ok(file) => (file, None),
            Err(cause) => {
                tracing::error!(
                    "could not open {target}: {cause}; lines are counted until it works"
                );
                (LogFile::unavailable(&cause), Some(cause.to_string()))
            }
        };
        let queue = Arc::new(LogQueue::default());
        let mut thread = WriterThread {
            writer: Writer::new(file, format, cause.clone()),
            target: target.clone(),
            queue: Arc::clone(&queue),
            health: Arc::clone(&health),
            outdated: cause,
            was_moved: false,
            obstacle: None,
            fault: None,
            next_try: Instant::now(),
        };
        thread.report();
        std::thread::Builder::new().name("log".to_owned()).spawn(|| thread.run())?;
        Ok(Log { queue, health, target: target.clone() })
    }

    /// Queues `lines`, or counts them as lost if the disk is too far behind.
    pub(super) fn write(&mut self, lines: &LineBatch) {
        if !self.queue.push(lines) {
            tracing::error!("could not hand lines to the log: its disk is slow; they are counted");
            let fault = format!("{} is behind: its disk is slow, and lines are lost", self.target);
            self.health.set(Part::Log, Some(fault));
        }
    }

    /// Has the file opened anew, after what was queued so far.
    pub(super) fn reopen(&mut self) {
        self.queue.reopen();
    }

    /// Has everything written, and waits for that up to [`SHUTDOWN_TIMEOUT`].
    pub(super) fn finish(&mut self) {
        if let Err(LineTotals { lines, attempts }) = self.queue.finish(SHUTDOWN_TIMEOUT) {
            tracing::error!(
                "could not finish the log: its disk does not answer; \
                 it lacks {lines} lines, for {attempts} attempts"
            );
        }
    }
}

/// The thread that writes.
struct WriterThread {
    writer: Writer<LogFile>,
    target: LogTarget,
    queue: Arc<LogQueue>,
    health: Arc<Health>,
    /// Why the open file is not the one at the log's path.
    outdated: Option<String>,
    /// The open file was not at the log's path when that was looked at last.
    was_moved: bool,
    /// Why the next write would fail.
    obstacle: Option<Errno>,
    /// The fault that was reported, its cause, and since when it is one.
    fault: Option<(String, String, Timestamp)>,
    next_try: Instant,
}

impl WriterThread {
    fn run(mut self) {
        loop {
            let work = self.queue.take(Some(self.next_try));
            // Nobody would see what is written there.
            if self.writer.sink().is_deleted() {
                self.reopen();
            }
            self.write(&work);
            if work.reopen {
                self.reopen();
            }
            if work.finish {
                break;
            }
            // After work, too: a time without any may never come.
            if Instant::now() >= self.next_try {
                self.look();
                if self.outdated.is_some() {
                    self.reopen();
                }
                self.writer.catch_up();
                self.queue.set_accounted(self.writer.accounted);
                self.next_try = Instant::now() + LOOK_INTERVAL;
            }
            self.report();
            if self.fault.is_some() || self.was_moved {
                self.next_try = self.next_try.min(Instant::now() + RETRY_INTERVAL);
            }
        }
        let LineTotals { lines, attempts } = self.writer.finish();
        if lines > 0 {
            tracing::error!("the log lacks {lines} lines, for {attempts} attempts");
        }
        // Last of all, because the program may end as soon as this is known.
        self.queue.set_finished();
    }

    fn write(&mut self, work: &Work) {
        for chunk in work.lines.chunks(self.writer.max_chunk_bytes()) {
            self.writer.write(chunk);
            self.queue.set_accounted(self.writer.accounted);
        }
        if !work.lost.is_zero() {
            self.writer.count_lost(work.lost);
            self.writer.catch_up();
            self.queue.set_accounted(self.writer.accounted);
        }
        if work.recovered {
            tracing::info!("the log keeps up again");
            self.health.set(Part::Log, None);
            self.fault = None;
        }
    }

    /// Continues with the file that is at the log's path now. If that cannot be opened, the old file is
    /// still written, wherever it was moved: better there than nowhere.
    fn reopen(&mut self) {
        self.was_moved = false;
        let cause = match LogFile::open(&self.target) {
            Ok(file) => {
                self.writer.replace(file);
                self.outdated = None;
                return;
            }
            Err(cause) => cause,
        };
        let is_deleted = self.writer.sink().is_deleted();
        if self.outdated.is_none() {
            let meanwhile = match is_deleted {
                true => "lines are counted until it works",
                false => "writing to the old file",
            };
            tracing::error!("could not reopen {}: {cause}; {meanwhile}", self.target);
        }
        if is_deleted {
            self.writer.suspend(LogFile::unavailable(&cause), cause.to_string());
        }
        self.outdated = Some(cause.to_string());
    }

    /// Looks whether the log's path leads to the open file, and whether that can be written. A file that was
    /// moved is left at the second look only: what rotates the log says so between them (SIGHUP).
    fn look(&mut self) {
        self.obstacle = self.writer.sink().obstacle();
        let LogTarget::File(path) = &self.target else { return };
        let is_moved = self.outdated.is_none() && self.writer.sink().is_moved(path);
        if is_moved && self.was_moved {
            self.reopen();
        } else {
            self.was_moved = is_moved;
        }
    }

    /// Tells `health` why the log cannot be written, since when, and how many lines it lacks.
    fn report(&mut self) {
        self.health.set_lost_lines(self.writer.lost_lines);
        let obstacle = || self.obstacle.map(|errno| io::Error::from(errno).to_string());
        let failure = self.writer.failure.as_ref().or(self.outdated.as_ref());
        let cause = failure.cloned().or_else(obstacle);
        let Some(cause) = cause else {
            if self.fault.take().is_some() {
                self.health.set(Part::Log, None);
            }
            return;
        };
        let since = match &self.fault {
            Some((_, former, since)) if *former == cause => *since,
            _ => Timestamp::now().round(Unit::Second).unwrap_or_else(|_| Timestamp::now()),
        };
        let lost = match self.writer.missing_lines() {
            0 => "no line is lost yet".to_owned(),
            1 => "1 line is lost so far".to_owned(),
            lines => format!("{lines} lines are lost so far"),
        };
        let text = format!("{} cannot be written since {since}: {cause}, {lost}", self.target);
        if self.fault.as_ref().is_none_or(|(told, ..)| *told != text) {
            self.health.set(Part::Log, Some(text.clone()));
        }
        self.fault = Some((text, cause, since));
    }
}
