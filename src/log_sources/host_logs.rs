//! The logs of a host that record connection attempts: the listener's, and one place that keeps the
//! kernel's lines. Several places would count the same packets twice.

use super::find::LogSet;
use crate::args::KernelLog;
use crate::bundle::GuardConfig;
use crate::error::Error;
use crate::host::Host;
use crate::report::{LineFormat, UnixMillis};
use jiff::tz::TimeZone;

/// The name of the journal in a report.
const JOURNAL: &str = "the journal";

/// The listener's logs with their rotated files, and the kernel's lines from where `kernel` says; the name
/// of that place, if there is one. Older journal entries than `since` are left out.
///
/// # Errors
/// A link that leads out of an offline tree; journalctl is needed and not installed.
pub fn of_host(
    host: &Host,
    guard_config: &GuardConfig,
    kernel: KernelLog,
    since: Option<UnixMillis>,
) -> Result<(LogSet, Option<String>), Error> {
    let mut logs = LogSet::default();
    // `log` is a link to `log_file`, or what a listener without a systemd unit has written.
    for path in [&guard_config.log_file, &guard_config.log] {
        logs.add_rotated(host, path, LineFormat::Listener)?;
    }
    let journal = |logs: &mut LogSet| logs.add_journal(host, since).map(|()| JOURNAL.to_owned());
    let place = match kernel {
        KernelLog::None => None,
        KernelLog::Journal => Some(journal(&mut logs)?),
        KernelLog::Files => logs.add_syslog(host)?.map(str::to_owned),
        // A journal on disk reaches further back than syslog's files, which logrotate deletes.
        KernelLog::Auto if LogSet::has_persistent_journal(host) => Some(journal(&mut logs)?),
        KernelLog::Auto => match logs.add_syslog(host)? {
            Some(path) => Some(path.to_owned()),
            None if host.has_systemd() => journal(&mut logs).ok(),
            None => None,
        },
    };
    Ok((logs, place))
}

/// The host's time zone (localtime(5)), for timestamps that name none; UTC where it has none.
pub fn time_zone(host: &Host) -> TimeZone {
    const PATH: &str = "/etc/localtime";
    let zone = host.read_system_file(PATH);
    let zone = zone.and_then(|bytes| TimeZone::tzif("localtime", &bytes).ok());
    zone.unwrap_or(TimeZone::UTC)
}
