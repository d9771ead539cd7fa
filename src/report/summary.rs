//! Owns what is told of a census: sorted, cut to what was asked for, moments as text. Plain data, which
//! every form of the report is made of.

use super::aggregate::{Census, Lines, Row};
use super::record::{Answer, Moment, Protocol, Source};
use super::totals::{Answers, Count};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Everything that is told.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The host's own name, where it is known.
    pub host: Option<String>,
    /// The first attempt.
    pub first: Option<String>,
    /// The last attempt.
    pub last: Option<String>,
    /// How many there were, also of those that are not listed.
    pub attempts: u64,
    /// The same by answer.
    pub answers: Answers,
    /// How many sources there were; of those that are not told apart each port counts its own.
    pub sources: u64,
    /// Every source at every port, those with the most attempts first.
    pub knocks: Vec<Knocks>,
    /// What is not listed there.
    pub others: Others,
    /// Every port.
    pub ports: Vec<Port>,
    /// Every library, those with the most attempts first.
    pub libraries: Vec<Library>,
    /// How long a step is, in seconds.
    pub step_seconds: i64,
    /// All attempts by step.
    pub timeline: Vec<Step>,
    /// What the listener could not write.
    pub lost: Lost,
    /// What became of the lines.
    pub lines: Lines,
    /// What was read.
    pub logs: Vec<String>,
    /// Where the kernel's lines come from.
    pub kernel: Option<String>,
    /// What could not be read to its end, and why.
    pub incomplete: Vec<String>,
}

/// One source at one port.
#[derive(Clone, Debug, Serialize)]
pub struct Knocks {
    /// An address, a network or `others`.
    pub source: String,
    /// Its name, where that was asked for and is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The reserved port; null where the listener's counts name none.
    pub port: Option<u16>,
    /// How often.
    pub attempts: u64,
    /// How they were answered.
    pub answers: Answers,
    /// The first one.
    pub first: String,
    /// The last one.
    pub last: String,
    /// What was spoken with the listener.
    pub protocols: Vec<&'static str>,
    /// What the clients call themselves, those with the most attempts first.
    pub libraries: Vec<Used>,
    /// How often in each step; the sums of a port have room for that in JSON, each source has not.
    #[serde(skip)]
    pub timeline: Vec<u32>,
    /// The address to ask the name service for.
    #[serde(skip)]
    pub address: Option<IpAddr>,
}

/// A library that one source used.
#[derive(Clone, Debug, Serialize)]
pub struct Used {
    /// Its name.
    pub name: String,
    /// Its version, where it gave one.
    pub version: Option<String>,
    /// How often.
    pub attempts: u64,
}

/// What is not listed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Others {
    /// How many sources at ports.
    pub knocks: u64,
    /// Their attempts.
    pub attempts: u64,
    /// Attempts with libraries that are not told apart.
    pub libraries: u64,
    /// Attempts at ports that are not.
    pub ports: u64,
}

/// One port.
#[derive(Clone, Debug, Serialize)]
pub struct Port {
    /// The port; null for counts that name none.
    pub port: Option<u16>,
    /// How many sources came.
    pub sources: u64,
    /// How often.
    pub attempts: u64,
    /// How they were answered.
    pub answers: Answers,
    /// The first one.
    pub first: String,
    /// The last one.
    pub last: String,
    /// How often in each step.
    pub timeline: Vec<u32>,
    /// How many sources in each step: who still has to go.
    pub burn_down: Vec<u32>,
}

/// One library in one version.
#[derive(Clone, Debug, Serialize)]
pub struct Library {
    /// Its name.
    pub name: String,
    /// Its version, where it gave one.
    pub version: Option<String>,
    /// How many sources use it.
    pub sources: u64,
    /// How often.
    pub attempts: u64,
    /// The first one.
    pub first: String,
    /// The last one.
    pub last: String,
}

/// One step of the time line.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// When it begins.
    pub at: String,
    /// The attempts in it, by answer.
    pub answers: Answers,
}

/// What the listener could not write, by its own count.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Lost {
    /// Lines.
    pub lines: u64,
    /// Attempts.
    pub attempts: u64,
}

impl Serialize for Answers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(Answer::ALL.len()))?;
        for answer in Answer::ALL {
            map.serialize_entry(answer.name(), &self.of(answer))?;
        }
        map.end()
    }
}

/// A moment as text: RFC 3339, whole seconds, UTC.
pub fn moment(at: Moment) -> String {
    let at = jiff::Timestamp::from_second(at.div_euclid(1000));
    at.map_or_else(|_| String::new(), |at| at.to_string())
}

