//! `probe`: what this machine gets from the ports of other hosts, compared with what the bundle promises.

use super::input::opened_anywhere;
use crate::args::{InstallerArgs, ProbeArgs};
use crate::bundle::GuardConfig;
use crate::cli::output::{Status, err, out, print_json};
use crate::error::Error;
use crate::expectation::Outcome;
use crate::host::prepare::Target;
use crate::probe::hosts::{HostResult, Options, PortResult, Unasked, probe_hosts};
use crate::spec::PortSet;
use ipnet::IpNet;
use serde::Serialize;
use std::collections::BTreeSet;
use std::net::IpAddr;

pub(super) fn run(args: &InstallerArgs, verb: &ProbeArgs) -> Result<Status, Error> {
    let Target { guard_config, .. } = opened_anywhere(args)?;
    let options = Options { control: verb.control.clone(), timeout: verb.timeout };
    let hosts = probe_hosts(&guard_config, &verb.hosts, &options)?;
    let as_promised = hosts.iter().filter(|host| host.as_promised).count();
    let all = as_promised == hosts.len();
    if args.json {
        print_json(&Answer { as_promised: all, bundle: &guard_config.bundle, hosts });
    } else {
        show(&guard_config, &hosts, as_promised);
    }
    Ok(if all { Status::Same } else { Status::Differs })
}

/// What `probe --json` prints.
#[derive(Serialize)]
pub(super) struct Answer<'a> {
    /// Whether every host is as promised.
    pub as_promised: bool,
    /// The digest of the bundle that promises.
    pub bundle: &'a str,
    /// The hosts, in the order of the arguments.
    pub hosts: Vec<HostResult>,
}

/// Shows one host whole, and of many hosts those that are not as promised.
fn show(guard_config: &GuardConfig, hosts: &[HostResult], as_promised: usize) {
    for host in hosts {
        match (&host.problem, host.as_promised) {
            (Some(problem), _) => out!("{}: {problem}", host.host),
            (None, true) => out!("{}: as promised", host.host),
            (None, false) => out!("{}: not as promised", host.host),
        }
        for Unasked { address, cause } in &host.unasked {
            err!("warning: {address} of {} was not asked: {cause}", host.host);
        }
        if hosts.len() == 1 || !host.as_promised {
            host.ports.chunk_by(|one, next| one.address == next.address).for_each(show_address);
        }
    }
    let bundle = &guard_config.bundle;
    match hosts.len() {
        1 => out!("(promised by bundle {bundle})"),
        many => out!("{as_promised} of {many} hosts are as bundle {bundle} promises"),
    }
    let unnamed: BTreeSet<&IpAddr> = hosts.iter().flat_map(|host| &host.unnamed_from).collect();
    if !unnamed.is_empty() {
        let networks: Vec<String> =
            unnamed.into_iter().map(|address| IpNet::from(*address).to_string()).collect();
        err!(
            "note: this probe is logged and counted as attempts of users: name {} in [probe] from, \
             or the address that the hosts see where addresses are translated in between",
            networks.join(" and ")
        );
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
        let mut line = format!("    {list:<11} {:<11} {}", first.kind, first.met);
        if first.outcome != Outcome::Silence {
            line.push_str(&format!(" in {:.1} ms", slowest.as_secs_f64() * 1e3));
        }
        if !first.as_promised {
            line.push_str(&format!(", promised: {}", first.promised));
        }
        out!("{line}");
        if let Some(text) = &first.text {
            out!("      {text}");
        }
    }
}

/// Whether two ports differ in nothing but their number: they share a line.
fn is_alike(one: &PortResult, next: &PortResult) -> bool {
    let shown = |port: &PortResult| (port.kind, port.promised, port.as_promised, port.met);
    shown(one) == shown(next) && one.text == next.text
}
