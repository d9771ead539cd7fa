//! A set of logs: files with those that logrotate made of them, the journal and standard input.

use super::open::{Input, LogSource};
use crate::error::Error;
use crate::host::Host;
use crate::os::command;
use crate::report::{LineFormat, UnixMillis};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// The extensions of compressed logs.
const COMPRESSED: [&str; 4] = ["gz", "xz", "zst", "bz2"];
/// Where syslog daemons write the kernel's lines, the file with the fewest others first: `kern.log` and
/// `syslog` on Debian, `messages` on Red Hat.
const SYSLOG: [&str; 3] = ["/var/log/kern.log", "/var/log/messages", "/var/log/syslog"];
/// How many files are opened as soon as they are found, so that a rotation cannot move them. The limit of
/// open files is often 1024.
const MAX_OPEN: usize = 256;
/// How far a clock or a file's timestamp may be off.
const DAY: UnixMillis = 86_400_000;
/// Where journald keeps entries over a reboot (systemd-journald.service(8)).
const JOURNAL: &str = "/var/log/journal";

/// Logs that can be read, and errors for those that cannot.
#[derive(Debug, Default)]
pub struct LogSet {
    /// The logs.
    pub logs: Vec<LogSource>,
    /// One error for each log that could not be opened.
    pub errors: Vec<Error>,
    /// Device and inode of each file, so that a link to one of them is not read again.
    known: BTreeSet<(u64, u64)>,
}

impl LogSet {
    /// Adds a file, unless it is in the set under another name.
    pub fn add(&mut self, path: &Path, format: LineFormat) {
        let name = path.display().to_string();
        match File::open(path).and_then(|file| file.metadata().map(|metadata| (file, metadata))) {
            Ok((_, metadata)) if metadata.is_dir() => {
                self.errors.push(Error::new(format!("read {name}"), "it is a directory"));
            }
            Ok((file, metadata)) => {
                // A pipe (`<(...)`) has no identity that lasts.
                if metadata.is_file() && !self.known.insert((metadata.dev(), metadata.ino())) {
                    return;
                }
                let input = match self.logs.len() < MAX_OPEN {
                    true => Input::File(file),
                    false => Input::Path(path.to_owned()),
                };
                let modified = metadata.modified().ok().map(|time| {
                    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
                    UnixMillis::try_from(since.as_millis()).unwrap_or_default()
                });
                self.logs.push(LogSource { name, format, bytes: metadata.len(), modified, input });
            }
            Err(error) => {
                let is_denied = error.kind() == ErrorKind::PermissionDenied;
                let error = Error::io(format!("read {name}"), &error);
                let help = "run the same as root";
                self.errors.push(if is_denied { error.help(help) } else { error });
            }
        }
    }

    /// Adds a file with every file that logrotate made of it; whether there was any.
    ///
    /// # Errors
    /// A link that leads out of an offline tree.
    pub fn add_rotated(
        &mut self,
        host: &Host,
        path: &str,
        format: LineFormat,
    ) -> Result<bool, Error> {
        host.confine(path)?;
        let path = host.path(path);
        let (Some(directory), Some(name)) =
            (path.parent(), path.file_name().and_then(|name| name.to_str()))
        else {
            return Ok(false);
        };
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => {
                let error = Error::io(format!("read {}", directory.display()), &error);
                self.errors.push(error.help("run the same as root"));
                return Ok(false);
            }
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let names: BTreeSet<String> = names.filter(|other| is_rotated(name, other)).collect();
        let mut is_any = false;
        for other in &names {
            let path = directory.join(other);
            // In an offline tree a link may lead anywhere; on a live host it leads to the log.
            let is_inside = host.is_live() || !path.is_symlink();
            // While logrotate compresses a file, both it and the compressed one are there.
            let is_complete = uncompressed(other).is_none_or(|whole| !names.contains(whole));
            // A file that is gone since it was listed was rotated: it is there under its next name.
            if is_inside && is_complete && path.exists() {
                self.add(&path, format);
                is_any = true;
            }
        }
        Ok(is_any)
    }

