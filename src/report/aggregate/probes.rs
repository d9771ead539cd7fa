//! The attempts of probes: how many, and from where.

use super::top_values::TopValues;
use crate::report::record::Attempt;
use crate::report::source::Source;
use crate::report::totals::Totals;

/// How many of their sources are kept.
pub const MAX_SOURCES: usize = 8;

/// All probes. They come from the few networks that the TOML names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probes {
    /// Their attempts.
    pub totals: Totals,
    /// Those with the most attempts.
    pub sources: TopValues<Source<'static>, MAX_SOURCES>,
}

impl Probes {
    pub(super) fn add(&mut self, attempt: &Attempt<'_>) {
        self.totals.add(attempt);
        self.add_source(attempt);
    }

    /// Adds attempts whose time is not known.
    pub(super) fn add_undated(&mut self, attempt: &Attempt<'_>) {
        self.totals.add_undated(attempt);
        self.add_source(attempt);
    }

    fn add_source(&mut self, attempt: &Attempt<'_>) {
        self.sources.add(attempt.source.clone().into_owned(), attempt.attempts);
    }

    pub(super) fn merge(&mut self, other: Probes) {
        self.totals.merge(&other.totals);
        self.sources.merge(other.sources);
    }
}
