//! The form in which totals are kept on disk. Version 0.1 reads it, too, when a host goes back to it.
//!
//! 0.1 knows the counters of the tables filter and nat, and counts those of mangle as filter's. So filter's contain
//! mangle's here, which are also listed apart. A file that 0.1 wrote has no such list, and its rules count
//! nothing in mangle.

use super::{CounterTotals, Counts, add};
use serde::{Deserialize, Serialize};

const APART: &str = "mangle ";
const WITHIN: &str = "filter ";

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Totals {
    since: String,
    boot: String,
    gone: Counts,
    seen: Counts,
    leaving: Counts,
    /// The part of `seen` that is mangle's, by `FAMILY PORTS`.
    #[serde(default)]
    mangle_seen: Counts,
    /// The part of `leaving` that is mangle's.
    #[serde(default)]
    mangle_leaving: Counts,
}

impl From<CounterTotals> for Totals {
    fn from(totals: CounterTotals) -> Self {
        let CounterTotals { since, boot, gone, current, leaving } = totals;
        let (seen, mangle_seen) = joined(current);
        let (leaving, mangle_leaving) = joined(leaving);
        Self { since, boot, gone, seen, leaving, mangle_seen, mangle_leaving }
    }
}

impl From<Totals> for CounterTotals {
    fn from(stored: Totals) -> Self {
        let Totals { since, boot, gone, seen, leaving, mangle_seen, mangle_leaving } = stored;
        let current = parted(seen, mangle_seen);
        Self { since, boot, gone, current, leaving: parted(leaving, mangle_leaving) }
    }
}

/// The counts with mangle's added to filter's, and mangle's.
fn joined(counts: Counts) -> (Counts, Counts) {
    let (mut all, mut mangle) = (Counts::new(), Counts::new());
    for (key, count) in counts {
        match key.strip_prefix(APART) {
            Some(rest) => {
                add(&mut all, &format!("{WITHIN}{rest}"), count);
                mangle.insert(rest.to_owned(), count);
            }
            None => add(&mut all, &key, count),
        }
    }
    (all, mangle)
}

/// The counts of each table of its own again.
fn parted(mut all: Counts, mangle: Counts) -> Counts {
    for (rest, (packets, bytes)) in mangle {
        if let Some(filter) = all.get_mut(&format!("{WITHIN}{rest}")) {
            *filter = (filter.0.saturating_sub(packets), filter.1.saturating_sub(bytes));
        }
        all.insert(format!("{APART}{rest}"), (packets, bytes));
    }
    all.retain(|_, count| *count != (0, 0));
    all
}
