//! The report as plain data: sorted, cut to the rows that were asked for, timestamps as text. Every output
//! format is rendered from it; as JSON it is what `report --json` prints.

use super::aggregate::{Aggregate, Details, LibraryId, LibraryRow, PortRow, Probes, Row};
use super::client_values::{AddressUse, CommandUse, NameUse, UidUse, listed};
use super::histogram::Histogram;
use super::line_counts::{LineCounts, SkippedLine};
use super::record::{AnswerKind, LostLines, Protocol};
use super::source::{LocalClient, Source};
use super::timestamp::to_rfc3339;
use super::totals::AnswerCounts;
use serde::{Serialize, Serializer};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Who still tries to connect. Timestamps are RFC 3339, whole seconds, UTC.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The host's name in /etc/hostname; null where there is none, and with `--log`: such a log may be of another.
    pub host: Option<String>,
    /// The first attempt; null where none has a known time.
    pub first: Option<String>,
    /// The last attempt; null where none has a known time.
    pub last: Option<String>,
    /// The number of attempts, including those that are not listed.
    pub attempts: u64,
    /// How many of them have no known time: their lines have none, only the time since boot, or a date of which the
    /// log does not tell the year. They are in every number but those of `timeline`.
    pub undated: u64,
    /// The number of attempts by answer.
    pub answers: AnswerCounts,
    /// The number of sources. Beyond 32768, each with a port, a source that came back counts again.
    pub sources: u64,
    /// Every source at every port, those with the most attempts first.
    #[serde(rename = "knocks")]
    pub by_source: Vec<SourceSummary>,
    /// What is counted and not listed.
    #[serde(rename = "others")]
    pub unlisted: Unlisted,
    /// Every port.
    pub ports: Vec<PortSummary>,
    /// Every library in every version, those with the most attempts first.
    pub libraries: Vec<LibrarySummary>,
    /// The length of a step in seconds: a minute, ten minutes, an hour, a day, or 1, 4 or 48 weeks, so that
    /// 128 steps are enough.
    pub step_seconds: i64,
    /// Every step from the first attempt to the last.
    pub timeline: Vec<TimelineStep>,
    /// The attempts from the networks in `[probe] from`, which no other number includes.
    pub probes: ProbeSummary,
    /// What the listener could not write, by its own count.
    pub lost: LostLines,
    /// How many lines were counted and skipped.
    pub lines: LineCounts,
    /// The lines that may be about attempts that are asked for, and cannot be counted: those of the kernel, and those
    /// with a time that cannot be. If there are any, the exit status is 1.
    pub uncounted: u64,
    /// The lines that were skipped and are not other programs', at most 1000 of each log; null without `--skipped`.
    pub skipped: Option<Vec<SkippedLine>>,
    /// The logs that were read.
    pub logs: Vec<String>,
    /// Where the kernel's lines come from: `the journal`, files of syslog, or both with a comma between them; null
    /// where they were not looked for.
    pub kernel: Option<String>,
    /// The logs that were looked for and not found, or that have no line.
    pub missing: Vec<String>,
    /// What could not be read to its end, and why; then the exit status is 1.
    pub incomplete: Vec<String>,
}

