//! A change under way: what it is to do, and what it did so far.

use super::rollback_journal::Journal;
use crate::firewall::Snapshot;
use crate::host::prepare::Prepared;
use crate::host::receipt::Receipt;
use crate::os::unit_jobs::Queued;
use crate::unit::Unit;

/// A change under way.
pub(super) struct Change<'a> {
    /// What it is to do.
    pub prepared: &'a Prepared<'a>,
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
    /// Units that were stopped, because the host is not expected to run them.
    pub stopped: Vec<Unit>,
    /// Those of the started ones that systemd starts later.
    pub queued: Vec<Queued>,
}
