//! `probe`: what a user of other hosts meets there, against what the bundle promises.

use super::input::inputs;
use super::output::print_json;
use crate::args::{InstallerArgs, ProbeArgs};
use crate::bundle::GuardConfig;
use crate::cli::output::{Status, err, out};
use crate::error::Error;
use crate::family::Family;
use crate::probe::Outcome;
use crate::probe::hosts::{HostMet, Manner, Met, survey};
use crate::spec::PortSet;
use serde::Serialize;
use std::net::IpAddr;

pub(super) fn run(args: &InstallerArgs, verb: &ProbeArgs) -> Result<Status, Error> {
    let (_, _, guard_config) = inputs(args)?;
    let manner = Manner { control: verb.control.clone(), patience: verb.timeout };
    let hosts = survey(&guard_config, &verb.hosts, &manner)?;
    let kept = hosts.iter().filter(|host| host.as_promised()).count();
    if args.json {
        print_json(&Answer::of(&guard_config, &hosts));
    } else {
        show(&guard_config, &hosts, kept);
    }
    Ok(if kept == hosts.len() { Status::Same } else { Status::Differs })
}

/// What is printed with --json.
#[derive(Serialize)]
pub(super) struct Answer {
    pub as_promised: bool,
    pub bundle: String,
    pub hosts: Vec<HostAnswer>,
}

/// One host's.
#[derive(Serialize)]
pub(super) struct HostAnswer {
    pub host: String,
    pub as_promised: bool,
    pub problem: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unasked: Vec<Unasked>,
    pub ports: Vec<PortAnswer>,
}

/// An address that cannot be asked from here.
#[derive(Serialize)]
pub(super) struct Unasked {
    pub address: IpAddr,
    pub cause: String,
}

/// One port's.
#[derive(Serialize)]
pub(super) struct PortAnswer {
    pub port: u16,
    pub family: &'static str,
    pub address: IpAddr,
    pub kind: &'static str,
    pub promised: &'static str,
    pub met: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    pub milliseconds: u128,
    pub as_promised: bool,
}

impl Answer {
    fn of(guard_config: &GuardConfig, hosts: &[HostMet]) -> Self {
        Self {
            as_promised: hosts.iter().all(HostMet::as_promised),
            bundle: guard_config.bundle.clone(),
            hosts: hosts.iter().map(HostAnswer::of).collect(),
        }
    }
}

impl HostAnswer {
    fn of(host: &HostMet) -> Self {
        let unasked = host.unasked.iter().cloned();
        Self {
            host: host.host.clone(),
            as_promised: host.as_promised(),
            problem: host.problem.clone(),
            unasked: unasked.map(|(address, cause)| Unasked { address, cause }).collect(),
            ports: host.met.iter().map(PortAnswer::of).collect(),
        }
    }
}

impl PortAnswer {
    fn of(met: &Met) -> Self {
        Self {
            port: met.port,
            family: Family::of(met.address).name(),
            address: met.address,
            kind: met.kind.name(),
            promised: met.promise.words(),
            met: word(&met.outcome),
            text: text(&met.outcome).map(str::to_owned),
            milliseconds: met.took.as_millis(),
            as_promised: met.as_promised(),
        }
    }
}

/// What was met, as a user of the port would call it.
fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Silence => "dropped",
        Outcome::Served(_) | Outcome::Mute => "open",
        Outcome::Refused | Outcome::Notice(_) | Outcome::Failed(_) => outcome.word(),
    }
}

/// What was said.
fn text(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Notice(text) => Some(text.trim_start_matches('-')),
        Outcome::Served(text) | Outcome::Failed(text) => {
            Some(text).filter(|text| !text.is_empty()).map(String::as_str)
        }
        Outcome::Silence | Outcome::Refused | Outcome::Mute => None,
    }
}

/// One host is shown whole; of many, those that are not as promised.
fn show(guard_config: &GuardConfig, hosts: &[HostMet], kept: usize) {
    for host in hosts {
        let promised = host.as_promised();
        match (&host.problem, promised) {
            (Some(problem), _) => out!("{}: {problem}", host.host),
            (None, true) => out!("{}: as promised", host.host),
            (None, false) => out!("{}: not as promised", host.host),
        }
        for (address, cause) in &host.unasked {
            err!("warning: {address} of {} was not asked: {cause}", host.host);
        }
        if hosts.len() == 1 || !promised {
            host.met.chunk_by(|one, next| one.address == next.address).for_each(show_address);
        }
    }
    let bundle = &guard_config.bundle;
    match hosts.len() {
        1 => out!("(promised by bundle {bundle})"),
        many => out!("{kept} of {many} hosts are as bundle {bundle} promises"),
    }
}

/// The longest list of ports that is shown as it is.
const LONGEST: usize = 32;

fn show_address(met: &[Met]) {
    if let Some(first) = met.first() {
        out!("  {}", first.address);
    }
    for alike in met.chunk_by(alike) {
        let [first, ..] = alike else { continue };
        let ports: PortSet = alike.iter().map(|met| met.port.into()).collect();
        let slowest = alike.iter().map(|met| met.took).max().unwrap_or_default();
        let shown = Some(ports.to_string()).filter(|shown| shown.len() <= LONGEST);
        let shown = shown.unwrap_or_else(|| format!("{} ports", alike.len()));
        let mut line = format!("    {shown:<11} {:<11} ", first.kind.name());
        line.push_str(word(&first.outcome));
        if !matches!(first.outcome, Outcome::Silence) {
            line.push_str(&format!(" in {:.1} ms", slowest.as_secs_f64() * 1e3));
        }
        if !first.as_promised() {
            line.push_str(&format!(", promised: {}", first.promise.words()));
        }
        out!("{line}");
        if let Some(text) = text(&first.outcome) {
            out!("      {text}");
        }
    }
}

/// Whether two ports share a line: nothing but the ports themselves tells them apart.
fn alike(one: &Met, next: &Met) -> bool {
    let told = |met: &Met| text(&met.outcome).map(str::to_owned);
    one.kind == next.kind
        && one.promise == next.promise
        && one.as_promised() == next.as_promised()
        && word(&one.outcome) == word(&next.outcome)
        && told(one) == told(next)
}
