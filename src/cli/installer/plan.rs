//! `plan`: what apply would change.

use super::input::opened;
use super::output::{NOW, show, show_users};
use crate::args::InstallerArgs;
use crate::bundle::GuardConfig;
use crate::cli::output::{Status, err, out};
use crate::error::Error;
use crate::host::change::confirm;
use crate::host::observe::Detail;
use crate::host::prepare::{Prepared, prepare, users};
use crate::plan::{Observed, StepView, local_ports};

pub(super) fn run(args: &InstallerArgs) -> Result<Status, Error> {
    let (host, target) = opened(args)?;
    let prepared = prepare(&host, &target, Detail::Drift)?;
    print_note(&prepared);
    prepared.refuse(&host)?;
    let guard_config = &target.guard_config;
    warn_of_local_ports(&prepared.observed);
    warn_of_obstacle(&prepared, guard_config);
    let record = confirm::read(&host)?;
    let confirm_by = record.as_ref().map(|record| record.confirm_by.clone());
    let users = users(&host, guard_config);
    let plan = &prepared.plan;
    if plan.is_empty() && !args.json {
        out!("nothing to change: the host is as bundle {} says", guard_config.bundle);
        show_users(&users, NOW);
    } else {
        let heading = format!("apply would change this, for bundle {}:", guard_config.bundle);
        show(args, guard_config, plan, users, confirm_by, &heading);
    }
    if let Some(record) = record.filter(|_| !args.json) {
        out!("\n{}", record.sentence(&host));
    }
    Ok(if plan.is_empty() { Status::Same } else { Status::Differs })
}

/// Prints what an operator must know of the firewall that was chosen.
pub(super) fn print_note(prepared: &Prepared) {
    if let Some(note) = prepared.note() {
        err!("note: {note}");
    }
}

/// Warns of rules of others that keep outsiders from the notice.
pub(super) fn warn_of_obstacle(prepared: &Prepared, guard_config: &GuardConfig) {
    if let Some(obstacle) = prepared.obstacle(guard_config) {
        err!("warning: {obstacle}");
    }
}

/// Warns of a list of local reserved ports that cannot be written: the ports are blocked all the same.
pub(super) fn warn_of_local_ports(observed: &Observed) {
    if let Some(fault) = &observed.local_ports_fault {
        let views = local_ports(observed).map(|step| step.view(|_, _, _| String::new()));
        for StepView { target, action, .. } in views {
            err!("warning: {target}: could not {action}: {fault}");
        }
        err!("  where this is a container, its host sets that list");
    }
}
