//! `redisguard-install`: one verb per file, each a pipeline that reads from top to bottom.

mod apply;
mod findings;
mod notice;
mod plan;
mod rehearse;
mod remove;
mod rules;
mod status;

use super::{Status, coloured, diff, report, say};
use crate::args::{InstallerArgs, Verb};
use crate::bundle::{Bundle, Facts};
use crate::error::Trouble;
use crate::host::lock::Lock;
use crate::host::{self, Host};
use crate::plan::{Plan, StepView};
use serde::Serialize;
use std::io;

/// Runs the command; every message is printed here.
pub fn run(args: &InstallerArgs) -> Status {
    let result = match &args.verb {
        Verb::Plan => plan::run(args),
        Verb::Apply => apply::run(args),
        Verb::Status => status::run(args),
        Verb::Remove(verb) => remove::run(args, verb),
        Verb::Rehearse => rehearse::run(args),
        Verb::Rules(verb) => rules::run(args, verb),
        Verb::Notice(verb) => notice::run(args, verb),
    };
    result.unwrap_or_else(|trouble| {
        report(&trouble);
        Status::Trouble
    })
}

/// The host and the bundle that the options name, and the bundle's facts.
fn inputs(args: &InstallerArgs) -> Result<(Host, Bundle, Facts), Trouble> {
    let host = Host::at(&args.root)?;
    let bundle = host::source::bundle(args.bundle.as_deref())?;
    let facts = host::rules::facts(&bundle)?;
    Ok((host, bundle, facts))
}

/// Locks the host, and says so where that takes waiting.
fn locked(host: &Host) -> Result<Lock, Trouble> {
    host::lock::take(host, || eprintln!("waiting for another redisguard-install to end"))
}

/// What plan, apply and remove print with --json.
#[derive(Serialize)]
struct Steps<'a> {
    changed: bool,
    bundle: &'a str,
    steps: Vec<StepView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    peers: Vec<Peer>,
}

#[derive(Serialize)]
struct Peer {
    port: u16,
    address: String,
}

fn views(plan: &Plan) -> Vec<StepView> {
    plan.steps.iter().map(|step| step.view(diff::unified)).collect()
}

/// Shows a plan: as one JSON object, or as text in the given tense.
fn show(args: &InstallerArgs, facts: &Facts, plan: &Plan, heading: &str) {
    let mut steps = views(plan);
    if args.json {
        let peers = plan.peers.iter();
        let peers = peers.map(|(port, address)| Peer { port: *port, address: address.clone() });
        print_json(&Steps {
            changed: !plan.is_empty(),
            bundle: &facts.bundle,
            steps,
            peers: peers.collect(),
        });
        return;
    }
    if matches!(args.verb, Verb::Apply) {
        // What is new was reviewed, and what was lost was shown before it was.
        steps.iter_mut().for_each(|step| step.diff = None);
    }
    say!("{heading}");
    show_steps(&steps);
    if !plan.peers.is_empty() {
        say!("\nconnected to a reserved port from outside right now:");
        for (port, address) in &plan.peers {
            say!("  port {port} from {address}");
        }
    }
}

/// Shows what a plan will overwrite or remove, before that is done.
fn show_losses(plan: &Plan) {
    let colour = coloured(&io::stdout());
    let losses = views(plan).into_iter().filter(|step| step.action != "create");
    for diff in losses.filter_map(|step| step.diff) {
        say!("{}\n", diff::painted(&diff, colour).trim_end());
    }
}

fn show_steps(steps: &[StepView]) {
    for step in steps {
        say!("  {:<8} {}: {}", step.kind, step.target, step.action);
    }
    let colour = coloured(&io::stdout());
    for text in steps.iter().filter_map(|step| step.diff.as_deref()) {
        say!("\n{}", diff::painted(text, colour).trim_end());
    }
}

fn print_json(value: &impl Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => say!("{text}"),
        Err(error) => report(&Trouble::new("write the answer as JSON", error)),
    }
}
