//! Asks before a change closes open connections from outside.

use super::output::connected;
use crate::args::{ApplyArgs, InstallerArgs};
use crate::bundle::GuardConfig;
use crate::cli::output::{err, print_to_stderr};
use crate::error::Error;
use crate::os::sockets::Peer;
use crate::plan::{Plan, Step};
use crate::spec::Existing;
use std::io::{self, IsTerminal};

/// How many peers are named; the others are counted.
const MAX_NAMED: usize = 5;

/// Refuses a change that closes open connections, unless `--cut-sessions` or the operator at the terminal
/// allows it.
///
/// # Errors
/// Names the peers and the fix; nothing was changed yet.
pub(super) fn allow(
    args: &InstallerArgs,
    verb: &ApplyArgs,
    guard_config: &GuardConfig,
    plan: &Plan,
    peers: &[Peer],
) -> Result<(), Error> {
    let loads = plan.steps.iter().any(|step| matches!(step, Step::LoadRules { .. }));
    let cuts = loads && guard_config.existing == Existing::Cut && !peers.is_empty();
    if !cuts || verb.cut_sessions {
        return Ok(());
    }
    let is_interactive = io::stdin().is_terminal() && io::stderr().is_terminal() && !args.json;
    if is_interactive && is_allowed(peers) {
        return Ok(());
    }
    let cause = format!(
        "it would cut sessions that are open right now: {}; nothing was changed",
        named(peers).join(", ")
    );
    let help = "allow it with --cut-sessions, or let them end by themselves: existing = \"keep\" \
                in [firewall]";
    Err(Error::new(format!("apply bundle {}", guard_config.bundle), cause).help(help))
}

fn named(peers: &[Peer]) -> Vec<String> {
    let more = peers.len().saturating_sub(MAX_NAMED);
    let more = (more > 0).then(|| format!("and {more} more"));
    peers.iter().take(MAX_NAMED).map(connected).chain(more).collect()
}

/// Asks at the terminal; anything but a clear yes is a no.
fn is_allowed(peers: &[Peer]) -> bool {
    err!("these sessions are open from outside, and would be cut:");
    named(peers).iter().for_each(|peer| err!("  {peer}"));
    print_to_stderr("cut them? [y/N] ");
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}
