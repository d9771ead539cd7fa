//! Counts connection attempts by source, port, library, answer and time.
//!
//! Guarantees: memory is bounded, whatever the logs hold; sums are exact, because attempts beyond the
//! bounds are counted together instead of separately.

mod details;
mod libraries;
mod probes;
mod top_values;

pub use self::details::{Details, MAX_STATED_PEERS, MAX_VALUES};
pub use self::libraries::{Libraries, LibrariesUsed, LibraryId, LibraryRow, MAX_LIBRARIES};
pub use self::probes::Probes;
pub use self::top_values::TopValues;

use super::histogram::{Histogram, TimeAxis};
use super::line_counts::LineCounts;
use super::record::{
    AnswerKind, Attempt, Line, LostLines, Protocol, SkipReason, Skipped, UnixMillis,
};
use super::source::Source;
use super::totals::Totals;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::collections::btree_map::{BTreeMap, Entry};

/// How many sources, each with a port, are counted separately. Beyond that, those with the fewest attempts
/// are counted together.
pub const MAX_ROWS: usize = 32_768;
/// How many ports are counted separately.
pub const MAX_PORTS: usize = 1024;

/// Which attempts are counted.
#[derive(Clone, Debug)]
pub struct Filter {
    /// None earlier.
    pub since: UnixMillis,
    /// None later: a clock was wrong.
    pub until: UnixMillis,
    /// Only those at these ports; at all ports if it is empty.
    pub ports: Vec<u16>,
}

/// 2000-01-01: redisguard wrote no line before. An earlier timestamp comes from a clock that was not set.
const EARLIEST: UnixMillis = 946_684_800_000;

/// One source at one port.
#[derive(Clone, Debug)]
pub struct Row {
    /// The source.
    pub source: Source<'static>,
    /// The reserved port; `None` where the listener's counts name no port.
    pub port: Option<u16>,
    /// Its attempts.
    pub totals: Totals,
    /// Its attempts in each step.
    pub histogram: Histogram,
    /// A bit for each of [`Protocol::ALL`] that the source used.
    protocols: u16,
    /// The libraries that the source used.
    pub libraries: LibrariesUsed,
    /// What its clients said about themselves; `None` if no line says anything, as those of the kernel and of
    /// version 0.1.
    pub details: Option<Box<Details>>,
}

impl Row {
    fn new(source: Source<'static>, port: Option<u16>) -> Row {
        let (totals, histogram) = (Totals::default(), Histogram::default());
        let libraries = LibrariesUsed::default();
        Row { source, port, totals, histogram, protocols: 0, libraries, details: None }
    }

    /// The protocols that the source used.
    pub fn protocols(&self) -> impl Iterator<Item = Protocol> {
        let bits = self.protocols;
        Protocol::ALL.into_iter().filter(move |protocol| bits & (1 << *protocol as u8) != 0)
    }
}

/// One port, with the attempts of evicted rows.
#[derive(Clone, Debug, Default)]
pub struct PortRow {
    /// Its attempts.
    pub totals: Totals,
    /// Its attempts in each step.
    pub histogram: Histogram,
    /// How many of the evicted sources were there in each step.
    pub evicted_presence: Histogram,
    /// How many sources were evicted; one that came back is counted twice.
    pub evicted_sources: u64,
}

/// Rows that were evicted to bound memory, counted together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evicted {
    /// How many rows; a source that came back is counted twice.
    pub rows: u64,
    /// Their attempts.
    pub totals: Totals,
}

