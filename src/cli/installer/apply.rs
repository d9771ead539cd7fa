//! `apply`: make the host match the bundle.

use super::confirm_cut;
use super::input::{host, note_wait, target};
use super::output::{show, show_losses};
use super::plan::{indented, refuse, warn};
use super::status::{show_causes, show_first};
use crate::args::{ApplyArgs, InstallerArgs};
use crate::cli::output::{Status, err, out, output_failed};
use crate::error::Error;
use crate::firewall::missing_family;
use crate::host::Host;
use crate::host::change::apply::{apply, begin};
use crate::host::change::rules_first;
use crate::os::sockets::PortUsage;
use crate::spec::Part;
use crate::status::{Finding, causes, listener_warnings, namespace_warnings, not_running};
use std::time::Instant;

pub(super) fn run(args: &InstallerArgs, verb: &ApplyArgs) -> Result<Status, Error> {
    let started = Instant::now();
    let host = host(args)?;
    // Whatever kept it from being applied: the ports must not stay open for that.
    let status = change(&host, args, verb).map_err(|error| rules_first::explained(&host, error))?;
    if !args.json {
        out!("done in {:.1} s", started.elapsed().as_secs_f64());
    }
    Ok(status)
}

fn change(host: &Host, args: &InstallerArgs, verb: &ApplyArgs) -> Result<Status, Error> {
    let target = target(host, args)?;
    let guard_config = &target.guard_config;
    if verb.confirm.is_some() && !host.is_live() {
        return Err(Error::new("wait for a confirmation", "an offline tree does not run")
            .help("leave out --confirm or --root"));
    }
    let (_lock, prepared) = begin(host, &target, note_wait)?;
    refuse(&prepared)?;
    let plan = &prepared.plan;
    // Without a change nobody is affected.
    let users = if plan.is_empty() { PortUsage::default() } else { prepared.users() };
    if !prepared.is_repaired() {
        confirm_cut::allow(args, verb, guard_config, plan, &users.peers)?;
    }
    if !args.json {
        show_losses(plan);
    }
    let applied = apply(&prepared, verb.confirm)?;
    let confirm_by = applied.confirm_by.clone();
    let not_running = not_running(host, guard_config, &target.expected);
    let mut warnings = Vec::new();
    if host.has_systemd() {
        if target.expected.has(Part::Listener) {
            warnings = listener_warnings(host, &target);
        }
        warnings.extend(namespace_warnings());
    }
    if plan.is_empty() && !args.json {
        let change = match warnings.is_empty() {
            true => "nothing to change",
            false => "nothing that apply can change",
        };
        out!("{change}: the host is as bundle {} says", guard_config.bundle);
        if verb.confirm.is_some() {
            out!("nothing to confirm");
        }
    } else {
        let heading = format!("applied bundle {}:", guard_config.bundle);
        show(args, &prepared, users, applied, &not_running, &heading);
    }
    if let Some(missing) = missing_family().filter(|_| host.is_live() && !args.json) {
        out!("{missing}");
    }
    warnings.iter().for_each(|warning| err!("warning: {}", indented(warning)));
    warn(&prepared);
    if !not_running.is_empty() && !args.json {
        show_not_running(&not_running);
    }
    if let Some(by) = confirm_by {
        print_confirm_by(args, &by);
    }
    Ok(Status::Same)
}

/// Prints the parts that apply could not start.
fn show_not_running(findings: &[Finding]) {
    out!("\nThe ports are blocked. systemd does not run here, so apply could not start the rest:");
    show_causes(&causes(findings));
    let first: Vec<String> =
        findings.iter().filter_map(|finding| finding.remedy.first.clone()).collect();
    show_first(&first);
    out!("Scripts for OpenRC, runit and cron: docs/without-systemd.md");
    out!("If this host is to run the rules alone: redisguard-install apply --expect rules");
}

fn print_confirm_by(args: &InstallerArgs, by: &str) {
    let text = format!(
        "it is undone at {by}, unless you run this from a new login:\n  redisguard-install confirm"
    );
    if !args.json {
        out!("\n{text}");
    }
    // The change is undone whether anybody read this or not.
    if output_failed() {
        err!("{text}");
    }
}
