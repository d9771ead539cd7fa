//! `redisguard-install`: one verb a file, each a pipeline that reads from top to bottom.

mod apply;
mod confirm;
mod confirm_cut;
mod input;
mod metrics;
mod notice;
mod output;
mod plan;
mod probe;
mod rehearse;
mod remove;
mod report;
mod revert;
mod rules;
mod status;

use super::output::{Status, err, exit_status, print_error};
use crate::args::{InstallerArgs, Verb};
use crate::host::Host;
use crate::os::deb::{PROGRAM, is_outdated};

/// Runs the command; every message is printed here or below.
pub fn run(args: &InstallerArgs) -> Status {
    let result = match &args.verb {
        Verb::Plan(_) => plan::run(args),
        Verb::Apply(verb) => apply::run(args, verb),
        Verb::Confirm => confirm::run(args),
        Verb::Revert(verb) => revert::run(args, verb),
        Verb::Status => status::run(args),
        Verb::Report(verb) => report::run(args, verb),
        Verb::Remove(verb) => remove::run(args, verb),
        Verb::Rehearse => rehearse::run(args),
        Verb::Probe(verb) => probe::run(args, verb),
        Verb::Metrics(verb) => metrics::run(args, verb),
        Verb::Rules(verb) => rules::run(args, verb),
        Verb::Notice(verb) => notice::run(args, verb),
    };
    let status = result.unwrap_or_else(|error| {
        print_error(&error);
        Status::Error
    });
    if !args.json && matches!(args.verb, Verb::Plan(_) | Verb::Apply(_) | Verb::Status) {
        note_newer_package(args);
    }
    exit_status(status, changes_host(&args.verb))
}

/// Whether a verb is run for what it does, and not for what it prints.
fn changes_host(verb: &Verb) -> bool {
    match verb {
        Verb::Plan(_) | Verb::Status | Verb::Rehearse | Verb::Probe(_) | Verb::Report(_) => false,
        Verb::Remove(verb) => !verb.dry_run,
        Verb::Metrics(verb) => verb.textfile.is_some(),
        Verb::Apply(_) | Verb::Confirm | Verb::Revert(_) | Verb::Rules(_) | Verb::Notice(_) => true,
    }
}

/// Notes that a package has brought another program: on the PATH, the installed one comes first.
fn note_newer_package(args: &InstallerArgs) {
    if Host::named(args.root.as_deref()).is_ok_and(|host| host.is_live()) && is_outdated() {
        err!("note: the package has another program, and this was not it: see `{PROGRAM} plan`");
    }
}
