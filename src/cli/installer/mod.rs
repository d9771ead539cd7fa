//! `redisguard-install`: one verb per file, each a pipeline that reads from top to bottom.

mod apply;
mod confirm;
mod confirm_cut;
pub(super) mod examples;
mod metrics;
mod notice;
mod plan;
mod probe;
mod rehearse;
mod remove;
mod report;
mod revert;
mod rules;
mod status;

use super::{
    Status, coloured, ended, err, err_text, is_unheard, out, out_text, report, unified_diff,
};
use crate::args::{InstallerArgs, Verb};
use crate::bundle::{Bundle, GuardConfig};
use crate::error::Error;
use crate::host;
use crate::host::Host;
use crate::host::lock::Lock;
use crate::os::sockets::{Listener, Peer, PortUsage};
use crate::plan::{Plan, StepView};
use serde::Serialize;
use std::io;

/// Runs the command; every message is printed here.
pub fn run(args: &InstallerArgs) -> Status {
    let result = match &args.verb {
        Verb::Plan => plan::run(args),
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
    let status = result.unwrap_or_else(|trouble| {
        report(&trouble);
        Status::Trouble
    });
    if !args.json && matches!(args.verb, Verb::Plan | Verb::Apply(_) | Verb::Status) {
        tell_of_the_package(args);
    }
    ended(status, changes(&args.verb))
}

/// Whether a verb is there for what it does, and not for what it says.
fn changes(verb: &Verb) -> bool {
    match verb {
        Verb::Plan | Verb::Status | Verb::Rehearse | Verb::Probe(_) | Verb::Report(_) => false,
        Verb::Remove(verb) => !verb.dry_run,
        Verb::Metrics(verb) => verb.textfile.is_some(),
        Verb::Apply(_) | Verb::Confirm | Verb::Revert(_) | Verb::Rules(_) | Verb::Notice(_) => true,
    }
}

/// Whoever types this program's name gets the installed one, also after a package has brought another.
fn tell_of_the_package(args: &InstallerArgs) {
    use crate::os::deb::{PROGRAM, is_outdated};
    if Host::at(&args.root).is_ok_and(|host| host.is_live()) && is_outdated() {
        err!("note: the package has another program, and this was not it: see `{PROGRAM} plan`");
    }
}

/// The host and the bundle that the options name, and the bundle's guard config.
fn inputs(args: &InstallerArgs) -> Result<(Host, Bundle, GuardConfig), Error> {
    let host = Host::at(&args.root)?;
    let bundle = host::bundle_source::bundle(args.bundle.as_deref())?;
    let guard_config = host::rules_service::guard_config(&bundle)?;
    Ok((host, bundle, guard_config))
}

/// Locks the host, and says so where that takes waiting.
fn locked(host: &Host) -> Result<Lock, Error> {
    host::lock::take(host, || err!("waiting for another redisguard-install to end"))
}

/// What plan, apply and remove print with --json.
#[derive(Default, Serialize)]
struct Steps<'a> {
    changed: bool,
    bundle: &'a str,
    steps: Vec<StepView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    peers: Vec<Peer>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    listeners: Vec<Listener>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirm_by: Option<String>,
}

fn views(plan: &Plan) -> Vec<StepView> {
    plan.steps.iter().map(|step| step.view(unified_diff::unified)).collect()
}

const NOW: &str = "right now";

/// Shows a plan: as one JSON object, or as text in the given tense.
fn show(
    args: &InstallerArgs,
    guard_config: &GuardConfig,
    plan: &Plan,
    users: PortUsage,
    confirm_by: Option<String>,
    heading: &str,
) {
    let mut steps = views(plan);
    if args.json {
        let PortUsage { listeners, peers } = users;
        let (changed, bundle) = (!plan.is_empty(), guard_config.bundle.as_str());
        print_json(&Steps { changed, bundle, steps, peers, listeners, confirm_by });
        return;
    }
    let mut when = NOW;
    if matches!(args.verb, Verb::Apply(_)) {
        when = "when this began";
        // What is new was reviewed, and what was lost was shown before it was.
        steps.iter_mut().for_each(|step| step.diff = None);
    }
    out!("{heading}");
    show_steps(&steps);
    show_users(&users, when);
}

fn show_users(PortUsage { listeners, peers }: &PortUsage, when: &str) {
    show_some(&format!("listening on a reserved port {when}:"), listeners, listening);
    let heading = format!("connected to a reserved port from outside {when}:");
    show_some(&heading, peers, connected);
}

fn listening(listener: &Listener) -> String {
    let Listener { port, address, .. } = listener;
    match (&listener.program, listener.pid) {
        (Some(program), Some(pid)) => format!("port {port} on {address}: {program} (pid {pid})"),
        _ => format!("port {port} on {address}"),
    }
}

fn connected(peer: &Peer) -> String {
    format!("port {} from {}", peer.port, peer.address)
}

/// Shows the first of what may be thousands.
fn show_some<T>(heading: &str, all: &[T], line: impl Fn(&T) -> String) {
    const MOST: usize = 20;
    if !all.is_empty() {
        out!("\n{heading}");
    }
    for one in all.iter().take(MOST) {
        out!("  {}", line(one));
    }
    if all.len() > MOST {
        out!("  and {} more: --json names them all", all.len() - MOST);
    }
}

/// Shows what a plan will overwrite or remove, before that is done.
fn show_losses(plan: &Plan) {
    let colour = coloured(&io::stdout());
    let losses = views(plan).into_iter().filter(|step| step.action != "create");
    for diff in losses.filter_map(|step| step.diff) {
        out!("{}\n", shortened(&diff, colour));
    }
}

fn show_steps(steps: &[StepView]) {
    for step in steps {
        out!("  {:<8} {}: {}", step.kind, step.target, step.action);
    }
    let colour = coloured(&io::stdout());
    for text in steps.iter().filter_map(|step| step.diff.as_deref()) {
        out!("\n{}", shortened(text, colour));
    }
}

/// A diff that a person can read: of a longer one its beginning, and how much is left.
fn shortened(text: &str, colour: bool) -> String {
    const MOST: usize = 200;
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let shown = unified_diff::painted(&lines[..lines.len().min(MOST)].join("\n"), colour);
    match lines.len().saturating_sub(MOST) {
        0 => shown.trim_end().to_owned(),
        more => format!("{}\n({more} lines more: `plan --json` has all of them)", shown.trim_end()),
    }
}

fn print_json(value: &impl Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => out!("{text}"),
        Err(error) => report(&Error::new("write the answer as JSON", error)),
    }
}