/// One source at one port.
#[derive(Clone, Debug, Serialize)]
pub struct SourceSummary {
    /// An address, a network of several (`/64`), or `others`.
    pub source: String,
    /// The systemd unit of a client on this host: each has a source of its own. Like `container` and `cgroup`
    /// printable ASCII, other bytes as `\xNN`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The container of a client on this host: the first 12 digits of its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The cgroup of another client on this host: its path, `#` and its id where the path is not known, or
    /// `unknown` for a program that the listener could not identify.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<String>,
    /// The source's name, with `--resolve` where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The reserved port; null where the listener's counts name none.
    pub port: Option<u16>,
    /// The number of attempts.
    pub attempts: u64,
    /// The number of attempts by answer.
    pub answers: AnswerCounts,
    /// The first attempt.
    pub first: String,
    /// The last attempt.
    pub last: String,
    /// The protocols that the source used: `none` (it sent nothing), `resp`, `inline`, `http`, `tls`, `proxy`
    /// (only a PROXY header), `http2`, `ssh`, `cluster-bus`, `mqtt`, `amqp`, `postgresql`, `mysql`, `mongodb`,
    /// or `unknown` (the listener did not recognise it).
    pub protocols: Vec<&'static str>,
    /// The libraries that clients named, at most four, those with the most attempts first.
    pub libraries: Vec<LibraryUse>,
    /// The names that clients gave their connections (`CLIENT SETNAME`), at most 8, those with the most
    /// attempts first. A source with more keeps the most frequent ones.
    pub client_names: Vec<NameUse>,
    /// The first command of each connection that the notice answered, at most 8, those with the most attempts
    /// first.
    pub refused: Vec<CommandUse>,
    /// The client addresses that PROXY headers stated, at most 32, those with the most attempts first.
    /// Unverified: anybody can send such a header.
    pub stated_peers: Vec<AddressUse>,
    /// The user ids of clients on this host, at most 8, those with the most attempts first.
    pub uids: Vec<UidUse>,
    /// The attempts in each step. Not in JSON, which would grow by up to 128 numbers for each source.
    #[serde(skip)]
    pub timeline: Vec<u32>,
    /// The address, where the source is exactly one.
    #[serde(skip)]
    pub address: Option<IpAddr>,
    /// The name of a client on this host, for people.
    #[serde(skip)]
    pub local_client: Option<String>,
}

/// A library that one source used at one port.
#[derive(Clone, Debug, Serialize)]
pub struct LibraryUse {
    /// The name as the log has it: printable ASCII, other bytes as `\xNN`.
    pub name: String,
    /// The version, in the same form; null where the client gave none.
    pub version: Option<String>,
    /// The number of attempts.
    pub attempts: u64,
}

/// What is counted and not listed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Unlisted {
    /// Sources at ports beyond `--top`, and beyond 32768.
    #[serde(rename = "knocks")]
    pub sources: u64,
    /// The attempts of those sources.
    pub attempts: u64,
    /// Attempts with libraries beyond 4096, or beyond four of a source.
    pub libraries: u64,
    /// Attempts at ports beyond 1024.
    pub ports: u64,
}

/// One port.
#[derive(Clone, Debug, Serialize)]
pub struct PortSummary {
    /// The port; null for counts that name none.
    pub port: Option<u16>,
    /// The number of sources.
    pub sources: u64,
    /// The number of attempts.
    pub attempts: u64,
    /// The number of attempts by answer.
    pub answers: AnswerCounts,
    /// The first attempt.
    pub first: String,
    /// The last attempt.
    pub last: String,
    /// The attempts in each step.
    pub timeline: Vec<u32>,
    /// The sources in each step: those that still have to move.
    pub burn_down: Vec<u32>,
}

/// One library in one version.
#[derive(Clone, Debug, Serialize)]
pub struct LibrarySummary {
    /// The name as the log has it: printable ASCII, other bytes as `\xNN`.
    pub name: String,
    /// The version, in the same form; null where the client gave none.
    pub version: Option<String>,
    /// The number of sources that use it.
    pub sources: u64,
    /// The number of attempts.
    pub attempts: u64,
    /// The first attempt.
    pub first: String,
    /// The last attempt.
    pub last: String,
}

/// The attempts of probes.
#[derive(Clone, Debug, Serialize)]
pub struct ProbeSummary {
    /// The number of attempts.
    pub attempts: u64,
    /// The number of attempts by answer.
    pub answers: AnswerCounts,
    /// The first attempt; null where none has a known time.
    pub first: Option<String>,
    /// The last attempt; null where none has a known time.
    pub last: Option<String>,
    /// At most 8 sources, those with the most attempts first.
    pub sources: Vec<String>,
}

