//! Owns the counting of knocks, in bounded memory: who, where, with which library, when, and how that
//! was answered. Whatever is not told apart is counted all the same, so that sums are exact.

use super::histogram::{History, Span};
use super::record::{Answer, Fault, Knock, Library, Line, Moment, Protocol, Source};
use super::totals::Count;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// Sources, each with a port, that are told apart at once. Where there are more, those with the
/// fewest attempts share one count.
pub const MOST_ROWS: usize = 32_768;
/// Libraries, each with a version, that are told apart.
pub const MOST_LIBRARIES: usize = 4096;
/// Libraries that are told apart of one source and port.
const MOST_LIBRARIES_OF_ONE: usize = 4;
/// Ports that are told apart.
pub const MOST_PORTS: usize = 1024;

/// What is counted, and what is left out.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Nothing earlier.
    pub since: Moment,
    /// Nothing later: a clock was wrong.
    pub until: Moment,
    /// Only these ports; all where there are none.
    pub ports: Vec<u16>,
}

/// Before this nothing of ours was written: 2000-01-01.
const EARLIEST: Moment = 946_684_800_000;

/// One source at one port.
#[derive(Clone, Debug)]
pub struct Row {
    /// Who.
    pub source: Source,
    /// Where; `None` where the listener's counts name no port.
    pub port: Option<u16>,
    /// How often.
    pub count: Count,
    /// How often in each step.
    pub history: History,
    /// A bit for each of [`Protocol::ALL`] that was spoken.
    protocols: u8,
    /// Places in the census's list, and how many attempts each made.
    pub(super) libraries: Vec<(u16, u64)>,
}

impl Row {
    /// What was spoken.
    pub fn protocols(&self) -> impl Iterator<Item = Protocol> {
        let bits = self.protocols;
        Protocol::ALL.into_iter().filter(move |protocol| bits & (1 << *protocol as u8) != 0)
    }
}

/// One library in one version.
#[derive(Clone, Debug)]
pub struct LibraryRow {
    /// Its name.
    pub name: String,
    /// Its version; empty where it gave none.
    pub version: String,
    /// How often it came.
    pub count: Count,
}

impl LibraryRow {
    fn is(&self, library: &Library<'_>) -> bool {
        self.name == library.name && self.version == library.version
    }
}

/// One port, also of sources that are not told apart.
#[derive(Clone, Debug, Default)]
pub struct PortRow {
    /// How often.
    pub count: Count,
    /// How often in each step.
    pub history: History,
    /// How many sources were there in each step that are not told apart any more.
    pub(super) others: History,
    /// How many sources are not told apart any more; one that came back is two.
    pub(super) more_sources: u64,
}

/// What became of the lines that were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Lines {
    /// How many there were.
    pub read: u64,
    /// Counted.
    pub counted: u64,
    /// Before the time that was asked for, or about another port.
    pub outside: u64,
    /// Not ours.
    pub foreign: u64,
    /// Without their end.
    pub torn: u64,
    /// With something in them that ours never hold.
    pub malformed: u64,
    /// Without a time, or with one that cannot be.
    pub misdated: u64,
}

/// Everything that was counted.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// The axis of every history.
    pub span: Span,
    /// All attempts.
    pub total: Count,
    /// All attempts by answer and step.
    pub histories: [History; Answer::ALL.len()],
    /// Every source at every port that is told apart.
    pub rows: Vec<Row>,
    index: HashMap<(Source, Option<u16>), usize>,
    /// What those come to that are not, and how many they were; one that came back is two.
    pub rest: (u64, Count),
    /// Every library that is told apart.
    pub libraries: Vec<LibraryRow>,
    names: HashMap<(String, String), u16>,
    /// Attempts with a library that is not.
    pub more_libraries: u64,
    /// Every port that is told apart; `None` of counts that name none.
    pub ports: BTreeMap<Option<u16>, PortRow>,
    /// Attempts at ports that are not.
    pub more_ports: u64,
    /// Lines that the listener could not write, and their attempts.
    pub lost: (u64, u64),
    /// What became of the lines that were read.
    pub lines: Lines,
}

