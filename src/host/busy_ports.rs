//! Ports that the listener must bind and that another program has.
//!
//! Never: changes anything, or connects to a port.

use super::root::Host;
use crate::bundle::GuardConfig;
use crate::error::Error;
use crate::os::sockets::{self, Listener};
use crate::spec::{Listen, PortRange};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// A port that another program has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusyPort {
    /// Its number.
    pub port: u16,
    /// Whether it is the notice port, and no reserved one.
    is_notice_port: bool,
    /// The sockets that listen on it, by address.
    holders: Vec<Listener>,
}

/// The ports with `listen = "always"`, and the notice port, that another program than the listener has. A program
/// that cannot be seen is not called another one.
pub fn find(host: &Host, guard_config: &GuardConfig) -> Vec<BusyPort> {
    if !host.is_live() {
        return Vec::new();
    }
    let always = guard_config.reserved.iter().filter(|one| one.listen == Listen::Always);
    let mut wanted: Vec<_> = always.map(|one| one.ports).collect();
    wanted.extend(guard_config.redirects().then(|| PortRange::from(guard_config.notice)));
    let mut busy = BTreeMap::new();
    for listener in sockets::listeners(&wanted.into_iter().collect()) {
        if !listener.is_own && listener.pid.is_some() {
            busy.entry(listener.port).or_insert_with(Vec::new).push(listener);
        }
    }
    let is_notice_port = |port| guard_config.redirects() && port == guard_config.notice;
    let busy = busy.into_iter();
    busy.map(|(port, holders)| BusyPort { port, is_notice_port: is_notice_port(port), holders })
        .collect()
}

/// Refuses a change of a host on which the listener would lack a port.
///
/// # Errors
/// Names the ports, who has them, and both ways out.
pub fn refuse(host: &Host, guard_config: &GuardConfig) -> Result<(), Error> {
    let busy = find(host, guard_config);
    let causes: Vec<String> = busy.iter().map(BusyPort::cause).collect();
    let mut fixes: Vec<String> = busy.iter().map(BusyPort::fix).collect();
    fixes.dedup();
    if busy.is_empty() {
        return Ok(());
    }
    let action = format!("apply bundle {}", guard_config.bundle);
    let error = Error::new(action, causes.join("; ")).and("nothing was changed");
    Err(error.help(format!("fix: {}", fixes.join("\n  and: "))))
}

/// How to free any port that another program than the listener has; `None` where no such program is seen.
pub fn free(port: u16) -> Option<String> {
    let wanted = [PortRange::from(port)].into_iter().collect();
    let holders = sockets::listeners(&wanted).into_iter().filter(|holder| !holder.is_own);
    let (mut programs, mut stops): (Vec<String>, Vec<String>) =
        holders.map(|holder| (program(&holder), stop(&holder))).unzip();
    programs.dedup();
    stops.dedup();
    let (programs, stops) = (programs.join(" and "), stops.join("; "));
    (!stops.is_empty()).then(|| format!("free port {port}, which {programs} has: {stops}"))
}

impl BusyPort {
    /// Who has the port.
    pub fn cause(&self) -> String {
        let role = match self.is_notice_port {
            true => "the notice port",
            false => "listen = \"always\"",
        };
        let mut by_program: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for holder in &self.holders {
            let address = SocketAddr::new(holder.address, holder.port).to_string();
            by_program.entry(program(holder)).or_default().push(address);
        }
        let holders = by_program.into_iter().map(|(program, addresses)| {
            format!("{program} listens on {}", addresses.join(" and "))
        });
        let holders: Vec<String> = holders.collect();
        format!("port {} ({role}) is taken: {}", self.port, holders.join(", "))
    }

    /// How to free the port, and how to do without it.
    pub fn fix(&self) -> String {
        let mut stops: Vec<String> = self.holders.iter().map(stop).collect();
        stops.dedup();
        let port = self.port;
        let without = match self.is_notice_port {
            true => "or choose another `port` in [notice] of the TOML".to_owned(),
            false => {
                format!("or leave port {port} to it: listen = \"if-free\" for {port} in the TOML")
            }
        };
        format!("{}\n  {without}, then render that bundle and apply it", stops.join("; "))
    }
}

/// A program by its name, process and unit.
fn program(holder: &Listener) -> String {
    let Some(name) = holder.program.as_deref() else {
        return "a program that this host does not show".to_owned();
    };
    let pid = holder.pid.map(|pid| format!("pid {pid}"));
    let known: Vec<String> = pid.into_iter().chain(holder.unit.clone()).collect();
    format!("{name} ({})", known.join(", "))
}

/// The command that stops a program for good.
fn stop(holder: &Listener) -> String {
    let Listener { port, program, pid, unit, .. } = holder;
    match (program.as_deref(), unit, pid) {
        // It belongs to the unit of Docker, which must not be stopped for one port.
        (Some("docker-proxy"), _, _) => {
            format!("stop the container: `docker ps --filter publish={port}` names it")
        }
        // It listens for a service that it will start (systemd.socket(5)).
        (_, _, Some(1)) => {
            format!(
                "systemctl disable --now the unit that `systemctl list-sockets` names for {port}"
            )
        }
        (_, Some(unit), _) => format!("systemctl disable --now {unit}"),
        (_, None, Some(pid)) => format!("kill {pid}, and keep it from starting again"),
        (_, None, None) => format!("stop what `ss -Hltnp 'sport = :{port}'` names"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn holder(address: &str, program: &str, pid: u32, unit: Option<&str>) -> Listener {
        Listener {
            port: 6379,
            address: address.parse().unwrap(),
            program: Some(program.to_owned()),
            pid: Some(pid),
            unit: unit.map(str::to_owned),
            is_own: false,
        }
    }

    fn busy(holders: Vec<Listener>) -> BusyPort {
        BusyPort { port: 6379, is_notice_port: false, holders }
    }

    #[test]
    fn a_service_is_named_with_its_addresses_and_both_ways_out() {
        let unit = Some("redis-server.service");
        let port = busy(vec![
            holder("127.0.0.1", "redis-server", 812, unit),
            holder("::1", "redis-server", 812, unit),
        ]);
        assert_eq!(
            port.cause(),
            "port 6379 (listen = \"always\") is taken: redis-server (pid 812, redis-server.service) \
             listens on 127.0.0.1:6379 and [::1]:6379"
        );
        assert_eq!(
            port.fix(),
            "systemctl disable --now redis-server.service\n  or leave port 6379 to it: \
             listen = \"if-free\" for 6379 in the TOML, then render that bundle and apply it"
        );
    }

    #[test]
    fn what_no_unit_of_its_own_holds_is_not_stopped_by_a_unit() {
        for (program, pid, unit, fix) in [
            ("docker-proxy", 9, Some("docker.service"), "docker ps --filter publish=6379"),
            ("systemd", 1, None, "systemctl list-sockets"),
            ("redis-server", 77, None, "kill 77"),
        ] {
            let fixed = busy(vec![holder("0.0.0.0", program, pid, unit)]).fix();
            assert!(fixed.contains(fix), "{fixed}");
        }
    }
}