impl Summary {
    /// Tells of a census; lists the `top` heaviest.
    pub fn of(census: &Census, top: usize) -> Summary {
        let Count { answers, first, last } = census.total;
        let any = answers.sum() > 0;
        let mut rows: Vec<&Row> = census.rows.iter().collect();
        rows.sort_by_key(|row| (std::cmp::Reverse(row.count.answers.sum()), row.source, row.port));
        let (listed, left) = rows.split_at(rows.len().min(top));
        let (rest, rest_count) = &census.rest;
        let attempts_of = |rows: &[&Row]| {
            rows.iter().fold(0_u64, |sum, row| sum.saturating_add(row.count.answers.sum()))
        };
        let others = Others {
            knocks: rest + left.len() as u64,
            attempts: rest_count.answers.sum().saturating_add(attempts_of(left)),
            libraries: census.more_libraries,
            ports: census.more_ports,
        };
        let sources: BTreeSet<Source> = census.rows.iter().map(|row| row.source).collect();
        let steps = census.span.steps().enumerate().map(|(step, at)| {
            let mut answers = Answers::default();
            for answer in Answer::ALL {
                let history = &census.histories[answer as usize];
                let count = history.counts(census.span).nth(step).unwrap_or_default();
                answers.add(answer, u64::from(count));
            }
            Step { at: moment(at), answers }
        });
        Summary {
            host: None,
            first: any.then(|| moment(first)),
            last: any.then(|| moment(last)),
            attempts: answers.sum(),
            answers,
            sources: sources.len() as u64 + rest,
            knocks: listed.iter().map(|row| knocks(census, row)).collect(),
            others,
            ports: ports(census),
            libraries: libraries(census),
            step_seconds: census.span.width() / 1000,
            timeline: steps.collect(),
            lost: Lost { lines: census.lost.0, attempts: census.lost.1 },
            lines: census.lines,
            logs: Vec::new(),
            kernel: None,
            incomplete: Vec::new(),
        }
    }
}

fn version(version: &str) -> Option<String> {
    (!version.is_empty()).then(|| version.to_owned())
}

fn knocks(census: &Census, row: &Row) -> Knocks {
    let mut libraries: Vec<Used> = row
        .libraries
        .iter()
        .filter_map(|(number, attempts)| {
            let library = census.libraries.get(usize::from(*number))?;
            let (name, version) = (library.name.clone(), version(&library.version));
            Some(Used { name, version, attempts: *attempts })
        })
        .collect();
    libraries
        .sort_by(|one, other| other.attempts.cmp(&one.attempts).then(one.name.cmp(&other.name)));
    Knocks {
        source: row.source.to_string(),
        name: None,
        port: row.port,
        attempts: row.count.answers.sum(),
        answers: row.count.answers,
        first: moment(row.count.first),
        last: moment(row.count.last),
        protocols: row.protocols().map(Protocol::name).collect(),
        libraries,
        timeline: row.history.counts(census.span).collect(),
        address: row.source.address(),
    }
}

fn ports(census: &Census) -> Vec<Port> {
    let mut sources: BTreeMap<Option<u16>, (u64, Vec<u32>)> = BTreeMap::new();
    for row in &census.rows {
        let (count, steps) = sources.entry(row.port).or_default();
        *count += 1;
        steps.resize(census.span.steps().count(), 0);
        for (step, attempts) in steps.iter_mut().zip(row.history.counts(census.span)) {
            *step += u32::from(attempts > 0);
        }
    }
    let port = |(port, row): (&Option<u16>, &super::aggregate::PortRow)| {
        let (mut count, mut burn_down) = sources.remove(port).unwrap_or_default();
        let others: Vec<u32> = row.others.counts(census.span).collect();
        burn_down.resize(others.len(), 0);
        for (step, more) in burn_down.iter_mut().zip(&others) {
            *step = step.saturating_add(*more);
        }
        count += row.more_sources;
        Port {
            port: *port,
            sources: count,
            attempts: row.count.answers.sum(),
            answers: row.count.answers,
            first: moment(row.count.first),
            last: moment(row.count.last),
            timeline: row.history.counts(census.span).collect(),
            burn_down,
        }
    };
    census.ports.iter().map(port).collect()
}

fn libraries(census: &Census) -> Vec<Library> {
    let mut sources: BTreeMap<u16, BTreeSet<Source>> = BTreeMap::new();
    for row in &census.rows {
        for (number, _) in &row.libraries {
            sources.entry(*number).or_default().insert(row.source);
        }
    }
    let rows = (0_u16..).zip(&census.libraries);
    let mut libraries: Vec<Library> = rows
        .map(|(number, row)| Library {
            name: row.name.clone(),
            version: version(&row.version),
            sources: sources.get(&number).map_or(0, |sources| sources.len() as u64),
            attempts: row.count.answers.sum(),
            first: moment(row.count.first),
            last: moment(row.count.last),
        })
        .collect();
    libraries.sort_by(|one, other| {
        other
            .attempts
            .cmp(&one.attempts)
            .then((&one.name, &one.version).cmp(&(&other.name, &other.version)))
    });
    libraries
}
