//! Open sessions that a guard is about to cut: only with a word from the operator.

use super::{connected, err, err_text};
use crate::args::{ApplyArgs, InstallerArgs};
use crate::bundle::GuardConfig;
use crate::error::Error;
use crate::os::sockets::Peer;
use crate::plan::{Plan, Step};
use crate::spec::Existing;
use std::io::{self, IsTerminal};

/// How many peers are named before the rest is counted.
const MOST: usize = 5;

/// Refuses a change that cuts sessions, unless `--cut-sessions` or somebody at the terminal allows it.
///
/// # Errors
/// Names the peers and the cure; nothing was changed yet.
pub(super) fn may_be_cut(
    args: &InstallerArgs,
    verb: &ApplyArgs,
    guard_config: &GuardConfig,
    plan: &Plan,
    peers: &[Peer],
) -> Result<(), Error> {
    let loads = plan.steps.iter().any(|step| matches!(step, Step::Rules { .. }));
    let cuts = loads && guard_config.existing == Existing::Cut && !peers.is_empty();
    if !cuts || verb.cut_sessions {
        return Ok(());
    }
    let attended = io::stdin().is_terminal() && io::stderr().is_terminal() && !args.json;
    if attended && is_allowed(peers) {
        return Ok(());
    }
    let cause = format!(
        "it would cut sessions that are open right now: {}; nothing was changed",
        named(peers).join(", ")
    );
    let cure = "allow it with --cut-sessions, or let them end by themselves: existing = \"keep\" \
                in [firewall]";
    Err(Error::new(format!("apply bundle {}", guard_config.bundle), cause).help(cure))
}

fn named(peers: &[Peer]) -> Vec<String> {
    let more = peers.len().saturating_sub(MOST);
    let more = (more > 0).then(|| format!("and {more} more"));
    peers.iter().take(MOST).map(connected).chain(more).collect()
}

/// Asks at the terminal; whatever is not a clear yes is a no.
fn is_allowed(peers: &[Peer]) -> bool {
    err!("these sessions are open from outside, and would be cut:");
    named(peers).iter().for_each(|peer| err!("  {peer}"));
    err_text("cut them? [y/N] ");
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}
