//! The open log: a file, a FIFO or standard output.
//!
//! Never: waits for a FIFO's reader to open it, or appends to a line that a crash cut off.

use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::statvfs::{FsFlags, fstatvfs};

use crate::listener_contract::LOG_FAULT;

/// Owner writes, group reads: the log names who connected.
const MODE: u32 = 0o640;

/// Where the log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// A file, appended to, created with mode 0640.
    File(PathBuf),
    /// Standard output.
    Stdout,
}

impl fmt::Display for LogTarget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogTarget::File(path) => write!(out, "{LOG_FAULT}{}", path.display()),
            LogTarget::Stdout => out.write_str("standard output as the log"),
        }
    }
}

/// Where the writer puts lines; a trait, so that tests can have a disk that is full.
pub(super) trait Sink: Write {
    /// The most bytes that one write should have, so that no line is cut as far as the kernel promises
    /// it.
    fn atomic_write_bytes(&self) -> usize;

    /// Removes the last `bytes` that were written. Returns whether it could.
    fn truncate_tail(&mut self, bytes: usize) -> bool;
}

/// The open file, or why it is not open for now.
#[derive(Debug)]
pub(super) struct LogFile {
    file: Result<File, Errno>,
    /// The last line has no end, because a crash cut it off: the next one must not continue it.
    ends_within_line: bool,
    /// It is neither a FIFO nor a terminal.
    is_ordinary: bool,
}

/// Writes of at most this size to a pipe are atomic (`PIPE_BUF` in pipe(7)), so that no line is cut
/// there whenever the program ends.
const PIPE_WRITE_BYTES: usize = 4096;
/// A file has no such limit.
const FILE_WRITE_BYTES: usize = 64 * 1024;

impl LogFile {
    /// Opens `target`.
    ///
    /// # Errors
    /// It cannot be opened or created.
    pub(super) fn open(target: &LogTarget) -> io::Result<LogFile> {
        let (file, ends_within_line) = match target {
            LogTarget::Stdout => (File::from(io::stdout().as_fd().try_clone_to_owned()?), false),
            LogTarget::File(path) => {
                let file = open_file(path)?;
                let ends_within_line = ends_within_line(&file, path);
                (file, ends_within_line)
            }
        };
        let is_ordinary = file.metadata().is_ok_and(|metadata| metadata.is_file());
        Ok(LogFile { file: Ok(file), ends_within_line, is_ordinary })
    }

    /// A log to which every write fails with `cause`, for a log that could not be opened: no reason to leave
    /// clients without the notice.
    pub(super) fn unavailable(cause: &io::Error) -> LogFile {
        let errno = Errno::from_raw(cause.raw_os_error().unwrap_or(Errno::EIO as i32));
        LogFile { file: Err(errno), ends_within_line: false, is_ordinary: true }
    }

    /// Whether the open file has no name any more: what is written there is lost.
    pub(super) fn is_deleted(&self) -> bool {
        self.metadata().is_some_and(|metadata| metadata.nlink() == 0)
    }

    /// Whether the open file is another one than that at `path`.
    pub(super) fn is_moved(&self, path: &Path) -> bool {
        let Some(open) = self.metadata() else { return false };
        let there = fs::metadata(path);
        !there.is_ok_and(|there| (there.dev(), there.ino()) == (open.dev(), open.ino()))
    }

    /// Why the next write would fail, as far as the file system tells without one. It knows no quota.
    pub(super) fn obstacle(&self) -> Option<Errno> {
        let file = self.file.as_ref().ok().filter(|_| self.is_ordinary)?;
        let found = fstatvfs(file).ok()?;
        if found.flags().contains(FsFlags::ST_RDONLY) {
            return Some(Errno::EROFS);
        }
        // Some file systems do not tell their size.
        (found.blocks() > 0 && found.blocks_available() == 0).then_some(Errno::ENOSPC)
    }

