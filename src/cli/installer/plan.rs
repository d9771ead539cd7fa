//! `plan`: what apply would change.

use super::input::{host, target};
use super::output::{NOW, show, show_users};
use crate::args::InstallerArgs;
use crate::cli::output::{Status, err, out};
use crate::error::Error;
use crate::host::change::apply::Applied;
use crate::host::change::confirm;
use crate::host::observe::Detail;
use crate::host::prepare::{Prepared, prepare};
use crate::plan::{StepView, local_ports};

pub(super) fn run(args: &InstallerArgs) -> Result<Status, Error> {
    let host = host(args)?;
    let target = target(&host, args)?;
    let prepared = prepare(&host, &target, Detail::Drift)?;
    refuse(&prepared)?;
    let guard_config = &target.guard_config;
    warn(&prepared);
    for note in prepared.notes() {
        err!("note: {note}");
    }
    let record = confirm::read(&host)?;
    let confirm_by = record.as_ref().map(|record| record.confirm_by.clone());
    let users = prepared.users();
    let plan = &prepared.plan;
    if plan.is_empty() && !args.json {
        out!("nothing to change: the host is as bundle {} says", guard_config.bundle);
        show_users(&users, NOW);
    } else {
        let heading = format!("apply would change this, for bundle {}:", guard_config.bundle);
        let queued = Vec::new();
        show(args, &prepared, users, Applied { confirm_by, queued }, &[], &heading);
    }
    if let Some(record) = record.filter(|_| !args.json) {
        out!("\n{}", record.sentence(&host));
    }
    Ok(if plan.is_empty() { Status::Same } else { Status::Differs })
}

/// Prints what an operator must know of the firewall that was chosen, then refuses a host that must be put
/// in order first.
pub(super) fn refuse(prepared: &Prepared<'_>) -> Result<(), Error> {
    if let Some(note) = prepared.note() {
        err!("note: {note}");
    }
    prepared.refuse()
}

/// Warns of a list of local reserved ports that cannot be written, of saved copies of redisguard's rules, and of
/// rules of others that keep outsiders from the notice: the ports are blocked all the same.
pub(super) fn warn(prepared: &Prepared<'_>) {
    let change = &prepared.observed.local_ports;
    if let Some(fault) = &change.fault {
        let views = local_ports(change).map(|step| step.view(|_, _, _| String::new()));
        for StepView { target, action, .. } in views {
            err!("warning: {target}: could not {action}: {fault}");
        }
        err!("  where this is a container, its host sets that list");
    }
    let guard_config = &prepared.target.guard_config;
    for saved in prepared.saved_rules() {
        let kind = if saved.is_note(Some(guard_config)) { "note" } else { "warning" };
        err!("{kind}: {}", indented(&saved.described(Some(guard_config))));
    }
    if let Some(obstacle) = prepared.obstacle() {
        err!("warning: {}", indented(&obstacle));
    }
}

/// A text whose lines after the first are indented.
pub(super) fn indented(text: &str) -> String {
    text.replace('\n', "\n  ")
}