impl Census {
    /// Counts one line, or why it does not count.
    pub fn add(&mut self, line: Result<Line<'_>, Fault>, scope: &Scope) {
        self.lines.read += 1;
        let place = match line {
            Err(fault) => self.skipped(fault),
            Ok(Line::Knock(Knock { at, .. }) | Line::Lost { at, .. })
                if at < EARLIEST || at > scope.until =>
            {
                self.skipped(Fault::Misdated)
            }
            Ok(Line::Knock(Knock { at, .. }) | Line::Lost { at, .. }) if at < scope.since => {
                &mut self.lines.outside
            }
            Ok(Line::Lost { lines, attempts, .. }) => {
                self.lost.0 = self.lost.0.saturating_add(lines);
                self.lost.1 = self.lost.1.saturating_add(attempts);
                &mut self.lines.counted
            }
            Ok(Line::Knock(knock)) => {
                let here = |port: u16| scope.ports.contains(&port);
                if scope.ports.is_empty() || knock.port.is_some_and(here) {
                    self.count(&knock);
                    &mut self.lines.counted
                } else {
                    &mut self.lines.outside
                }
            }
        };
        *place += 1;
    }

    fn skipped(&mut self, fault: Fault) -> &mut u64 {
        match fault {
            Fault::Foreign => &mut self.lines.foreign,
            Fault::Torn => &mut self.lines.torn,
            Fault::Malformed => &mut self.lines.malformed,
            Fault::Misdated => &mut self.lines.misdated,
        }
    }

    fn count(&mut self, knock: &Knock<'_>) {
        let place = match self.span.place(knock.at) {
            Some(place) => place,
            None => {
                self.refit(self.span.with(knock.at));
                let Some(place) = self.span.place(knock.at) else { return };
                place
            }
        };
        let attempts = knock.attempts;
        self.total.add(knock);
        self.histories[knock.answer as usize].add(place, attempts);
        let port = self.port(knock.port);
        match port {
            Some(port) => {
                port.count.add(knock);
                port.history.add(place, attempts);
            }
            None => self.more_ports = self.more_ports.saturating_add(attempts),
        }
        let row = self.row(knock.source, knock.port);
        let row = &mut self.rows[row];
        row.count.add(knock);
        row.history.add(place, attempts);
        if let Some(protocol) = knock.protocol {
            row.protocols |= 1 << protocol as u8;
        }
        if let Some(library) = &knock.library {
            // Nearly always one that the same source has used before.
            let used = row.libraries.iter().map(|(number, _)| *number);
            let same =
                used.into_iter().find(|number| self.libraries[usize::from(*number)].is(library));
            let number = same.or_else(|| numbered(&mut self.names, row, library));
            match number {
                Some(number) => {
                    note(&mut row.libraries, number, attempts);
                    if usize::from(number) == self.libraries.len() {
                        let (name, version) =
                            (library.name.to_string(), library.version.to_string());
                        self.libraries.push(LibraryRow { name, version, count: Count::default() });
                    }
                    self.libraries[usize::from(number)].count.add(knock);
                }
                None => self.more_libraries = self.more_libraries.saturating_add(attempts),
            }
        }
    }

    fn port(&mut self, port: Option<u16>) -> Option<&mut PortRow> {
        let room = self.ports.len() < MOST_PORTS;
        match self.ports.entry(port) {
            std::collections::btree_map::Entry::Occupied(entry) => Some(entry.into_mut()),
            std::collections::btree_map::Entry::Vacant(entry) => {
                room.then(|| entry.insert(PortRow::default()))
            }
        }
    }

    fn row(&mut self, source: Source, port: Option<u16>) -> usize {
        if let Some(row) = self.index.get(&(source, port)) {
            return *row;
        }
        if self.rows.len() >= MOST_ROWS {
            self.make_room(MOST_ROWS / 2);
        }
        let (count, history) = (Count::default(), History::default());
        self.rows.push(Row { source, port, count, history, protocols: 0, libraries: Vec::new() });
        self.index.insert((source, port), self.rows.len() - 1);
        self.rows.len() - 1
    }

    /// Lets all but the heaviest `most` rows go into the rest.
    fn make_room(&mut self, most: usize) {
        let attempts = |row: &Row| std::cmp::Reverse(row.count.answers.sum());
        self.rows.select_nth_unstable_by_key(most, attempts);
        for row in self.rows.split_off(most) {
            self.rest.0 += 1;
            self.rest.1.merge(&row.count);
            if let Some(port) = self.ports.get_mut(&row.port) {
                port.others.note_presence(&row.history);
                port.more_sources += 1;
            }
        }
        self.index.clear();
        let rows = self.rows.iter().enumerate();
        self.index.extend(rows.map(|(place, row)| ((row.source, row.port), place)));
    }

