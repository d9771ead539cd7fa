//! A change under way: what it is to do, and what it did so far.

use super::rollback_journal::Journal;
use crate::firewall::Snapshot;
use crate::host::Host;
use crate::host::prepare::Target;
use crate::host::receipt::Receipt;
use crate::plan::Observed;
use crate::unit::Unit;

/// A change under way.
pub(super) struct Change<'a> {
    pub host: &'a Host,
    pub target: &'a Target,
    pub observed: &'a Observed,
    /// The receipt of what was applied before.
    pub before: Option<&'a Receipt>,
    /// The receipt of this change.
    pub receipt: Receipt,
    pub journal: Journal,
    /// The length of the journal when the intent was written. What follows changes the host.
    pub intent_length: usize,
    /// The kernel's rules before they were touched.
    pub kernel_rules: Option<Snapshot>,
    /// Whether rules may have been loaded, by their unit or by this process.
    pub rules_touched: bool,
    /// Units that were started or restarted; the others run on as they were.
    pub started: Vec<Unit>,
}
