//! `metrics`: what `status` finds, in numbers that Prometheus keeps.

use super::status;
use super::status::{Answer, Listening, PortCount};
use super::{Status, out_text};
use crate::args::{InstallerArgs, MetricsArgs};
use crate::error::Error;
use crate::exposition::{Format, Kind, Metric, Sample, render};
use crate::files;
use crate::host::Host;
use crate::host::change::confirm;
use jiff::Timestamp;
use std::path::Path;

/// The mode of the file: node_exporter is another user.
const MODE: u32 = 0o644;

pub(super) fn run(args: &InstallerArgs, verb: &MetricsArgs) -> Result<Status, Error> {
    let host = Host::at(&args.root)?;
    let answer = status::answer(args, &host, Listening::Seen)?;
    let waits = confirm::read(&host)?.is_some();
    let text = render(&metrics(&answer, waits, Timestamp::now()), Format::Text);
    match &verb.textfile {
        None => out_text(&text),
        Some(path) => write(path, &text)?,
    }
    Ok(Status::Same)
}

/// Puts the file in place in one step. Its directory is node_exporter's to make.
fn write(path: &Path, text: &str) -> Result<(), Error> {
    let directory = files::directory_of(path);
    if !directory.is_dir() {
        let what = format!("write {}", path.display());
        let trouble = Error::new(what, format!("there is no directory {}", directory.display()));
        return Err(trouble.help("install node_exporter, or name the directory that it reads"));
    }
    files::replace(path, text.as_bytes(), MODE).map(drop)
}

fn metrics(answer: &Answer, waits: bool, now: Timestamp) -> Vec<Metric> {
    use Kind::{Counter, Gauge};
    let flag = |name, help, value: bool| Metric::single(name, Gauge, help, u64::from(value));
    let moment = |name, help, moment: Option<Timestamp>| {
        let seconds = moment.and_then(|moment| u64::try_from(moment.as_second()).ok());
        Metric::single(name, Gauge, help, seconds.unwrap_or_default())
    };
    let counted = |name, help, of: fn(&PortCount) -> u64| {
        let sample = |count: &PortCount| Sample {
            labels: vec![
                ("port", count.port_label()),
                ("family", count.family.to_ascii_lowercase()),
            ],
            value: of(count),
        };
        Metric { name, kind: Counter, help, samples: answer.ports.iter().map(sample).collect() }
    };
    let info = |bundle: &String| Sample { labels: vec![("bundle", bundle.clone())], value: 1 };
    let active = answer.listener.unit.as_deref() == Some("active");
    vec![
        Metric {
            name: "redisguard_info",
            kind: Gauge,
            help: "The digest of the bundle that is applied.",
            samples: answer.bundle.iter().map(info).collect(),
        },
        flag("redisguard_in_sync", "Whether the host is as it was applied.", answer.in_sync),
        flag(
            "redisguard_healthy",
            "Whether rules, units and listener do what they must.",
            answer.healthy,
        ),
        flag("redisguard_listener_active", "Whether the listener's unit is active.", active),
        flag("redisguard_unconfirmed", "Whether a change waits to be confirmed.", waits),
        Metric::single(
            "redisguard_findings",
            Gauge,
            "How many things `redisguard-install status` finds wrong.",
            answer.findings.len() as u64,
        ),
        moment(
            "redisguard_applied_timestamp_seconds",
            "When the bundle was applied, in seconds since 1970; 0 if none is.",
            answer.applied.as_deref().and_then(|applied| applied.parse().ok()),
        ),
        moment(
            "redisguard_checked_timestamp_seconds",
            "When all this was found out, in seconds since 1970.",
            Some(now),
        ),
        counted(
            "redisguard_stopped_packets",
            "First packets of connections to a reserved port that were stopped or told.",
            |count| count.packets,
        ),
        counted("redisguard_stopped_bytes", "The bytes of these packets.", |count| count.bytes),
    ]
}
