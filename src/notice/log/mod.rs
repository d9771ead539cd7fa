//! Owns the log: where it goes, and the thread that writes it, so that a slow or full disk never
//! holds up whoever is being served. Must never hold more than a bounded number of lines.

mod journal;
mod ledger;
mod line;
mod writer;

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::settings::LogFormat;

pub(super) use journal::Journal;
pub(super) use line::{Attempt, Outcome};
use writer::{Lines, Loss, Writer};

/// Batches that may wait for the disk.
const MOST_BATCHES: usize = 64;
/// How often a failing log is tried again while nothing new comes.
const RETRY: Duration = Duration::from_secs(1);
/// How long the end waits for the disk.
const LAST_PATIENCE: Duration = Duration::from_secs(3);
/// Owner writes, group reads.
const MODE: u32 = 0o640;

/// Where the log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// A file, appended to, created with mode 0640.
    File(PathBuf),
    /// Standard output.
    Stdout,
}

/// The open log.
#[derive(Debug)]
pub struct Log {
    sender: SyncSender<Message>,
    finished: Receiver<()>,
    rotation: Rotation,
    /// What did not fit into the channel, until it can be said.
    lost: Loss,
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

#[derive(Debug)]
enum Message {
    Lines(Lines, Loss),
    Reopen,
    Finish(Loss),
}

impl Log {
    /// Opens the log and starts the thread that writes it.
    ///
    /// # Errors
    /// The file cannot be opened or created, or no thread can be started.
    pub fn open(target: &LogTarget, format: LogFormat) -> io::Result<Log> {
        let writer = Writer::new(open(target)?, format);
        let (sender, receiver) = sync_channel(MOST_BATCHES);
        let (finish, finished) = sync_channel(1);
        let target = target.clone();
        std::thread::Builder::new().name("log".to_owned()).spawn(move || {
            write_until_finished(writer, &target, &receiver);
            let _ = finish.send(());
        })?;
        Ok(Log { sender, finished, rotation: Rotation::default(), lost: Loss::default() })
    }

    /// A handle that asks for the file to be opened anew.
    #[must_use]
    pub fn rotation(&self) -> Rotation {
        self.rotation.clone()
    }

    /// Hands `lines` over, or counts them as lost where the disk is too far behind.
    fn write(&mut self, lines: Lines) {
        let lost = std::mem::take(&mut self.lost);
        if let Err(
            TrySendError::Full(Message::Lines(lines, lost))
            | TrySendError::Disconnected(Message::Lines(lines, lost)),
        ) = self.sender.try_send(Message::Lines(lines, lost))
        {
            self.lost.add(lost);
            self.lost.add(lines.loss());
        }
    }

    /// Has the file opened anew; says whether there was room to ask for it.
    fn reopen(&mut self) -> bool {
        !matches!(self.sender.try_send(Message::Reopen), Err(TrySendError::Full(_)))
    }

    fn finish(&mut self) {
        let deadline = Instant::now() + LAST_PATIENCE;
        let mut message = Message::Finish(self.lost);
        while let Err(TrySendError::Full(again)) = self.sender.try_send(message) {
            if Instant::now() >= deadline {
                break;
            }
            message = again;
            std::thread::sleep(Duration::from_millis(10));
        }
        let patience = deadline.saturating_duration_since(Instant::now());
        if let Err(RecvTimeoutError::Timeout) = self.finished.recv_timeout(patience) {
            tracing::error!("could not finish the log: its disk does not answer");
        }
    }
}

fn write_until_finished(
    mut writer: Writer<File>,
    target: &LogTarget,
    messages: &Receiver<Message>,
) {
    // Whether the file that is open is not the one that it should be.
    let mut outdated = false;
    loop {
        let message = if writer.is_behind() || outdated {
            messages.recv_timeout(RETRY)
        } else {
            messages.recv().map_err(RecvTimeoutError::from)
        };
        match message {
            Ok(Message::Lines(lines, lost)) => {
                writer.count_lost(lost);
                writer.write(&lines);
            }
            Ok(Message::Reopen) => outdated = !reopen(&mut writer, target, outdated),
            Ok(Message::Finish(lost)) => {
                writer.count_lost(lost);
                break;
            }
            Err(RecvTimeoutError::Timeout) => {
                outdated = outdated && !reopen(&mut writer, target, outdated);
                writer.catch_up();
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    if !writer.catch_up() {
        let Loss { lines, attempts } = writer.lost();
        tracing::error!("the log lacks {lines} lines, for {attempts} attempts");
    }
}

/// Goes on with the file that is at the log's path now; says whether it could. `again` keeps
/// quiet about a failure that was told before.
fn reopen(writer: &mut Writer<File>, target: &LogTarget, again: bool) -> bool {
    match open(target) {
        Ok(file) => {
            writer.replace(file);
            true
        }
        Err(cause) => {
            // What is open still works, wherever it was moved to: better there than nowhere.
            if !again {
                tracing::error!("could not reopen the log: {cause}; writing to the old file");
            }
            false
        }
    }
}

fn open(target: &LogTarget) -> io::Result<File> {
    match target {
        LogTarget::Stdout => Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?)),
        LogTarget::File(path) => open_file(path),
    }
}

/// Appends to the file behind `path`; a new one gets its mode whatever the umask says.
fn open_file(path: &Path) -> io::Result<File> {
    match OpenOptions::new().append(true).open(path) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => {
            let file = OpenOptions::new().append(true).create(true).mode(MODE).open(path)?;
            file.set_permissions(Permissions::from_mode(MODE))?;
            Ok(file)
        }
        result => result,
    }
}
