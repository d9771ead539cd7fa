//! The logs of a host that record connection attempts: the listener's, and those that keep the kernel's lines.
//!
//! Guarantees: a packet that several logs of the kernel hold counts once.

use super::find::LogSet;
use super::journal;
use crate::args::KernelLog;
use crate::bundle::GuardConfig;
use crate::error::Error;
use crate::host::Host;
use crate::report::{LineFormat, UnixMillis};
use jiff::tz::TimeZone;

/// The logs of a host.
#[derive(Debug, Default)]
pub struct HostLogs {
    /// The logs that can be read, and errors for those that cannot.
    pub set: LogSet,
    /// Whether the journal is among them.
    pub has_journal: bool,
    /// The names of syslog's files among them, by [`super::LogSource::place`].
    pub files: Vec<&'static str>,
    /// Since when the journal has every line, if it has older ones: the time that was asked for.
    pub journal_since: Option<UnixMillis>,
    /// What was looked for and not found.
    pub missing: Vec<String>,
}

/// The listener's logs with their rotated files, and the kernel's lines from where `kernel` says. Older
/// journal entries than `since` are left out.
///
/// # Errors
/// A link that leads out of an offline tree; journalctl is needed and not installed.
pub fn of_host(
    host: &Host,
    guard_config: &GuardConfig,
    kernel: KernelLog,
    since: Option<UnixMillis>,
) -> Result<HostLogs, Error> {
    let mut logs = HostLogs::default();
    let mut has_listener = false;
    // `log` is a link to `log_file`, or what a listener without a systemd unit has written.
    for path in [&guard_config.log_file, &guard_config.log] {
        has_listener |= logs.set.add_rotated(host, path, LineFormat::Listener)?;
    }
    if !has_listener {
        logs.missing.push(format!("the listener's log {}", guard_config.log));
    }
    let mut has_kernel = kernel == KernelLog::None;
    if kernel == KernelLog::Journal || (kernel == KernelLog::Auto && journal::is_there(host)) {
        let reach = journal::add(&mut logs.set, host, since)?;
        (logs.has_journal, logs.journal_since) = (true, since.filter(|_| reach.has_older));
        has_kernel |= reach.has_lines;
    }
    // The journal may reach less far back, and syslog's files may be rotated away: neither hides the other.
    if matches!(kernel, KernelLog::Auto | KernelLog::Files) {
        logs.files = logs.set.add_syslog(host)?;
        let is_kernel = |bytes: u64, place: Option<usize>| bytes > 0 && place.is_some();
        has_kernel |= logs.set.logs.iter().any(|log| is_kernel(log.bytes, log.place));
    }
    if !has_kernel {
        logs.missing.push(
            "the kernel's log: neither the journal nor a file of syslog has a line".to_owned(),
        );
    }
    Ok(logs)
}

impl HostLogs {
    /// Where the kernel's lines come from: the journal, and those files that lines were counted from, or else
    /// the first one.
    pub fn kernel(&self, counted: &[usize]) -> Option<String> {
        let mut names: Vec<&str> = if self.has_journal { vec![journal::NAME] } else { Vec::new() };
        names.extend(counted.iter().filter_map(|place| self.files.get(*place)));
        if names.is_empty() {
            names.extend(self.files.first());
        }
        (!names.is_empty()).then(|| names.join(", "))
    }
}

/// The host's time zone (localtime(5)), for timestamps that name none; UTC where it has none.
pub fn time_zone(host: &Host) -> TimeZone {
    const PATH: &str = "/etc/localtime";
    let zone = host.read_system_file(PATH);
    let zone = zone.and_then(|bytes| TimeZone::tzif("localtime", &bytes).ok());
    zone.unwrap_or(TimeZone::UTC)
}
