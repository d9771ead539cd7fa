//! The latest connection attempts, read from the ends of the logs, so that the cost does not grow with them.

use super::find::{modified, syslog};
use super::host_logs::time_zone;
use crate::bundle::GuardConfig;
use crate::host::Host;
use crate::os::command::{Output, Program, is_installed};
use crate::report::{
    Attempt, Line, LineFormat, LocalClient, Source, TimestampParser, UNIDENTIFIED, UnixMillis,
    scan, to_rfc3339,
};
use crate::unit::Unit;
use jiff::Timestamp;
use serde::Serialize;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

/// How much of the end of a log is read, in bytes: some 300 lines.
const TAIL: u64 = 64 * 1024;
/// How many of the kernel's lines journalctl prints, of the last day.
const KERNEL_LINES: &str = "--lines=100";
/// The units that ask the listener.
const OWN_UNITS: [Unit; 4] = [Unit::Check, Unit::Metrics, Unit::Revert, Unit::Unconfirmed];
/// How long journalctl may take.
const JOURNAL_TIMEOUT: Duration = Duration::from_secs(10);

/// A recent attempt, as `status --json` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecentAttempt {
    /// When.
    pub at: String,
    /// An address, a network of several (`/64`), or `others`.
    pub source: String,
    /// The systemd unit of a client on this host. Like `container` and `cgroup` printable ASCII, other bytes as
    /// `\xNN`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The container of a client on this host: the first 12 digits of its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The cgroup of another client on this host: its path, `#` and its id where the path is not known, or
    /// `unknown` for a program that the listener could not identify.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<String>,
    /// The same for people.
    #[serde(skip)]
    pub local_client: Option<String>,
    /// The reserved port.
    pub port: u16,
    /// How it was answered, as `report` names it.
    pub answer: &'static str,
    /// What the client calls its library; null where it did not.
    pub library: Option<String>,
}

/// The latest attempts from outside and of programs on this host that the listener identified, the latest
/// first, each source at each port once. Best effort: a log that cannot be read counts as empty.
pub fn recent_attempts(host: &Host, guard_config: &GuardConfig, max: usize) -> Vec<RecentAttempt> {
    let zone = time_zone(host);
    let mut all = Vec::new();
    let mut take = |text: &[u8], modified: UnixMillis, format: LineFormat| {
        let mut timestamps = TimestampParser::new(zone.clone(), modified);
        // Reading from memory never fails.
        let _ = scan(&mut &*text, format, &mut timestamps, |line, _| {
            if let Ok(Line::Attempt(attempt)) = line {
                all.extend(recent(&attempt));
            }
        });
    };
    let now = Timestamp::now().as_millisecond();
    if host.confine_file(&guard_config.log_file).is_ok() {
        take(&tail(&host.path(&guard_config.log_file)).0, now, LineFormat::Listener);
    }
    if host.has_systemd() && is_installed("journalctl") {
        take(journal().as_bytes(), now, LineFormat::Kernel);
    } else if host.is_live() {
        // Several may have the same lines: each source is listed once.
        for path in syslog(host) {
            let (text, modified) = tail(&path);
            take(&text, modified.unwrap_or(now).min(now), LineFormat::Kernel);
        }
    }
    // By milliseconds, which the text of a timestamp lacks.
    all.sort_by_key(|(at, _): &(UnixMillis, RecentAttempt)| std::cmp::Reverse(*at));
    let mut latest: Vec<RecentAttempt> = Vec::new();
    for (_, attempt) in all {
        let same = |known: &RecentAttempt| key(known) == key(&attempt);
        if latest.len() < max && !latest.iter().any(same) {
            latest.push(attempt);
        }
    }
    latest
}

/// What the list has once.
fn key(attempt: &RecentAttempt) -> (&str, Option<&str>, u16) {
    (&attempt.source, attempt.local_client.as_deref(), attempt.port)
}

/// The attempt and its time, if it is one to list.
fn recent(attempt: &Attempt<'_>) -> Option<(UnixMillis, RecentAttempt)> {
    if attempt.is_probe || !is_listed(&attempt.source) {
        return None;
    }
    let library = attempt
        .library
        .as_ref()
        .map(|library| format!("{} {}", library.name, library.version).trim_end().to_owned());
    let client = attempt.source.local_client();
    let name = |name: Option<&str>| name.map(str::to_owned);
    let recent = RecentAttempt {
        at: to_rfc3339(attempt.at),
        source: attempt.source.to_string(),
        unit: name(client.and_then(LocalClient::unit)),
        container: name(client.and_then(LocalClient::container)),
        cgroup: name(client.and_then(LocalClient::cgroup)),
        local_client: client.map(LocalClient::to_string),
        port: attempt.port?,
        answer: attempt.answer.name(),
        library,
    };
    Some((attempt.at, recent))
}

