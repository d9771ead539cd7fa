//! Owns what the log is written into: a file, a FIFO or standard output, and how it is opened.
//! Must never wait for a reader, and never continue somebody's unfinished line.

use std::fmt;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

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

impl fmt::Display for LogTarget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogTarget::File(path) => write!(out, "the log {}", path.display()),
            LogTarget::Stdout => out.write_str("standard output as the log"),
        }
    }
}

/// What lines are written into.
pub(super) trait Sink: Write {
    /// The most bytes that are taken as a whole or not at all, as far as the kernel promises it.
    fn at_once(&self) -> usize;

    /// Takes back the last `bytes` that were written; whether it could.
    fn truncate_tail(&mut self, bytes: usize) -> bool;
}

/// The open file, or why there is none for now.
#[derive(Debug)]
pub(super) struct LogFile {
    file: Result<File, Errno>,
    /// Whether its last line was torn by a crash, so that the next one must not continue it.
    torn: bool,
    at_once: usize,
}

/// What a pipe takes as a whole or not at all (`PIPE_BUF` in pipe(7)), so that no line is torn
/// there, whenever the program ends.
const PIPE: usize = 4096;
/// A file takes as much as its disk has room for.
const FILE: usize = 64 * 1024;

impl LogFile {
    /// Opens `target`.
    ///
    /// # Errors
    /// It cannot be opened or created.
    pub(super) fn open(target: &LogTarget) -> io::Result<LogFile> {
        let (file, torn) = match target {
            LogTarget::Stdout => (File::from(io::stdout().as_fd().try_clone_to_owned()?), false),
            LogTarget::File(path) => {
                let file = open_file(path)?;
                let torn = ends_within_a_line(&file, path);
                (file, torn)
            }
        };
        let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
        let at_once = if is_file { FILE } else { PIPE };
        Ok(LogFile { file: Ok(file), torn, at_once })
    }

    /// What stands in for a file that could not be opened because of `cause`, where that is
    /// likely to pass: then it is no reason to leave people without an answer.
    pub(super) fn closed(cause: &io::Error) -> Option<LogFile> {
        let errno = Errno::from_raw(cause.raw_os_error()?);
        // ENXIO is a FIFO without a reader.
        let passes = matches!(
            errno,
            Errno::EROFS | Errno::ENOSPC | Errno::EDQUOT | Errno::EIO | Errno::ENXIO
        );
        passes.then_some(LogFile { file: Err(errno), torn: false, at_once: FILE })
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let file = self.file.as_mut().map_err(|errno| io::Error::from(*errno))?;
        if self.torn {
            file.write_all(b"\n")?;
            self.torn = false;
        }
        file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for LogFile {
    fn at_once(&self) -> usize {
        self.at_once
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

/// Appends to the file behind `path`; a new one gets its mode whatever the umask says.
fn open_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // A FIFO without a reader is an error at once; writing waits all the same.
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
fn ends_within_a_line(file: &File, path: &Path) -> bool {
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

    fn opened(path: &Path) -> LogFile {
        LogFile::open(&LogTarget::File(path.to_owned())).unwrap()
    }

    #[test]
    fn a_line_that_a_crash_has_torn_is_not_continued() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("log");
        for (before, after) in [("", "next\n"), ("one\n", "one\nnext\n"), ("to", "to\nnext\n")] {
            std::fs::write(&path, before).unwrap();
            opened(&path).write_all(b"next\n").unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
    }

    #[test]
    fn the_end_of_a_file_can_be_taken_back() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("log");
        let mut file = opened(&path);
        file.write_all(b"one\ntw").unwrap();
        assert!(file.truncate_tail(2));
        file.write_all(b"three\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\nthree\n");
        assert!(!file.truncate_tail(100));
    }

    #[test]
    fn only_what_may_pass_is_waited_for() {
        for (errno, waits) in [
            (Errno::EROFS, true),
            (Errno::ENOSPC, true),
            (Errno::EACCES, false),
            (Errno::ENOENT, false),
        ] {
            assert_eq!(LogFile::closed(&errno.into()).is_some(), waits, "{errno}");
        }
    }
}