/// All counts.
#[derive(Clone, Debug, Default)]
pub struct Aggregate {
    /// The axis of every histogram.
    pub axis: TimeAxis,
    /// All attempts.
    pub totals: Totals,
    /// All attempts in each step, by answer.
    pub histograms: [Histogram; AnswerKind::ALL.len()],
    /// Every source at every port that is counted separately, in no order.
    pub rows: Vec<Row>,
    /// The places of `rows`.
    index: HashMap<(Source<'static>, Option<u16>), usize>,
    /// The rows that are not counted separately any more.
    pub evicted: Evicted,
    /// The libraries.
    pub libraries: Libraries,
    /// Every port that is counted separately; `None` is for counts that name no port.
    pub ports: BTreeMap<Option<u16>, PortRow>,
    /// The attempts at ports beyond [`MAX_PORTS`].
    pub port_overflow: u64,
    /// The probes, which nothing else here counts.
    pub probes: Probes,
    /// The lines that the listener could not write.
    pub lost: LostLines,
    /// The lines that were counted and skipped.
    pub lines: LineCounts,
    /// The attempts whose time is not known.
    pub undated: u64,
    /// The lines that may be about attempts that are asked for, and cannot be counted: the kernel's, and those from
    /// a clock that was wrong.
    pub uncounted: u64,
}

impl Aggregate {
    /// Counts one line, or the reason why it is skipped; that reason, if the line may have been about an attempt
    /// that the filter asks for.
    pub fn add(&mut self, line: Result<Line<'_>, Skipped>, filter: &Filter) -> Option<SkipReason> {
        self.lines.read += 1;
        match line {
            Err(skipped) => self.skip(skipped, filter),
            Ok(Line::Lost { at, lost }) => {
                if let Some(unwanted) = self.at_unwanted_time(at, filter) {
                    return unwanted;
                }
                self.add_lost(lost);
                self.lines.counted += 1;
                None
            }
            Ok(Line::Attempt(attempt)) => {
                if let Some(unwanted) = self.at_unwanted_time(attempt.at, filter) {
                    return unwanted;
                }
                self.attempt(&attempt, filter, Self::count, Probes::add)
            }
            // Whether it was in the time that is asked for is not known.
            Ok(Line::Undated(_)) if filter.since > EARLIEST => {
                self.skip(Skipped::of_kernel(SkipReason::Misdated), filter)
            }
            Ok(Line::Undated(attempt)) => {
                self.attempt(&attempt, filter, Self::count_undated, Probes::add_undated)
            }
        }
    }

    /// Counts a line that another log of the kernel has, too.
    pub fn add_repeated(&mut self) {
        self.lines.read += 1;
        self.lines.repeated += 1;
    }