/// Whether a source is listed. `status` itself and the timer's check ask the listener, too: so a loopback
/// address is listed only with the name of a program, and redisguard's own units are not.
fn is_listed(source: &Source<'_>) -> bool {
    let is_own = |name: &str| OWN_UNITS.iter().any(|unit| unit.name() == name);
    match source.local_client() {
        Some(LocalClient::Unit(name)) if is_own(name) => false,
        Some(LocalClient::Cgroup(name)) if name == UNIDENTIFIED => !is_loopback(source),
        Some(_) => true,
        None => !is_loopback(source),
    }
}

fn is_loopback(source: &Source<'_>) -> bool {
    source.address().is_some_and(|address| address.is_loopback())
}

/// The end of a file, from the first whole line on, and when it was last written.
fn tail(path: &Path) -> (Vec<u8>, Option<UnixMillis>) {
    let read = || -> std::io::Result<(Vec<u8>, Option<UnixMillis>)> {
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        let length = metadata.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut text = Vec::new();
        file.take(TAIL).read_to_end(&mut text)?;
        if length > TAIL {
            let begin = text.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            text.drain(..begin);
        }
        Ok((text, modified(&metadata)))
    };
    read().unwrap_or_default()
}

/// The kernel's latest lines of redisguard's rules in the journal.
fn journal() -> String {
    let journalctl = Program::new("journalctl")
        .args(["--quiet", "--no-pager", "--output=short-unix", "--since=-1day", KERNEL_LINES])
        .args(["--grep=redisguard (drop|reject): ", "_TRANSPORT=kernel"]);
    let output = journalctl.limit(JOURNAL_TIMEOUT).run("read the journal");
    output.map(Output::text).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_source_at_each_port_is_listed_once_by_its_latest_line_and_redisguard_itself_is_not() {
        let root = tempfile::tempdir().unwrap();
        let line = |second: u32, peer: &str, port: u16, more: &str| {
            format!(
                "time=2026-11-27T05:{:02}:{:02}.000Z peer={peer} port={port}{more} outcome=told\n",
                second / 60,
                second % 60
            )
        };
        let mut text = String::from("garbage\n");
        // More than the end that is read.
        for second in 0..2000 {
            text.push_str(&line(second % 3000, "192.0.2.9", 6379, ""));
        }
        text.push_str(&line(2100, "192.0.2.1", 6379, " library=jedis library-version=4.3"));
        text.push_str(&line(2200, "127.0.0.1", 6379, ""));
        text.push_str(&line(2300, "::1", 6379, ""));
        text.push_str(&line(2400, "192.0.2.1", 6380, ""));
        text.push_str(&line(2500, "192.0.2.1", 6379, " library=jedis library-version=4.4"));
        text.push_str(&line(2600, "127.0.0.1", 6379, " unit=billing.service uid=1000"));
        text.push_str(&line(2601, "127.0.0.1", 6379, " container=1a2b3c4d5e6f"));
        text.push_str(&line(2602, "::1", 6379, " cgroup=\"/user.slice\""));
        text.push_str(&line(2603, "127.0.0.1", 6379, " unit=billing.service uid=1000"));
        text.push_str(&line(2604, "192.0.2.5", 6379, " cgroup=unknown"));
        text.push_str(&line(2604, "192.0.2.6", 6379, " probe=true"));
        for own in ["unit=redis-ports-check.service", "cgroup=unknown"] {
            text.push_str(&line(2605, "127.0.0.1", 6379, &format!(" {own}")));
        }
        text.push_str("time=2026-11-27T05:59:59.000Z peer=192.0.2.7 po");
        std::fs::create_dir_all(root.path().join("var/log/redisguard")).unwrap();
        std::fs::write(root.path().join("var/log/redisguard/x.log"), text).unwrap();
        let guard_config = "bundle = \"b\"\nbackend = \"iptables\"\nexisting = \"cut\"\nallow = []\n\
            cluster = \"7000\"\nnotice = 63790\nlog = \"/var/log/x.log\"\n\
            log-file = \"/var/log/redisguard/x.log\"\n[[reserved]]\nports = \"6379\"\nlabel = \"\"\n\
            external = \"drop\"\nlisten = \"always\"\n";
        let guard_config = GuardConfig::parse(guard_config).unwrap();
        let host = Host::at(root.path()).unwrap();
        let told = |most| -> Vec<String> {
            let latest = recent_attempts(&host, &guard_config, most).into_iter();
            let line = |attempt: RecentAttempt| {
                let library = attempt.library.unwrap_or_default();
                let client = attempt.local_client.unwrap_or_default();
                format!("{} {} {library}{client}", attempt.source, attempt.port)
            };
            latest.map(line).collect()
        };
        let latest = [
            "192.0.2.5 6379 unidentified program",
            "127.0.0.1 6379 billing.service",
            "::1 6379 cgroup /user.slice",
            "127.0.0.1 6379 container 1a2b3c4d5e6f",
            "192.0.2.1 6379 jedis 4.4",
            "192.0.2.1 6380 ",
            "192.0.2.9 6379 ",
        ];
        assert_eq!(told(9), latest);
        assert_eq!(told(2), latest[..2]);
    }
}
