//! `probe`: what this machine gets from the ports of other hosts, compared with what the bundle promises.

use super::input::inputs;
use super::output::print_json;
use crate::args::{InstallerArgs, ProbeArgs};
use crate::bundle::GuardConfig;
use crate::cli::output::{Status, err, out};
use crate::error::Error;
use crate::expectation::Outcome;
use crate::family::Family;
use crate::probe::hosts::{HostResult, Options, PortResult, probe_hosts};
use crate::spec::PortSet;
use serde::Serialize;
use std::net::IpAddr;

pub(super) fn run(args: &InstallerArgs, verb: &ProbeArgs) -> Result<Status, Error> {
    let (_, _, guard_config) = inputs(args)?;
    let options = Options { control: verb.control.clone(), timeout: verb.timeout };
    let hosts = probe_hosts(&guard_config, &verb.hosts, &options)?;
    let as_expected = hosts.iter().filter(|host| host.is_as_expected()).count();
    if args.json {
        print_json(&Answer::new(&guard_config, &hosts));
    } else {
        show(&guard_config, &hosts, as_expected);
    }
    Ok(if as_expected == hosts.len() { Status::Same } else { Status::Differs })
}

/// What `probe --json` prints.
#[derive(Serialize)]
pub(super) struct Answer {
    /// Whether every host is as promised.
    pub as_promised: bool,
    /// The digest of the bundle that promises.
    pub bundle: String,
    /// The hosts, in the order of the arguments.
    pub hosts: Vec<HostAnswer>,
}

/// One host.
#[derive(Serialize)]
pub(super) struct HostAnswer {
    /// The host as it was named.
    pub host: String,
    /// Whether all of its ports are as promised.
    pub as_promised: bool,
    /// Why the host cannot be judged; null where it can.
    pub problem: Option<String>,
    /// Addresses without a route from here. They do not count against the host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unasked: Vec<Unasked>,
    /// Every port of every address.
    pub ports: Vec<PortAnswer>,
}

/// An address without a route from here.
#[derive(Serialize)]
pub(super) struct Unasked {
    /// The address.
    pub address: IpAddr,
    /// Why it was not asked.
    pub cause: String,
}

/// One port of one address.
#[derive(Serialize)]
pub(super) struct PortAnswer {
    /// The port.
    pub port: u16,
    /// `IPv4` or `IPv6`.
    pub family: &'static str,
    /// The address.
    pub address: IpAddr,
    /// `reserved`, `notice port`, `cluster` or `control`.
    pub kind: &'static str,
    /// `dropped`, `refused`, `notice`, `notice or open` (from the host itself), `untouched` (anything but the
    /// notice), or `nothing` (from an allowed network: the host's other rules decide).
    pub promised: &'static str,
    /// `dropped`, `refused`, `notice`, `open` or `failed`.
    pub met: &'static str,
    /// The first line of the answer, or why the attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The time from connecting to the first line.
    pub milliseconds: u128,
    /// Whether that was promised.
    pub as_promised: bool,
}

impl Answer {
    fn new(guard_config: &GuardConfig, hosts: &[HostResult]) -> Self {
        Self {
            as_promised: hosts.iter().all(HostResult::is_as_expected),
            bundle: guard_config.bundle.clone(),
            hosts: hosts.iter().map(HostAnswer::from).collect(),
        }
    }
}

impl From<&HostResult> for HostAnswer {
    fn from(host: &HostResult) -> Self {
        let unasked = host.unreachable.iter().cloned();
        Self {
            host: host.host.clone(),
            as_promised: host.is_as_expected(),
            problem: host.problem.clone(),
            unasked: unasked.map(|(address, cause)| Unasked { address, cause }).collect(),
            ports: host.ports.iter().map(PortAnswer::from).collect(),
        }
    }
}

impl From<&PortResult> for PortAnswer {
    fn from(port: &PortResult) -> Self {
        Self {
            port: port.port,
            family: Family::of(port.address).name(),
            address: port.address,
            kind: port.role.name(),
            promised: port.expectation.name(),
            met: outcome_name(&port.outcome),
            text: text(&port.outcome).map(str::to_owned),
            milliseconds: port.took.as_millis(),
            as_promised: port.is_as_expected(),
        }
    }
}

/// The outcome in the words of a port's user.
fn outcome_name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Silence => "dropped",
        Outcome::Served(_) | Outcome::Mute => "open",
        Outcome::Refused | Outcome::Notice(_) | Outcome::Failed(_) => outcome.name(),
    }
}

/// The text of the answer or of the error.
fn text(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Notice(text) => Some(text.trim_start_matches('-')),
        Outcome::Served(text) | Outcome::Failed(text) => {
            Some(text.as_str()).filter(|text| !text.is_empty())
        }
        Outcome::Silence | Outcome::Refused | Outcome::Mute => None,
    }
}

/// Shows one host whole, and of many hosts those that are not as promised.
fn show(guard_config: &GuardConfig, hosts: &[HostResult], as_expected: usize) {
    for host in hosts {
        match (&host.problem, host.is_as_expected()) {
            (Some(problem), _) => out!("{}: {problem}", host.host),
            (None, true) => out!("{}: as promised", host.host),
            (None, false) => out!("{}: not as promised", host.host),
        }
        for (address, cause) in &host.unreachable {
            err!("warning: {address} of {} was not asked: {cause}", host.host);
        }
        if hosts.len() == 1 || !host.is_as_expected() {
            host.ports.chunk_by(|one, next| one.address == next.address).for_each(show_address);
        }
    }
    let bundle = &guard_config.bundle;
    match hosts.len() {
        1 => out!("(promised by bundle {bundle})"),
        many => out!("{as_expected} of {many} hosts are as bundle {bundle} promises"),
    }
}

/// The longest list of ports that is shown as it is; of a longer one the number of ports is shown.
const MAX_LIST: usize = 32;

fn show_address(ports: &[PortResult]) {
    if let Some(first) = ports.first() {
        out!("  {}", first.address);
    }
    for alike in ports.chunk_by(is_alike) {
        let [first, ..] = alike else { continue };
        let set: PortSet = alike.iter().map(|port| port.port.into()).collect();
        let slowest = alike.iter().map(|port| port.took).max().unwrap_or_default();
        let list = Some(set.to_string()).filter(|list| list.len() <= MAX_LIST);
        let list = list.unwrap_or_else(|| format!("{} ports", alike.len()));
        let outcome = outcome_name(&first.outcome);
        let mut line = format!("    {list:<11} {:<11} {outcome}", first.role.name());
        if first.outcome != Outcome::Silence {
            line.push_str(&format!(" in {:.1} ms", slowest.as_secs_f64() * 1e3));
        }
        if !first.is_as_expected() {
            line.push_str(&format!(", promised: {}", first.expectation.name()));
        }
        out!("{line}");
        if let Some(text) = text(&first.outcome) {
            out!("      {text}");
        }
    }
}

/// Whether two ports differ in nothing but their number: they share a line.
fn is_alike(one: &PortResult, next: &PortResult) -> bool {
    one.role == next.role
        && one.expectation == next.expectation
        && one.is_as_expected() == next.is_as_expected()
        && outcome_name(&one.outcome) == outcome_name(&next.outcome)
        && text(&one.outcome) == text(&next.outcome)
}
