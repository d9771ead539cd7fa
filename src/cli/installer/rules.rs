//! `rules load`, `rules save` and `rules unload`: what the block unit calls.

use super::{Status, err, out, print_json};
use crate::args::{InstallerArgs, RulesVerb};
use crate::bundle::GuardConfig;
use crate::error::Error;
use crate::firewall;
use crate::firewall::{DryRunNetns, firewalld};
use crate::host::rules_service;
use crate::host::rules_service::Loaded;
use crate::host::{Host, bundle_source, local_reserved_ports};
use crate::os::systemd;
use crate::spec::PortSet;
use crate::unit::Unit;
use serde::Serialize;

const KEPT_FREE: &str = "net.ipv4.ip_local_reserved_ports";

/// What both print with --json.
#[derive(Serialize)]
pub(super) struct Answer {
    pub changed: bool,
    pub findings: Vec<String>,
}

pub(super) fn run(args: &InstallerArgs, verb: &RulesVerb) -> Result<Status, Error> {
    let host = Host::at(&args.root)?;
    if !host.is_live() {
        return Err(Error::new("load or unload rules", "an offline tree has no kernel")
            .help("leave out --root"));
    }
    let (answer, text) = match verb {
        RulesVerb::Load => load(args, &host)?,
        RulesVerb::Save => {
            rules_service::save(&host)?;
            let answer = Answer { changed: false, findings: Vec::new() };
            (answer, "kept: what the rules have counted".to_owned())
        }
        RulesVerb::Unload => {
            let changed = rules_service::unload(&host)?;
            let text = if changed { "unloaded: the ports are open" } else { "nothing to unload" };
            (Answer { changed, findings: Vec::new() }, format!("{text}{}", until_when(&host)))
        }
    };
    if args.json {
        print_json(&answer);
    } else {
        out!("{text}");
    }
    Ok(Status::Same)
}

/// How long that lasts, where the timer looks after the rules.
fn until_when(host: &Host) -> String {
    let timer = Unit::CheckTimer.name();
    let states = host.has_systemd().then(|| systemd::states(&[timer]));
    let states = states.and_then(Result::ok).unwrap_or_default();
    match states.get(timer) {
        Some(state) if state.active == "active" => format!(
            ", and within a minute {timer} loads the rules again\n  \
             systemctl stop {timer} keeps it from that, until the next boot"
        ),
        _ => String::new(),
    }
}

/// Guards at once, and again when a firewalld that starts right now is through.
fn load_installed(host: &Host, dry_run: &DryRunNetns) -> Result<Loaded, Error> {
    let loaded = rules_service::load_installed(host, dry_run);
    if !firewalld::is_settled() {
        return loaded;
    }
    match (loaded, rules_service::load_installed(host, dry_run)?) {
        (Ok(because), Loaded::InPlace) => Ok(because),
        (_, again) => Ok(again),
    }
}

/// Rules that nobody sees are no reason to leave the ports open, but to say so.
fn warn_of_hidden_rules(guard_config: &GuardConfig) {
    if let Some(found) = firewall::hidden_rules(guard_config) {
        err!("warning: {found}: `redisguard-install plan` says what to do");
    }
}

fn load(args: &InstallerArgs, host: &Host) -> Result<(Answer, String), Error> {
    let dry_run = firewall::prepare_dry_run();
    let (loaded, lacked) = match &args.bundle {
        None => {
            let loaded = load_installed(host, &dry_run);
            let lacked = keep_free(host);
            let loaded = loaded?;
            bundle_source::last_good_facts(host).iter().for_each(warn_of_hidden_rules);
            (loaded, lacked)
        }
        Some(directory) => {
            let bundle = bundle_source::rules(directory)?;
            let guard_config = rules_service::guard_config(&bundle)?;
            let loaded = rules_service::load(&bundle, &guard_config, &dry_run)?;
            warn_of_hidden_rules(&guard_config);
            (loaded, None)
        }
    };
    let drift = match loaded {
        Loaded::InPlace | Loaded::Mute(_) => Vec::new(),
        Loaded::Because(drift) => drift,
    };
    let lines = drift.iter().map(|(scope, finding)| format!("{}: {finding}", scope.name()));
    let lacked = lacked.map(|ports| format!("{KEPT_FREE}: lacked {}", ports.joined(",")));
    let findings: Vec<String> = lines.chain(lacked).collect();
    let text = match findings.as_slice() {
        [] => "in place: nothing was touched".to_owned(),
        findings => format!("loaded, because:\n  {}", findings.join("\n  ")),
    };
    Ok((Answer { changed: !findings.is_empty(), findings }, text))
}

/// What others took out of the kernel's list of ports, after it was put back. Where that fails the
/// ports are guarded all the same: it is told, here and by `status`, and no failure.
fn keep_free(host: &Host) -> Option<PortSet> {
    local_reserved_ports::mend(host).unwrap_or_else(|trouble| {
        err!("warning: {trouble}");
        None
    })
}
