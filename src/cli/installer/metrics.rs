//! `metrics`: the findings of `status` as numbers for Prometheus.

use super::input::host;
use super::status::collected;
use crate::args::{InstallerArgs, MetricsArgs};
use crate::cli::output::{Status, print_text};
use crate::error::Error;
use crate::exposition::{Format, Kind, Metric, Sample, render};
use crate::files;
use crate::listener_contract::{
    CERTIFICATE_EXPIRY, CERTIFICATE_EXPIRY_HELP, LOG_WRITABLE, LOG_WRITABLE_HELP,
};
use crate::spec::Expected;
use crate::status::{HostStatus, PortCount, Probing};
use jiff::Timestamp;
use std::path::Path;

/// The mode of the file: node_exporter runs as another user.
const MODE: u32 = 0o644;

pub(super) fn run(args: &InstallerArgs, verb: &MetricsArgs) -> Result<Status, Error> {
    let host = host(args)?;
    let status = collected(args, &host, Probing::Passive)?;
    let text = render(&metrics(&status, Timestamp::now()), Format::Text);
    match &verb.textfile {
        None => print_text(&text),
        Some(path) => write(path, &text)?,
    }
    Ok(Status::Same)
}

/// Replaces the file in one step. The directory belongs to node_exporter, which makes it.
fn write(path: &Path, text: &str) -> Result<(), Error> {
    let directory = files::directory_of(path);
    if !directory.is_dir() {
        let cause = format!("there is no directory {}", directory.display());
        let error = Error::new(format!("write {}", path.display()), cause);
        return Err(error.help("install node_exporter, or name the directory that it reads"));
    }
    files::replace(path, text.as_bytes(), MODE).map(drop)
}

const EXPECTED: &str = "Whether the host is expected to run a part of the guard.";

fn expected(status: &HostStatus) -> Vec<Sample> {
    let Some(expected) = &status.expect else { return Vec::new() };
    let all = Expected::default().names().into_iter();
    let sample = |part: &'static str| Sample {
        labels: vec![("part", part.to_owned())],
        value: expected.contains(&part).into(),
    };
    all.map(sample).collect()
}

fn metrics(status: &HostStatus, now: Timestamp) -> Vec<Metric> {
    use Kind::{Counter, Gauge};
    let flag = |name, help, value: bool| Metric::single(name, Gauge, help, u64::from(value));
    let time = |name, help, time: Option<Timestamp>| {
        let seconds = time.and_then(|time| u64::try_from(time.as_second()).ok());
        Metric::single(name, Gauge, help, seconds.unwrap_or_default())
    };
    let counted = |name, help, counts: &[PortCount], of: fn(&PortCount) -> u64| {
        let sample = |count: &PortCount| Sample {
            labels: vec![
                ("port", count.port_label()),
                ("family", count.family.to_ascii_lowercase()),
            ],
            value: of(count),
        };
        Metric { name, kind: Counter, help, samples: counts.iter().map(sample).collect() }
    };
    let info = |bundle: &String| Sample { labels: vec![("bundle", bundle.clone())], value: 1 };
    let unconfirmed = status.confirm_by.is_some();
    let listener = &status.listener;
    let log_writable =
        listener.log_writable.map(|writable| flag(LOG_WRITABLE, LOG_WRITABLE_HELP, writable));
    let end = listener.certificate_end.as_ref().and_then(|end| end.parse().ok());
    let certificate = end.map(|end| time(CERTIFICATE_EXPIRY, CERTIFICATE_EXPIRY_HELP, Some(end)));
    let active = status.listener.unit.as_deref() == Some("active");
    let mut metrics = vec![
        Metric {
            name: "redisguard_info",
            kind: Gauge,
            help: "The digest of the bundle that is applied.",
            samples: status.bundle.iter().map(info).collect(),
        },
        flag("redisguard_in_sync", "Whether the host is as it was applied.", status.in_sync),
        flag(
            "redisguard_healthy",
            "Whether rules, units and listener do what they must.",
            status.healthy,
        ),
        flag("redisguard_listener_active", "Whether the listener's unit is active.", active),
        Metric {
            name: "redisguard_expected",
            kind: Gauge,
            help: EXPECTED,
            samples: expected(status),
        },
        flag("redisguard_unconfirmed", "Whether a change waits to be confirmed.", unconfirmed),
        Metric::single(
            "redisguard_findings",
            Gauge,
            "How many things `redisguard-install status` finds wrong.",
            status.findings.len() as u64,
        ),
        time(
            "redisguard_applied_timestamp_seconds",
            "When the bundle was applied, in seconds since 1970; 0 if none is.",
            status.applied.as_deref().and_then(|applied| applied.parse().ok()),
        ),
        time(
            "redisguard_checked_timestamp_seconds",
            "When all this was found out, in seconds since 1970.",
            Some(now),
        ),
        counted(
            "redisguard_stopped_packets",
            "First packets of connections to a reserved port that were stopped or told.",
            &status.ports,
            |count| count.packets,
        ),
        counted(
            "redisguard_stopped_bytes",
            "The bytes of these packets.",
            &status.ports,
            |count| count.bytes,
        ),
        counted(
            "redisguard_probe_packets",
            "The same of the networks in [probe] from, which no other metric counts.",
            &status.probes,
            |count| count.packets,
        ),
    ];
    metrics.extend(log_writable.into_iter().chain(certificate));
    metrics
}
