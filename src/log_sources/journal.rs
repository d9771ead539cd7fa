//! The kernel's lines in the journal: where it is, and whether it may be read.

use super::find::LogSet;
use super::open::Input;
use crate::error::Error;
use crate::host::Host;
use crate::os::command::{self, Program};
use crate::report::{LineFormat, UnixMillis};

/// The name of the journal in a report.
pub(super) const NAME: &str = "the journal";
/// Where journald keeps entries over a reboot (systemd-journald.service(8)).
const JOURNAL: &str = "/var/log/journal";
/// What journalctl prints, in the C locale, where it may not read all journals (journal_access_check_and_warn
/// of systemd). With `--quiet` it prints neither.
const DENIED: [&str; 2] = ["not seeing messages from other users", "insufficient permissions"];

/// Whether a host has a journal that can be read: one on disk, or that of a systemd which runs.
pub(super) fn is_there(host: &Host) -> bool {
    let is_kept = host.path(JOURNAL).is_dir();
    (is_kept || host.has_systemd()) && command::is_installed("journalctl")
}

/// What the journal has of the kernel's lines.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reach {
    /// Whether it has any.
    pub has_lines: bool,
    /// Whether it has older ones than what is asked for.
    pub has_older: bool,
}

/// Adds the kernel's lines in the journal, of all boots, from `since` on.
///
/// # Errors
/// journalctl is not installed; the journal of an offline tree leads out of it.
pub(super) fn add(
    logs: &mut LogSet,
    host: &Host,
    since: Option<UnixMillis>,
) -> Result<Reach, Error> {
    if !command::is_installed("journalctl") {
        let error = Error::new("read the journal", "journalctl is not installed");
        return Err(error.help("fix: report --kernel files reads what syslog has written"));
    }
    let mut arguments = vec!["--no-pager".to_owned()];
    if !host.is_live() {
        host.confine(&format!("{JOURNAL}/x"))?;
        arguments.push(format!("--directory={}", host.path(JOURNAL).display()));
    }
    let seconds = since.map(|since| since.div_euclid(1000));
    let reach = reach(&arguments, seconds).unwrap_or_else(|error| {
        logs.errors.push(error);
        Reach::default()
    });
    arguments.extend(["--quiet", "--output=short-unix"].map(str::to_owned));
    arguments.extend(seconds.map(|seconds| format!("--since=@{seconds}")));
    arguments.push("_TRANSPORT=kernel".to_owned());
    logs.add_unsized(NAME, LineFormat::Kernel, Input::Journal(arguments));
    Ok(reach)
}

fn reach(arguments: &[String], since: Option<i64>) -> Result<Reach, Error> {
    let has_lines = has_line(arguments, None)?;
    let has_older = match since {
        Some(since) if has_lines => has_line(arguments, Some(format!("--until=@{since}")))?,
        _ => false,
    };
    Ok(Reach { has_lines, has_older })
}

/// Whether the journal has a line of the kernel's.
///
/// # Errors
/// Not all of it may be read.
fn has_line(arguments: &[String], until: Option<String>) -> Result<bool, Error> {
    let journalctl = Program::new("journalctl").args(arguments).args(until).env("LC_ALL", "C");
    let output = journalctl
        .args(["--lines=1", "--output=cat", "_TRANSPORT=kernel"])
        .run("read the journal")?;
    let denied = output.stderr.lines().find(|line| DENIED.iter().any(|text| line.contains(text)));
    match denied {
        Some(line) => Err(Error::new("read the whole journal", line.trim())
            .help("fix: run it as root, or as a member of the group systemd-journal")),
        None => Ok(output.text().lines().any(|line| !line.starts_with("-- "))),
    }
}
