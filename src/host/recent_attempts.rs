//! Owns the latest of those who knocked from outside: read off the ends of the logs, so that it costs the
//! same however long they are. All that they hold is for [`crate::log_sources`].

use super::root::Host;
use crate::bundle::GuardConfig;
use crate::log_sources;
use crate::os::command::{Output, Program, is_installed};
use crate::report::{Answer, Calendar, Knock, Line, Moment, Source, Writer};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

/// How much of the end of a log is read, in bytes.
const TAIL: u64 = 64 * 1024;
/// How many of the kernel's lines are asked for, of the last day.
const KERNEL_LINES: &str = "--lines=100";
/// How long the journal may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Somebody who knocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latest {
    /// When they did last.
    pub at: Moment,
    /// Who.
    pub source: Source,
    /// The reserved port.
    pub port: u16,
    /// How that was answered.
    pub answer: Answer,
    /// What their client calls its library, with its version.
    pub library: Option<String>,
}

/// Who knocked last from outside, the latest first, each source at each port once. What cannot be read
/// says nothing.
pub fn latest(host: &Host, guard_config: &GuardConfig, most: usize) -> Vec<Latest> {
    let mut calendar = Calendar::new(TimeZone::UTC, Timestamp::now().as_millisecond());
    let mut all = Vec::new();
    let mut take = |text: &[u8], writer: Writer| {
        let lines = text.split(|byte| *byte == b'\n');
        let knocks = lines.filter_map(|line| match writer.line(line, &mut calendar) {
            Ok(Line::Knock(knock)) => told(&knock),
            _ => None,
        });
        all.extend(knocks);
    };
    if host.confine_file(&guard_config.log_file).is_ok() {
        take(&tail(&host.path(&guard_config.log_file)), Writer::Listener);
    }
    if host.has_systemd() && is_installed("journalctl") {
        take(journal().as_bytes(), Writer::Kernel);
    } else if host.is_live() {
        let syslog = log_sources::syslog(host);
        take(&syslog.map(|path| tail(&path)).unwrap_or_default(), Writer::Kernel);
    }
    all.sort_by_key(|knock: &Latest| std::cmp::Reverse(knock.at));
    let mut latest: Vec<Latest> = Vec::new();
    for knock in all {
        let same = |known: &Latest| (known.source, known.port) == (knock.source, knock.port);
        if latest.len() < most && !latest.iter().any(same) {
            latest.push(knock);
        }
    }
    latest
}

/// What is told of a knock; nothing of one from the host itself, as `status` makes them too.
fn told(knock: &Knock<'_>) -> Option<Latest> {
    if knock.source.address().is_some_and(|address| address.is_loopback()) {
        return None;
    }
    let library = knock
        .library
        .as_ref()
        .map(|library| format!("{} {}", library.name, library.version).trim_end().to_owned());
    let Knock { at, source, answer, .. } = *knock;
    Some(Latest { at, source, port: knock.port?, answer, library })
}

/// The end of a file, from the first whole line on.
fn tail(path: &Path) -> Vec<u8> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut text = Vec::new();
        file.take(TAIL).read_to_end(&mut text)?;
        if length > TAIL {
            let begin = text.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            text.drain(..begin);
        }
        Ok(text)
    };
    read().unwrap_or_default()
}

/// The latest lines of ours that the journal has from the kernel.
fn journal() -> String {
    let journalctl = Program::new("journalctl")
        .args(["--quiet", "--no-pager", "--output=short-unix", "--since=-1day", KERNEL_LINES])
        .args(["--grep=redisguard (drop|reject): ", "_TRANSPORT=kernel"]);
    let output = journalctl.limit(PATIENCE).run("read the journal");
    output.map(Output::text).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_source_at_each_port_is_told_once_by_its_latest_line_and_the_host_itself_is_not() {
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
            let latest = latest(&host, &guard_config, most).into_iter();
            let line = |knock: Latest| {
                let library = knock.library.unwrap_or_default();
                format!("{} {} {}", knock.source, knock.port, library)
            };
            latest.map(line).collect()
        };
        assert_eq!(told(5), ["192.0.2.1 6379 jedis 4.4", "192.0.2.1 6380 ", "192.0.2.9 6379 "]);
        assert_eq!(told(1), ["192.0.2.1 6379 jedis 4.4"]);
    }
}
