//! Prints plans, as text or as JSON.

use crate::args::{InstallerArgs, Verb};
use crate::cli::output::{coloured, out, print_json};
use crate::cli::unified_diff;
use crate::host::change::apply::Applied;
use crate::host::prepare::{EditedCopy, Prepared};
use crate::host::{Host, units};
use crate::os::sockets::{Listener, Peer, PortUsage};
use crate::os::unit_jobs::Queued;
use crate::plan::{self, Plan, StepView};
use crate::status::Finding;
use crate::text_layout::{self, WIDTH};
use serde::Serialize;
use std::io;

/// What would be done, or was. `remove --dry-run` prints what `remove` would.
#[derive(Default, Serialize)]
pub(super) struct Steps<'a> {
    /// Whether there is any step.
    pub changed: bool,
    /// The digest of the bundle that this is about, twelve digits; empty where `remove` finds none, and
    /// where `revert` goes back to nothing.
    pub bundle: &'a str,
    /// What is done, in order.
    pub steps: Vec<StepView>,
    /// Who is connected to a reserved port from outside; absent where nobody is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<Peer>,
    /// What listens on a reserved port; absent where nothing does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<Listener>,
    /// The units that systemd starts later, because their starts wait for other jobs, as while the host boots;
    /// absent where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub queued: Vec<Queued>,
    /// After `apply` on a host without systemd: the expected parts that do not run, or of which that is unknown;
    /// absent where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// Where files of redisguard's are kept that somebody had edited; absent where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edited: Vec<EditedCopy>,
    /// Until when `confirm` must come, where a change waits for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirm_by: Option<String>,
    /// The steps as text.
    #[serde(skip)]
    lines: Vec<StepView>,
}

impl<'a> Steps<'a> {
    /// The steps of a plan, without who uses the ports.
    pub(super) fn of(bundle: &'a str, plan: &Plan) -> Self {
        let steps = views(plan);
        Self { changed: !plan.is_empty(), bundle, lines: steps.clone(), steps, ..Self::default() }
    }

    /// Shows alike steps together, and the content of no new file: it was reviewed.
    fn shorten(&mut self, host: &Host, plan: &Plan) {
        self.lines = plan::summary(plan, |unit| units::is_installed(host, unit));
        let created: Vec<&str> = plan.created().collect();
        for step in &mut self.steps {
            step.diff = step.diff.take().filter(|_| !created.contains(&step.target.as_str()));
        }
    }

    /// Leaves out the diffs: of files that were reviewed, or are printed already.
    pub(super) fn drop_diffs(&mut self) {
        self.steps.iter_mut().for_each(|step| step.diff = None);
    }

    /// Prints the steps as text.
    pub(super) fn show(&self) {
        for StepView { kind, target, action, .. } in &self.lines {
            let kind = format!("  {kind:<8} ");
            let indent = " ".repeat(kind.len());
            out!("{}", text_layout::wrapped(&format!("{target}: {action}"), WIDTH, &kind, &indent));
        }
        let colour = coloured(&io::stdout());
        for text in self.steps.iter().filter_map(|step| step.diff.as_deref()) {
            out!("\n{}", shortened(text, colour));
        }
        if !self.queued.is_empty() {
            out!("\nnot started and not checked yet:");
        }
        for queued in &self.queued {
            out!("  {queued}");
        }
        if !self.queued.is_empty() {
            out!("then this tells whether they run:\n  redisguard-install status");
        }
    }
}

fn views(plan: &Plan) -> Vec<StepView> {
    plan.steps.iter().map(|step| step.view(unified_diff::unified)).collect()
}

pub(super) const NOW: &str = "right now";

/// Prints a plan: as one JSON object, or as text below a heading.
pub(super) fn show(
    args: &InstallerArgs,
    prepared: &Prepared<'_>,
    users: PortUsage,
    Applied { confirm_by, queued }: Applied,
    findings: &[Finding],
    heading: &str,
) {
    let Prepared { host, target, plan, .. } = prepared;
    let edited = prepared.edited_copies();
    let findings = findings.to_vec();
    let mut steps = Steps { queued, findings, ..Steps::of(&target.guard_config.bundle, plan) };
    if args.json {
        let PortUsage { listeners, peers } = users;
        print_json(&Steps { peers, listeners, edited, confirm_by, ..steps });
        return;
    }
    if !matches!(&args.verb, Verb::Plan(verb) if verb.diff) {
        steps.shorten(host, plan);
    }
    let mut when = NOW;
    if matches!(args.verb, Verb::Apply(_)) {
        when = "when this began";
        // New files were reviewed, and what is lost was printed before.
        steps.drop_diffs();
    }
    out!("{heading}");
    steps.show();
    if !edited.is_empty() {
        out!("\nedited files are kept:");
    }
    for EditedCopy { path, copy } in &edited {
        out!("  {path}: {copy}");
    }
    show_users(&users, when);
    if matches!(&args.verb, Verb::Plan(verb) if !verb.diff) && plan.created().next().is_some() {
        out!("\n`plan --diff` shows every file and link, with the content of new files");
    }
}

pub(super) fn show_users(PortUsage { listeners, peers }: &PortUsage, when: &str) {
    show_some(&format!("listening on a reserved port {when}:"), listeners, listening);
    let heading = format!("connected to a reserved port from outside {when}:");
    show_some(&heading, peers, connected);
}

pub(super) fn listening(listener: &Listener) -> String {
    let Listener { port, address, .. } = listener;
    match (&listener.program, listener.pid) {
        (Some(program), Some(pid)) => format!("port {port} on {address}: {program} (pid {pid})"),
        _ => format!("port {port} on {address}"),
    }
}

pub(super) fn connected(peer: &Peer) -> String {
    format!("port {} from {}", peer.port, peer.address)
}

/// Prints the first ones of a list that may have thousands.
pub(super) fn show_some<T>(heading: &str, all: &[T], line: impl Fn(&T) -> String) {
    const MAX_SHOWN: usize = 20;
    if !all.is_empty() {
        out!("\n{heading}");
    }
    for one in all.iter().take(MAX_SHOWN) {
        out!("  {}", line(one));
    }
    if all.len() > MAX_SHOWN {
        out!("  and {} more: --json names them all", all.len() - MAX_SHOWN);
    }
}

/// Prints what a plan will overwrite or remove, before that is done.
pub(super) fn show_losses(plan: &Plan) {
    let colour = coloured(&io::stdout());
    let losses = views(plan).into_iter().filter(|step| step.action != "create");
    for diff in losses.filter_map(|step| step.diff) {
        out!("{}\n", shortened(&diff, colour));
    }
}

/// A diff, or the beginning of a long one and how many lines are left.
pub(super) fn shortened(text: &str, colour: bool) -> String {
    const MAX_LINES: usize = 200;
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let shown = unified_diff::painted(&lines[..lines.len().min(MAX_LINES)].join("\n"), colour);
    match lines.len().saturating_sub(MAX_LINES) {
        0 => shown.trim_end().to_owned(),
        more => format!("{}\n({more} lines more: `plan --json` has all of them)", shown.trim_end()),
    }
}
