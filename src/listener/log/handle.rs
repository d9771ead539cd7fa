//! The log as the event loop holds it, and the thread behind it that writes.
//!
//! Guarantees: a slow or full disk never delays a connection. What cannot be written is counted, in the
//! log once it works again, and on standard error.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::file::{LogFile, LogTarget};
use super::line_batch::{LineBatch, LineTotals};
use super::queue::{LogQueue, Work};
use super::writer::Writer;
use crate::listener::settings::LogFormat;

/// How often a failing log is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How long the end of the program waits for the disk.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// The open log.
#[derive(Debug)]
pub struct Log {
    queue: Arc<LogQueue>,
}

impl Log {
    /// Opens the log and starts the thread that writes. A full or read-only disk is no error: it is
    /// reported, and tried again.
    ///
    /// # Errors
    /// The file cannot be opened or created, or no thread can be started.
    pub fn open(target: &LogTarget, format: LogFormat) -> io::Result<Log> {
        let (file, outdated) = match LogFile::open(target) {
            Ok(file) => (file, false),
            Err(cause) => {
                let Some(file) = LogFile::unavailable(&cause) else { return Err(cause) };
                tracing::error!(
                    "could not open the log: {cause}; lines are counted until it works"
                );
                (file, true)
            }
        };
        let queue = Arc::new(LogQueue::default());
        let thread = WriterThread {
            writer: Writer::new(file, format, outdated),
            target: target.clone(),
            queue: Arc::clone(&queue),
            outdated,
            next_try: Instant::now() + RETRY_INTERVAL,
        };
        std::thread::Builder::new().name("log".to_owned()).spawn(|| thread.run())?;
        Ok(Log { queue })
    }

    /// Queues `lines`, or counts them as lost if the disk is too far behind.
    pub(super) fn write(&mut self, lines: &LineBatch) {
        if !self.queue.push(lines) {
            tracing::error!("could not hand lines to the log: its disk is slow; they are counted");
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
    /// The open file is not the one at the log's path.
    outdated: bool,
    next_try: Instant,
}

impl WriterThread {
    fn run(mut self) {
        loop {
            let needs_retry = self.outdated || self.writer.is_behind();
            let work = self.queue.take(needs_retry.then_some(self.next_try));
            self.write(&work);
            if work.reopen {
                self.reopen();
            }
            if work.finish {
                break;
            }
            // After work, too: a time without any may never come.
            if Instant::now() >= self.next_try {
                self.next_try = Instant::now() + RETRY_INTERVAL;
                if self.outdated {
                    self.reopen();
                }
                self.writer.catch_up();
                self.queue.set_accounted(self.writer.accounted);
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
        }
    }

    /// Continues with the file that is at the log's path now. If that cannot be opened, the old file is
    /// still written, wherever it was moved: better there than nowhere.
    fn reopen(&mut self) {
        match LogFile::open(&self.target) {
            Ok(file) => {
                self.writer.replace(file);
                self.outdated = false;
            }
            Err(cause) => {
                if !std::mem::replace(&mut self.outdated, true) {
                    tracing::error!(
                        "could not reopen {}: {cause}; writing to the old file",
                        self.target
                    );
                }
            }
        }
    }
}