/// One step of the timeline.
#[derive(Clone, Debug, Serialize)]
pub struct TimelineStep {
    /// The beginning of the step.
    pub at: String,
    /// The attempts in the step by answer.
    pub answers: AnswerCounts,
}

/// An object with a number for each [`AnswerKind`], by its name.
impl Serialize for AnswerCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(AnswerKind::ALL.map(|answer| (answer.name(), self.of(answer))))
    }
}

impl Summary {
    /// Summarises an aggregate; lists the `top` sources with the most attempts.
    pub fn new(aggregate: &Aggregate, top: usize) -> Summary {
        let totals = aggregate.totals;
        let is_dated = totals.is_dated();
        let mut rows: Vec<&Row> = aggregate.rows.iter().collect();
        rows.sort_by(|one, other| {
            let [one, other] =
                [one, other].map(|row| (Reverse(row.totals.attempts()), &row.source, row.port));
            one.cmp(&other)
        });
        let (listed, left_out) = rows.split_at(rows.len().min(top));
        let evicted = &aggregate.evicted;
        let left_out_attempts = left_out.iter().map(|row| row.totals.attempts());
        let unlisted = Unlisted {
            sources: evicted.rows + left_out.len() as u64,
            attempts: left_out_attempts.fold(evicted.totals.attempts(), u64::saturating_add),
            libraries: aggregate.libraries.overflow,
            ports: aggregate.port_overflow,
        };
        let sources: BTreeSet<&Source> = aggregate.rows.iter().map(|row| &row.source).collect();
        Summary {
            host: None,
            first: is_dated.then(|| to_rfc3339(totals.first)),
            last: is_dated.then(|| to_rfc3339(totals.last)),
            attempts: totals.attempts(),
            undated: aggregate.undated,
            answers: totals.answers,
            sources: sources.len() as u64 + evicted.rows,
            by_source: listed.iter().map(|row| source(aggregate, row)).collect(),
            unlisted,
            ports: ports(aggregate),
            libraries: libraries(aggregate),
            step_seconds: aggregate.axis.width() / 1000,
            timeline: timeline(aggregate),
            probes: probes(&aggregate.probes),
            lost: aggregate.lost,
            lines: aggregate.lines,
            uncounted: aggregate.uncounted,
            skipped: None,
            logs: Vec::new(),
            kernel: None,
            missing: Vec::new(),
            incomplete: Vec::new(),
        }
    }

    /// The addresses of the listed sources, each once, those with the most attempts first.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let mut known = BTreeSet::new();
        let addresses = self.by_source.iter().filter_map(|source| source.address);
        addresses.filter(|address| known.insert(*address)).collect()
    }

    /// Sets the names of the listed sources.
    pub fn set_names(&mut self, names: &BTreeMap<IpAddr, String>) {
        for source in &mut self.by_source {
            source.name = source.address.and_then(|address| names.get(&address).cloned());
        }
    }
}

fn probes(Probes { totals, sources }: &Probes) -> ProbeSummary {
    let is_dated = totals.is_dated();
    ProbeSummary {
        attempts: totals.attempts(),
        answers: totals.answers,
        first: is_dated.then(|| to_rfc3339(totals.first)),
        last: is_dated.then(|| to_rfc3339(totals.last)),
        sources: sources.sorted().into_iter().map(|(source, _)| source.to_string()).collect(),
    }
}

/// The version of a library, where it has one.
fn version(version: &str) -> Option<String> {
    (!version.is_empty()).then(|| version.to_owned())
}

fn timeline(aggregate: &Aggregate) -> Vec<TimelineStep> {
    let steps = aggregate.axis.steps().map(to_rfc3339);
    let mut timeline: Vec<TimelineStep> =
        steps.map(|at| TimelineStep { at, answers: AnswerCounts::default() }).collect();
    for (answer, histogram) in AnswerKind::ALL.into_iter().zip(&aggregate.histograms) {
        for (step, count) in timeline.iter_mut().zip(histogram.counts(aggregate.axis)) {
            step.answers.add(answer, u64::from(count));
        }
    }
    timeline
}