    fn refit(&mut self, to: Span) {
        let from = self.span;
        let rows = self.rows.iter_mut().map(|row| &mut row.history);
        let ports = self.ports.values_mut().flat_map(|port| [&mut port.history, &mut port.others]);
        self.histories.iter_mut().chain(rows).chain(ports).for_each(|one| one.refit(from, to));
        self.span = to;
    }

    /// Adds what another census of the same scope has counted.
    pub fn merge(&mut self, mut other: Census) {
        let span = self.span.and(other.span);
        self.refit(span);
        other.refit(span);
        self.total.merge(&other.total);
        for (own, others) in self.histories.iter_mut().zip(&other.histories) {
            own.merge(others);
        }
        for (port, others) in other.ports {
            let sum = others.count.answers.sum();
            match self.port(port) {
                Some(own) => {
                    own.count.merge(&others.count);
                    own.history.merge(&others.history);
                    own.others.merge(&others.others);
                    own.more_sources += others.more_sources;
                }
                None => self.more_ports = self.more_ports.saturating_add(sum),
            }
        }
        let numbers = self.merge_libraries(&other.libraries);
        for others in other.rows {
            let row = self.row(others.source, others.port);
            let row = &mut self.rows[row];
            row.count.merge(&others.count);
            row.history.merge(&others.history);
            row.protocols |= others.protocols;
            for (number, attempts) in others.libraries {
                if let Some(number) = numbers[usize::from(number)] {
                    note(&mut row.libraries, number, attempts);
                }
            }
        }
        self.rest.0 += other.rest.0;
        self.rest.1.merge(&other.rest.1);
        let Lines { read, counted, outside, foreign, torn, malformed, misdated } = other.lines;
        for (own, others) in [
            (&mut self.more_libraries, other.more_libraries),
            (&mut self.more_ports, other.more_ports),
            (&mut self.lost.0, other.lost.0),
            (&mut self.lost.1, other.lost.1),
            (&mut self.lines.read, read),
            (&mut self.lines.counted, counted),
            (&mut self.lines.outside, outside),
            (&mut self.lines.foreign, foreign),
            (&mut self.lines.torn, torn),
            (&mut self.lines.malformed, malformed),
            (&mut self.lines.misdated, misdated),
        ] {
            *own = own.saturating_add(others);
        }
    }

    /// The number of each of another census's libraries in this one.
    fn merge_libraries(&mut self, others: &[LibraryRow]) -> Vec<Option<u16>> {
        let mut numbers = Vec::with_capacity(others.len());
        for LibraryRow { name, version, count } in others {
            let next = self.libraries.len();
            let key = (name.clone(), version.clone());
            let number = self.names.get(&key).copied().or_else(|| {
                let next = u16::try_from(next).ok().filter(|_| next < MOST_LIBRARIES)?;
                self.names.insert(key.clone(), next);
                let (name, version) = key;
                self.libraries.push(LibraryRow { name, version, count: Count::default() });
                Some(next)
            });
            match number {
                Some(number) => self.libraries[usize::from(number)].count.merge(count),
                None => {
                    self.more_libraries = self.more_libraries.saturating_add(count.answers.sum());
                }
            }
            numbers.push(number);
        }
        numbers
    }
}

/// The number of a library; a new one where there is room, of which no source gets more than a few.
fn numbered(
    names: &mut HashMap<(String, String), u16>,
    row: &Row,
    library: &Library<'_>,
) -> Option<u16> {
    let known = names.len();
    let key = (library.name.to_string(), library.version.to_string());
    let room = row.libraries.len() < MOST_LIBRARIES_OF_ONE && known < MOST_LIBRARIES;
    match names.entry(key) {
        std::collections::hash_map::Entry::Occupied(entry) => Some(*entry.get()),
        std::collections::hash_map::Entry::Vacant(entry) => {
            let next = u16::try_from(known).ok().filter(|_| room)?;
            Some(*entry.insert(next))
        }
    }
}

/// Adds to the attempts that one source made with a library, where it is told apart.
fn note(libraries: &mut Vec<(u16, u64)>, number: u16, attempts: u64) {
    if let Some((_, count)) = libraries.iter_mut().find(|(known, _)| *known == number) {
        *count = count.saturating_add(attempts);
    } else if libraries.len() < MOST_LIBRARIES_OF_ONE {
        libraries.push((number, attempts));
    }
}

#[cfg(test)]
#[path = "aggregate_tests.rs"]
mod tests;
