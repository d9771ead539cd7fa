//! `rules load`, `rules save` and `rules unload`: what the block unit calls.

use super::input::host;
use crate::args::{InstallerArgs, RulesVerb};
use crate::bundle::GuardConfig;
use crate::cli::output::{Status, err, out, print_json};
use crate::error::Error;
use crate::firewall::{self, DryRunNetns, firewalld};
use crate::host::rules_service::{self, Loaded};
use crate::host::{Host, bundle_source, local_reserved_ports, units};
use crate::plan::LOCAL_PORTS;
use crate::spec::PortSet;
use crate::unit::Unit;
use serde::Serialize;

/// What was done to the rules in the kernel.
#[derive(Default, Serialize)]
pub(super) struct RulesChange {
    /// Whether anything was.
    pub changed: bool,
    /// Why they were loaded, in words; none where they were in place.
    pub findings: Vec<String>,
}

pub(super) fn run(args: &InstallerArgs, verb: &RulesVerb) -> Result<Status, Error> {
    let host = host(args)?;
    if !host.is_live() {
        return Err(Error::new("load or unload rules", "an offline tree has no kernel")
            .help("its own system loads them when it boots"));
    }
    let (answer, text) = match verb {
        RulesVerb::Load => load(args, &host)?,
        RulesVerb::Save => {
            rules_service::save(&host)?;
            (RulesChange::default(), "kept: what the rules have counted".to_owned())
        }
        RulesVerb::Unload => {
            let changed = rules_service::unload(&host)?;
            let text = if changed { "unloaded: the ports are open" } else { "nothing to unload" };
            let text = format!("{text}{}", until_when(&host));
            (RulesChange { changed, ..RulesChange::default() }, text)
        }
    };
    if args.json {
        print_json(&answer);
    } else {
        out!("{text}");
    }
    Ok(Status::Same)
}

/// That the check timer loads the rules again, where it runs.
fn until_when(host: &Host) -> String {
    let timer = Unit::CheckTimer;
    let states = host.has_systemd().then(|| units::states(&[timer]));
    let states = states.and_then(Result::ok).unwrap_or_default();
    match states.get(&timer) {
        Some(state) if state.active == "active" => format!(
            ", and within a minute {timer} loads the rules again\n  \
             systemctl stop {timer} keeps it from that, until the next boot"
        ),
        _ => String::new(),
    }
}

/// Loads the rules at once, and again when a firewalld that starts right now has flushed them.
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

/// Warns of rules of others in the other kind of iptables: the ports are blocked all the same.
fn warn_of_hidden_rules(guard_config: &GuardConfig) {
    if let Some(found) = firewall::hidden_rules(guard_config) {
        err!("warning: {found}: `redisguard-install plan` says what to do");
    }
}

fn load(args: &InstallerArgs, host: &Host) -> Result<(RulesChange, String), Error> {
    let dry_run = firewall::prepare_dry_run();
    let (loaded, lacked) = match &args.bundle {
        None => {
            let loaded = load_installed(host, &dry_run);
            record_check(host, loaded.is_ok());
            let lacked = add_missing_ports(host);
            let loaded = loaded?;
            bundle_source::last_good_config(host).iter().for_each(warn_of_hidden_rules);
            (loaded, lacked)
        }
        Some(directory) => {
            let bundle = bundle_source::rules(directory)?;
            let loaded = rules_service::load(&bundle, &dry_run)?;
            warn_of_hidden_rules(&bundle_source::guard_config(&bundle)?);
            (loaded, PortSet::default())
        }
    };
    let drift = match loaded {
        Loaded::InPlace | Loaded::WithoutLog(_) => Vec::new(),
        Loaded::Because(drift) => drift,
    };
    let lines = drift.iter().map(|(scope, finding)| format!("{}: {finding}", scope.name()));
    let lacked =
        (!lacked.is_empty()).then(|| format!("{LOCAL_PORTS}: lacked {}", lacked.joined(",")));
    let findings: Vec<String> = lines.chain(lacked).collect();
    let text = match findings.as_slice() {
        [] => "in place: nothing was touched".to_owned(),
        findings => format!("loaded, because:\n  {}", findings.join("\n  ")),
    };
    Ok((RulesChange { changed: !findings.is_empty(), findings }, text))
}

/// Records that the rules were checked, where no timer of systemd can be asked for that. A failure is only a
/// warning: `status` says that nothing is recorded. After a check that failed, its own error says enough.
fn record_check(host: &Host, succeeded: bool) {
    if host.has_systemd() {
        return;
    }
    if let Err(error) = rules_service::record_check(host)
        && succeeded
    {
        err!("warning: {error}");
    }
}

/// Adds what others took out of the kernel's list of local reserved ports; what that was. A failure is only
/// a warning: the ports are blocked all the same, and `status` finds it too.
fn add_missing_ports(host: &Host) -> PortSet {
    local_reserved_ports::add_missing(host).unwrap_or_else(|error| {
        err!("warning: {error}");
        PortSet::default()
    })
}
