//! Owns the log: where it goes, and the thread that writes it, so that a slow or full disk never
//! holds up whoever is being served. Must never hold more than a bounded number of lines.

mod file;
mod format;
mod journal;
mod limiter;
mod queue;
mod writer;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::settings::LogFormat;

use self::file::LogFile;
pub use self::file::LogTarget;
pub(super) use self::format::{Attempt, Outcome};
pub(super) use self::journal::Journal;
use self::queue::{LogQueue, Work};
use self::writer::{LineBatch, LineTotals, Writer};

/// How often a failing log is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How long the end waits for the disk.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// The open log.
#[derive(Debug)]
pub struct Log {
    queue: Arc<LogQueue>,
    rotation: Rotation,
}

/// Asks whoever serves to bring the log file to an end and open it anew.
#[derive(Debug, Clone, Default)]
pub struct Rotation(Arc<Notify>);

impl Rotation {
    /// Asks; it happens soon.
    pub fn request(&self) {
        self.0.notify_one();
    }

    pub(super) async fn requested(&self) {
        self.0.notified().await;
    }
}

impl Log {
    /// Opens the log and starts the thread that writes it. A full or read-only disk is no error:
    /// it is told, and tried again.
    ///
    /// # Errors
    /// The file cannot be opened or created, or no thread can be started.
    pub fn open(target: &LogTarget, format: LogFormat) -> io::Result<Log> {
        let (file, outdated) = match LogFile::open(target) {
            Ok(file) => (file, false),
            Err(cause) => {
                let Some(file) = LogFile::closed(&cause) else { return Err(cause) };
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
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(|| thread.write_until_the_end())?;
        Ok(Log { queue, rotation: Rotation::default() })
    }

    /// A handle that asks for the file to be opened anew.
    #[must_use]
    pub fn rotation(&self) -> Rotation {
        self.rotation.clone()
    }

    /// Hands `lines` over, or counts them as lost where the disk is too far behind.
    fn write(&mut self, lines: LineBatch) {
        if !self.queue.put(&lines) {
            tracing::error!("could not hand lines to the log: its disk is slow; they are counted");
        }
    }

    /// Has the file opened anew, after what was handed over so far.
    fn reopen(&mut self) {
        self.queue.reopen();
    }

    fn finish(&mut self) {
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
    /// Whether the file that is open is not the one that it should be.
    outdated: bool,
    next_try: Instant,
}

impl WriterThread {
    fn write_until_the_end(mut self) {
        loop {
            let in_trouble = self.outdated || self.writer.is_behind();
            let found = self.queue.take(in_trouble.then_some(self.next_try));
            self.write(&found);
            if found.reopen {
                self.reopen();
            }
            if found.finish {
                break;
            }
            // Not left to a time when nothing comes: that may be never.
            if Instant::now() >= self.next_try {
                self.next_try = Instant::now() + RETRY_INTERVAL;
                if self.outdated {
                    self.reopen();
                }
                self.writer.catch_up();
                self.queue.note_told(self.writer.told());
            }
        }
        let LineTotals { lines, attempts } = self.writer.leave();
        if lines > 0 {
            tracing::error!("the log lacks {lines} lines, for {attempts} attempts");
        }
        // Last of all: the program may end at once.
        self.queue.note_finished();
    }

    fn write(&mut self, found: &Work) {
        for piece in found.lines.chunks(self.writer.at_once()) {
            self.writer.write(piece);
            self.queue.note_told(self.writer.told());
        }
        if found.missed != LineTotals::default() {
            self.writer.count_lost(found.missed);
            self.writer.catch_up();
            self.queue.note_told(self.writer.told());
        }
        if found.relieved {
            tracing::info!("the log keeps up again");
        }
    }

    /// Goes on with the file that is at the log's path now. What is open still works, wherever it
    /// was moved to: better there than nowhere.
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
