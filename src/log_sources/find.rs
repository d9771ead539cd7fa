//! A set of logs: files with those that logrotate made of them, the journal and standard input.

use super::open::{Input, LogSource};
use super::rotation::{is_rotated, uncompressed};
use crate::error::Error;
use crate::host::Host;
use crate::report::{LineFormat, UnixMillis};
use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Where syslog daemons write the kernel's lines, the file with the fewest others first: `kern.log` and
/// `syslog` on Debian, `messages` on Red Hat, `kernel.log` and `everything.log` on Arch, `firewall` on SUSE.
const SYSLOG: [&str; 7] = [
    "/var/log/kern.log",
    "/var/log/kernel.log",
    "/var/log/firewall",
    "/var/log/messages",
    "/var/log/syslog",
    "/var/log/syslog.log",
    "/var/log/everything.log",
];
/// How many files are opened as soon as they are found, so that a rotation cannot move them. The limit of
/// open files is often 1024.
const MAX_OPEN: usize = 256;
/// How far a clock or a file's timestamp may be off.
const DAY: UnixMillis = 86_400_000;

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
                let modified = modified(&metadata);
                self.logs.push(LogSource {
                    name,
                    format,
                    bytes: metadata.len(),
                    modified,
                    place: None,
                    input,
                });
            }
            Err(error) => {
                let is_denied = error.kind() == ErrorKind::PermissionDenied;
                let error = Error::io(format!("read {name}"), &error);
                let help = "fix: run it as root";
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
                self.errors.push(error.help("fix: run it as root"));
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
            // One that may not be looked at is there, and is an error when it is opened.
            if is_inside && is_complete && path.try_exists().unwrap_or(true) {
                self.add(&path, format);
                is_any = true;
            }
        }
        Ok(is_any)
    }

    /// Adds all of syslog's files that exist, with their rotated files, each name as a place of its own: an
    /// empty or forgotten one must not hide the others. Returns their names.
    ///
    /// # Errors
    /// A link that leads out of an offline tree.
    pub fn add_syslog(&mut self, host: &Host) -> Result<Vec<&'static str>, Error> {
        let mut found = Vec::new();
        for path in SYSLOG {
            let before = self.logs.len();
            if self.add_rotated(host, path, LineFormat::Kernel)? {
                self.logs[before..].iter_mut().for_each(|log| log.place = Some(found.len()));
                found.push(path);
            }
        }
        Ok(found)
    }

    /// Adds standard input.
    pub fn add_standard_input(&mut self) {
        self.add_unsized("standard input", LineFormat::Detect, Input::Standard);
    }

    pub(super) fn add_unsized(&mut self, name: &str, format: LineFormat, input: Input) {
        let name = name.to_owned();
        self.logs.push(LogSource { name, format, bytes: 0, modified: None, place: None, input });
    }

    /// Removes the files that were last written long before `since`.
    pub fn remove_older(&mut self, since: UnixMillis) {
        let is_old = |modified: UnixMillis| modified.saturating_add(DAY) < since;
        self.logs.retain(|log| !log.modified.is_some_and(is_old));
    }
}

/// Those of syslog's files that exist.
pub fn syslog(host: &Host) -> impl Iterator<Item = PathBuf> {
    SYSLOG.iter().map(|path| host.path(path)).filter(|path| path.is_file())
}

/// When a file was last written.
pub(super) fn modified(metadata: &Metadata) -> Option<UnixMillis> {
    let since = metadata.modified().ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis::try_from(since.as_millis()).ok()
}