    fn attempt(
        &mut self,
        attempt: &Attempt<'_>,
        filter: &Filter,
        count: fn(&mut Self, &Attempt<'_>),
        count_probe: fn(&mut Probes, &Attempt<'_>),
    ) -> Option<SkipReason> {
        let is_wanted = |port| filter.ports.contains(&port);
        if !filter.ports.is_empty() && !attempt.port.is_some_and(is_wanted) {
            self.lines.outside += 1;
            return None;
        }
        match attempt.is_probe {
            true => count_probe(&mut self.probes, attempt),
            false => count(self, attempt),
        }
        self.lines.counted += 1;
        None
    }

    /// Skips a line with a time that is not asked for, or that cannot be.
    fn at_unwanted_time(&mut self, at: UnixMillis, filter: &Filter) -> Option<Option<SkipReason>> {
        let reason = match at {
            ..EARLIEST => SkipReason::Misdated,
            _ if at > filter.until => SkipReason::Future,
            _ if at < filter.since => {
                self.lines.outside += 1;
                return Some(None);
            }
            _ => return None,
        };
        self.uncounted += 1;
        self.lines.skip(reason);
        Some(Some(reason))
    }

    fn skip(&mut self, skipped: Skipped, filter: &Filter) -> Option<SkipReason> {
        let Skipped { reason, at, is_kernel } = skipped;
        if reason == SkipReason::Foreign {
            self.lines.foreign += 1;
            return None;
        }
        if at.is_some_and(|at| (EARLIEST..filter.since).contains(&at)) {
            self.lines.outside += 1;
            return None;
        }
        self.uncounted += u64::from(is_kernel);
        self.lines.skip(reason);
        Some(reason)
    }

    fn add_lost(&mut self, LostLines { lines, attempts }: LostLines) {
        self.lost.lines = self.lost.lines.saturating_add(lines);
        self.lost.attempts = self.lost.attempts.saturating_add(attempts);
    }

    /// Counts an attempt whose time is not known: everywhere but on the time axis.
    fn count_undated(&mut self, attempt: &Attempt<'_>) {
        self.undated = self.undated.saturating_add(attempt.attempts);
        self.totals.add_undated(attempt);
        match self.port(attempt.port) {
            Some(port) => port.totals.add_undated(attempt),
            None => self.port_overflow = self.port_overflow.saturating_add(attempt.attempts),
        }
        let row = self.row(attempt.source.clone(), attempt.port);
        self.rows[row].totals.add_undated(attempt);
    }

    fn count(&mut self, attempt: &Attempt<'_>) {
        if self.axis.covered_step(attempt.at).is_none() {
            self.rescale(self.axis.widened_to(attempt.at));
        }
        // The widest axis covers 128 steps of 336 days: 117 years, more than a real filter lets in.
        let Some(step) = self.axis.covered_step(attempt.at) else { return };
        let attempts = attempt.attempts;
        self.totals.add(attempt);
        self.histograms[attempt.answer as usize].add(step, attempts);
        match self.port(attempt.port) {
            Some(port) => {
                port.totals.add(attempt);
                port.histogram.add(step, attempts);
            }
            None => self.port_overflow = self.port_overflow.saturating_add(attempts),
        }
        let row = self.row(attempt.source.clone(), attempt.port);
        let row = &mut self.rows[row];
        row.totals.add(attempt);
        row.histogram.add(step, attempts);
        if let Some(protocol) = attempt.protocol {
            row.protocols |= 1 << protocol as u8;
        }
        if let Some(library) = &attempt.library {
            self.libraries.add(attempt, library, &mut row.libraries);
        }
        if !attempt.details.is_empty() {
            row.details.get_or_insert_default().add(&attempt.details, attempts);
        }
    }

    /// The row of a port; `None` beyond [`MAX_PORTS`].
    fn port(&mut self, port: Option<u16>) -> Option<&mut PortRow> {
        let has_room = self.ports.len() < MAX_PORTS;
        match self.ports.entry(port) {
            Entry::Occupied(entry) => Some(entry.into_mut()),
            Entry::Vacant(entry) => has_room.then(|| entry.insert(PortRow::default())),
        }
    }

    /// The place of a source's row at a port; others are evicted if there is no room for it.
    fn row<'a>(&mut self, source: Source<'a>, port: Option<u16>) -> usize {
        // With the lifetime of the name in the line, so that nothing is allocated for a known source.
        let (index, key): (&HashMap<(Source<'a>, _), _>, _) = (&self.index, (source, port));
        if let Some(place) = index.get(&key) {
            return *place;
        }
        if self.rows.len() >= MAX_ROWS {
            // Half of them at once, so that the sorting is paid for by many new rows.
            self.evict_all_but(MAX_ROWS / 2);
        }
        let place = self.rows.len();
        let source = key.0.into_owned();
        self.rows.push(Row::new(source.clone(), port));
        self.index.insert((source, port), place);
        place
    }

    /// Evicts all but the `kept` rows with the most attempts.
    fn evict_all_but(&mut self, kept: usize) {
        self.rows.select_nth_unstable_by_key(kept, |row| Reverse(row.totals.attempts()));
        for row in self.rows.split_off(kept) {
            self.evicted.rows += 1;
            self.evicted.totals.merge(&row.totals);
            if let Some(port) = self.ports.get_mut(&row.port) {
                port.evicted_presence.add_presence(&row.histogram);
                port.evicted_sources += 1;
            }
        }
        self.index.clear();
        let rows = self.rows.iter().enumerate();
        self.index.extend(rows.map(|(place, row)| ((row.source.clone(), row.port), place)));
    }

    /// Moves every histogram to another axis, which covers the present one.
    fn rescale(&mut self, to: TimeAxis) {
        let from = self.axis;
        let rows = self.rows.iter_mut().map(|row| &mut row.histogram);
        let ports = self.ports.values_mut();
        let ports = ports.flat_map(|port| [&mut port.histogram, &mut port.evicted_presence]);
        let all = self.histograms.iter_mut().chain(rows).chain(ports);
        all.for_each(|histogram| histogram.rescale(from, to));
        self.axis = to;
    }

    /// Adds the counts of another aggregate with the same filter.
    pub fn merge(&mut self, mut other: Aggregate) {
        let axis = self.axis.union(other.axis);
        self.rescale(axis);
        other.rescale(axis);
        self.totals.merge(&other.totals);
        for (own, other) in self.histograms.iter_mut().zip(&other.histograms) {
            own.merge(other);
        }
        for (port, other) in other.ports {
            match self.port(port) {
                Some(own) => {
                    own.totals.merge(&other.totals);
                    own.histogram.merge(&other.histogram);
                    own.evicted_presence.merge(&other.evicted_presence);
                    own.evicted_sources += other.evicted_sources;
                }
                None => {
                    let attempts = other.totals.attempts();
                    self.port_overflow = self.port_overflow.saturating_add(attempts);
                }
            }
        }
        let library_ids = self.libraries.merge(other.libraries);
        for other in other.rows {
            let row = self.row(other.source, other.port);
            let row = &mut self.rows[row];
            row.totals.merge(&other.totals);
            row.histogram.merge(&other.histogram);
            row.protocols |= other.protocols;
            row.libraries.merge(&other.libraries, &library_ids);
            if let Some(details) = other.details {
                row.details.get_or_insert_default().merge(*details);
            }
        }
        self.evicted.rows += other.evicted.rows;
        self.evicted.totals.merge(&other.evicted.totals);
        self.port_overflow = self.port_overflow.saturating_add(other.port_overflow);
        self.probes.merge(other.probes);
        self.add_lost(other.lost);
        self.lines.merge(&other.lines);
        self.undated = self.undated.saturating_add(other.undated);
        self.uncounted += other.uncounted;
    }
}

#[cfg(test)]
mod tests;