    /// Adds the first of syslog's files that exists, with its rotated files, and returns its path. Only the
    /// first, since the others repeat its lines.
    ///
    /// # Errors
    /// A link that leads out of an offline tree.
    pub fn add_syslog(&mut self, host: &Host) -> Result<Option<&'static str>, Error> {
        for path in SYSLOG {
            if self.add_rotated(host, path, LineFormat::Kernel)? {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// Adds the kernel's lines in the journal, of all boots, from `since` on.
    ///
    /// # Errors
    /// journalctl is not installed; the journal of an offline tree leads out of it.
    pub fn add_journal(&mut self, host: &Host, since: Option<UnixMillis>) -> Result<(), Error> {
        if !command::is_installed("journalctl") {
            let error = Error::new("read the journal", "journalctl is not installed");
            return Err(error.help("--kernel files reads what syslog has written"));
        }
        let mut arguments: Vec<String> =
            ["--quiet", "--no-pager", "--output=short-unix", "_TRANSPORT=kernel"]
                .map(str::to_owned)
                .into();
        if !host.is_live() {
            host.confine(&format!("{JOURNAL}/x"))?;
            arguments.push(format!("--directory={}", host.path(JOURNAL).display()));
        }
        if let Some(since) = since {
            arguments.push(format!("--since=@{}", since.div_euclid(1000)));
        }
        self.add_unsized("the journal", LineFormat::Kernel, Input::Journal(arguments));
        Ok(())
    }

    /// Whether the journal of a host survives reboots and can be read.
    pub fn has_persistent_journal(host: &Host) -> bool {
        host.path(JOURNAL).is_dir() && command::is_installed("journalctl")
    }

    /// Adds standard input.
    pub fn add_standard_input(&mut self) {
        self.add_unsized("standard input", LineFormat::Detect, Input::Standard);
    }

    fn add_unsized(&mut self, name: &str, format: LineFormat, input: Input) {
        let name = name.to_owned();
        self.logs.push(LogSource { name, format, bytes: 0, modified: None, input });
    }

    /// Removes the files that were last written long before `since`.
    pub fn remove_older(&mut self, since: UnixMillis) {
        let is_old = |modified: UnixMillis| modified.saturating_add(DAY) < since;
        self.logs.retain(|log| !log.modified.is_some_and(is_old));
    }
}

/// The first of syslog's files that exists.
pub fn syslog(host: &Host) -> Option<PathBuf> {
    SYSLOG.iter().map(|path| host.path(path)).find(|path| path.is_file())
}

/// Whether `name` is `log`, or one that logrotate made of it: `log.1`, `log.2.gz`, `log-20261127.xz`.
fn is_rotated(log: &str, name: &str) -> bool {
    let Some(rest) = name.strip_prefix(log) else { return false };
    let rest = uncompressed(rest).unwrap_or(rest);
    let Some(number) = rest.strip_prefix(['.', '-']) else { return rest.is_empty() };
    number.starts_with(|first: char| first.is_ascii_digit())
        && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-' || byte == b'.')
}

/// The name without the extension of a compressed file; `None` where it has none.
fn uncompressed(name: &str) -> Option<&str> {
    let (stem, extension) = name.rsplit_once('.')?;
    COMPRESSED.contains(&extension).then_some(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_logs_are_recognised_by_name() {
        for name in
            ["a.log", "a.log.1", "a.log.12.gz", "a.log-20261127", "a.log-20261127.zst", "a.log.gz"]
        {
            assert!(is_rotated("a.log", name), "{name}");
        }
        for name in
            ["a.log.old", "a.log.1.txt", "a.logs", "b.log.1", "a.log.", "a.log-x.gz", "a.lo"]
        {
            assert!(!is_rotated("a.log", name), "{name}");
        }
    }
}
