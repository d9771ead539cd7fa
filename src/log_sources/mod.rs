//! Owns finding and opening the logs that tell who still knocks: the listener's with what was rotated
//! away, and one place where the kernel's lines are kept. Changes nothing.

mod count;
mod open;

pub use self::count::{Counted, count};
pub use self::open::{Input, Log};

use crate::error::Error;
use crate::host::Host;
use crate::os::command;
use crate::report::{Moment, Writer};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// What compresses logs, by how the names end.
const COMPRESSED: [&str; 4] = ["gz", "xz", "zst", "bz2"];
/// Where syslog daemons write what the kernel says, the narrowest first.
const SYSLOG: [&str; 3] = ["/var/log/kern.log", "/var/log/messages", "/var/log/syslog"];
/// How many files are opened when they are found, so that a rotation changes nothing any more.
const MOST_OPEN: usize = 256;
/// Clocks and times of files may be wrong by so much.
const DAY: Moment = 86_400_000;
/// Where the journal is kept over a restart.
const JOURNAL: &str = "/var/log/journal";

/// Logs, and those that could not be opened.
#[derive(Debug, Default)]
pub struct Found {
    /// What can be read.
    pub logs: Vec<Log>,
    /// What cannot.
    pub troubles: Vec<Error>,
    /// The files by device and number: a link to one of them is no other.
    known: BTreeSet<(u64, u64)>,
}

impl Found {
    /// Opens a file, if it was not under another name. A file that has gone since it was listed was
    /// rotated, and is there under its next name.
    pub fn add(&mut self, path: &Path, writer: Writer) {
        let name = path.display().to_string();
        match File::open(path).and_then(|file| file.metadata().map(|metadata| (file, metadata))) {
            Ok((_, metadata)) if metadata.is_dir() => {
                self.troubles.push(Error::new(format!("read {name}"), "it is a directory"));
            }
            Ok((file, metadata)) => {
                if !metadata.is_file() || self.known.insert((metadata.dev(), metadata.ino())) {
                    let bytes = metadata.len();
                    let from = match self.logs.len() < MOST_OPEN {
                        true => Input::File(file),
                        false => Input::Path(path.to_owned()),
                    };
                    let written = metadata.modified().ok().map(|time| {
                        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
                        Moment::try_from(since.as_millis()).unwrap_or_default()
                    });
                    self.logs.push(Log { name, writer, bytes, written, from });
                }
            }
            Err(error) => {
                let cure = match error.kind() {
                    std::io::ErrorKind::PermissionDenied => Some("run the same as root"),
                    _ => None,
                };
                let trouble = Error::new(format!("read {name}"), error);
                self.troubles.push(match cure {
                    Some(cure) => trouble.help(cure),
                    None => trouble,
                });
            }
        }
    }

    /// Adds a file with all that logrotate made of it; whether there was any. What leads out of an
    /// offline tree is refused.
    ///
    /// # Errors
    /// A link that leads out of the tree.
    pub fn add_rotated(&mut self, host: &Host, path: &str, writer: Writer) -> Result<bool, Error> {
        host.confine(path)?;
        let place = host.path(path);
        let (Some(folder), Some(name)) =
            (place.parent(), place.file_name().and_then(|name| name.to_str()))
        else {
            return Ok(false);
        };
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => {
                let trouble = Error::new(format!("read {}", folder.display()), error);
                self.troubles.push(trouble.help("run the same as root"));
                return Ok(false);
            }
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let names: BTreeSet<String> = names.filter(|other| is_rotated(name, other)).collect();
        let mut any = false;
        for other in &names {
            let path = folder.join(other);
            // In an offline tree a link may lead anywhere; on a host it leads to where the log is.
            let followed = host.is_live() || !path.is_symlink();
            let whole = uncompressed(other).is_none_or(|whole| !names.contains(whole));
            if whole && followed && path.exists() {
                self.add(&path, writer);
                any = true;
            }
        }
        Ok(any)
    }

    /// Adds the journal's lines of the kernel, of all boots that it has.
    ///
    /// # Errors
    /// journalctl is not installed.
    pub fn add_journal(&mut self, host: &Host, since: Option<Moment>) -> Result<(), Error> {
        if !command::is_installed("journalctl") {
            let trouble = Error::new("read the journal", "journalctl is not installed");
            return Err(trouble.help("--kernel files reads what syslog has written"));
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
        let (name, from) = ("the journal".to_owned(), Input::Journal(arguments));
        self.logs.push(Log { name, writer: Writer::Kernel, bytes: 0, written: None, from });
        Ok(())
    }

    /// Leaves out the files that were last written long before `since`.
    pub fn leave_out(&mut self, since: Moment) {
        self.logs
            .retain(|log| log.written.is_none_or(|written| written.saturating_add(DAY) >= since));
    }

    /// Adds standard input.
    pub fn add_input(&mut self) {
        let (name, from) = ("standard input".to_owned(), Input::Standard);
        self.logs.push(Log { name, writer: Writer::Unknown, bytes: 0, written: None, from });
    }
}

/// Whether the journal of a host outlives its restarts.
pub fn keeps_journal(host: &Host) -> bool {
    host.path(JOURNAL).is_dir() && command::is_installed("journalctl")
}

/// Adds the first of syslog's files that is there, with what was rotated away: the wider ones repeat
/// what it has. Its name.
///
/// # Errors
/// A link that leads out of an offline tree.
pub fn add_syslog(found: &mut Found, host: &Host) -> Result<Option<&'static str>, Error> {
    for path in SYSLOG {
        if found.add_rotated(host, path, Writer::Kernel)? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// The first of syslog's files that is there.
pub fn syslog(host: &Host) -> Option<std::path::PathBuf> {
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

/// The name without how compressed ones end, if it does.
fn uncompressed(name: &str) -> Option<&str> {
    let (whole, kind) = name.rsplit_once('.')?;
    COMPRESSED.contains(&kind).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotated_log_is_known_by_its_name() {
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