    fn metadata(&self) -> Option<fs::Metadata> {
        self.file.as_ref().ok().filter(|_| self.is_ordinary)?.metadata().ok()
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let file = self.file.as_mut().map_err(|errno| io::Error::from(*errno))?;
        if self.ends_within_line {
            file.write_all(b"\n")?;
            self.ends_within_line = false;
        }
        file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for LogFile {
    fn atomic_write_bytes(&self) -> usize {
        if self.is_ordinary { FILE_WRITE_BYTES } else { PIPE_WRITE_BYTES }
    }

    fn truncate_tail(&mut self, bytes: usize) -> bool {
        let Ok(file) = &self.file else { return false };
        let kept = file
            .metadata()
            .ok()
            .filter(std::fs::Metadata::is_file)
            .and_then(|metadata| metadata.len().checked_sub(bytes as u64));
        kept.is_some_and(|kept| file.set_len(kept).is_ok())
    }
}

/// Opens `path` for appending. A new file gets [`MODE`] whatever the umask is.
fn open_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // To open a FIFO without a reader then fails at once; to write to it waits all the same, because
    // the flag is removed below.
    options.append(true).custom_flags(OFlag::O_NONBLOCK.bits());
    let file = match options.open(path) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => {
            let file = options.create(true).mode(MODE).open(path)?;
            file.set_permissions(Permissions::from_mode(MODE))?;
            file
        }
        result => result?,
    };
    fcntl(&file, FcntlArg::F_SETFL(OFlag::O_APPEND))?;
    Ok(file)
}

/// Whether the last byte is not the end of a line.
fn ends_within_line(file: &File, path: &Path) -> bool {
    let Ok(metadata) = file.metadata() else { return false };
    let Some(last) = metadata.len().checked_sub(1).filter(|_| metadata.is_file()) else {
        return false;
    };
    let mut byte = [b'\n'];
    let read = File::open(path).and_then(|readable| readable.read_exact_at(&mut byte, last));
    read.is_ok() && byte != [b'\n']
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn open(path: &Path) -> LogFile {
        LogFile::open(&LogTarget::File(path.to_owned())).unwrap()
    }

    #[test]
    fn a_line_that_a_crash_cut_off_is_not_continued() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("log");
        for (before, after) in [("", "next\n"), ("one\n", "one\nnext\n"), ("to", "to\nnext\n")] {
            std::fs::write(&path, before).unwrap();
            open(&path).write_all(b"next\n").unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
    }

    #[test]
    fn the_tail_of_a_file_can_be_removed() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("log");
        let mut file = open(&path);
        file.write_all(b"one\ntw").unwrap();
        assert!(file.truncate_tail(2));
        file.write_all(b"three\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\nthree\n");
        assert!(!file.truncate_tail(100));
    }

    #[test]
    fn a_file_that_was_moved_or_removed_is_known() {
        let folder = tempfile::TempDir::new().unwrap();
        let (path, moved) = (folder.path().join("log"), folder.path().join("log.1"));
        let file = open(&path);
        assert_eq!(
            (file.is_moved(&path), file.is_deleted(), file.obstacle()),
            (false, false, None)
        );
        fs::rename(&path, &moved).unwrap();
        assert_eq!((file.is_moved(&path), file.is_deleted()), (true, false));
        fs::create_dir(&path).unwrap();
        assert_eq!((file.is_moved(&path), file.is_deleted()), (true, false));
        fs::remove_file(&moved).unwrap();
        assert_eq!((file.is_moved(&path), file.is_deleted()), (true, true));
        let refused = LogFile::open(&LogTarget::File(path.clone())).unwrap_err();
        let file = LogFile::unavailable(&refused);
        assert_eq!(
            (file.is_moved(&path), file.is_deleted(), file.obstacle()),
            (false, false, None)
        );
        let said = file.file.unwrap_err();
        assert_eq!(said, Errno::EISDIR);
    }
}