fn source(aggregate: &Aggregate, row: &Row) -> SourceSummary {
    let library = |(id, attempts)| {
        let LibraryRow { name, version: given, .. } = aggregate.libraries.get(id)?;
        Some(LibraryUse { name: name.clone(), version: version(given), attempts })
    };
    let mut libraries: Vec<LibraryUse> = row.libraries.iter().filter_map(library).collect();
    libraries
        .sort_by(|one, other| other.attempts.cmp(&one.attempts).then(one.name.cmp(&other.name)));
    let client = row.source.local_client();
    let name = |name: Option<&str>| name.map(str::to_owned);
    let none = Details::default();
    let Details { client_names, refused, stated_peers, uids } =
        row.details.as_deref().unwrap_or(&none);
    SourceSummary {
        source: row.source.to_string(),
        unit: name(client.and_then(LocalClient::unit)),
        container: name(client.and_then(LocalClient::container)),
        cgroup: name(client.and_then(LocalClient::cgroup)),
        name: None,
        port: row.port,
        attempts: row.totals.attempts(),
        answers: row.totals.answers,
        first: to_rfc3339(row.totals.first),
        last: to_rfc3339(row.totals.last),
        protocols: row.protocols().map(Protocol::name).collect(),
        libraries,
        client_names: listed(client_names, |(name, attempts)| NameUse { name, attempts }),
        refused: listed(refused, |(command, attempts)| CommandUse { command, attempts }),
        stated_peers: listed(stated_peers, |(address, attempts)| AddressUse { address, attempts }),
        uids: listed(uids, |(uid, attempts)| UidUse { uid, attempts }),
        timeline: row.histogram.counts(aggregate.axis).collect(),
        address: row.source.address(),
        local_client: client.map(LocalClient::to_string),
    }
}

fn ports(aggregate: &Aggregate) -> Vec<PortSummary> {
    // For each port the number of sources, and how many of them had attempts in each step.
    let mut present: BTreeMap<Option<u16>, (u64, Histogram)> = BTreeMap::new();
    for (port, row) in &aggregate.ports {
        present.insert(*port, (row.evicted_sources, row.evicted_presence.clone()));
    }
    for row in &aggregate.rows {
        if let Some((sources, steps)) = present.get_mut(&row.port) {
            *sources += 1;
            steps.add_presence(&row.histogram);
        }
    }
    let ports = aggregate.ports.iter().zip(present.into_values());
    let port = |((port, row), (sources, steps)): ((&Option<u16>, &PortRow), (u64, Histogram))| {
        PortSummary {
            port: *port,
            sources,
            attempts: row.totals.attempts(),
            answers: row.totals.answers,
            first: to_rfc3339(row.totals.first),
            last: to_rfc3339(row.totals.last),
            timeline: row.histogram.counts(aggregate.axis).collect(),
            burn_down: steps.counts(aggregate.axis).collect(),
        }
    };
    ports.map(port).collect()
}

fn libraries(aggregate: &Aggregate) -> Vec<LibrarySummary> {
    let mut sources: BTreeMap<LibraryId, BTreeSet<&Source>> = BTreeMap::new();
    for row in &aggregate.rows {
        for (id, _) in row.libraries.iter() {
            sources.entry(id).or_default().insert(&row.source);
        }
    }
    let library = |(id, row): (LibraryId, &LibraryRow)| LibrarySummary {
        name: row.name.clone(),
        version: version(&row.version),
        sources: sources.get(&id).map_or(0, |sources| sources.len() as u64),
        attempts: row.totals.attempts(),
        first: to_rfc3339(row.totals.first),
        last: to_rfc3339(row.totals.last),
    };
    let mut libraries: Vec<LibrarySummary> = aggregate.libraries.iter().map(library).collect();
    libraries.sort_by(|one, other| {
        let by_attempts = other.attempts.cmp(&one.attempts);
        by_attempts.then_with(|| (&one.name, &one.version).cmp(&(&other.name, &other.version)))
    });
    libraries
}
