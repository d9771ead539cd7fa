//! Conflicts between the reserved ports, the cluster's ports and the listener's own ports.

use super::reserved::{FIRST_UNPRIVILEGED, SSH};
use crate::spec::diagnostics::{Check, Problem};
use crate::spec::ports::{PortRange, PortSet};
use crate::spec::types::{Cluster, Reserved};
use std::ops::Range;
use toml::Spanned;

/// The port of Redis Sentinel.
const SENTINEL: u16 = 26379;

/// Sorts the reserved ports; reports those that are reserved twice or used by the cluster.
pub fn reserved_conflicts(
    reserved: &mut [Spanned<Reserved>],
    cluster: Option<&Spanned<Cluster>>,
    problems: &mut Vec<Problem>,
) {
    reserved.sort_by_key(|one| (one.get_ref().ports, one.span().start));
    // The one that reaches highest so far: in this order, no other can overlap a later one alone.
    let mut highest: Option<&Spanned<Reserved>> = None;
    for one in reserved.iter() {
        let ports = one.get_ref().ports;
        if let Some(before) = highest.filter(|before| before.get_ref().ports.overlaps(ports)) {
            let in_order = before.span().start < one.span().start;
            let (early, late) = if in_order { (before, one) } else { (one, before) };
            let message = format!("port {} is reserved twice", late.get_ref().ports);
            let problem = Problem::new(Check::ReservedTwice, late.span(), message);
            let problem = problem.help("remove one of the two");
            problems.push(problem.related(early.span(), "reserved here first"));
        }
        if highest.is_none_or(|before| before.get_ref().ports.last() < ports.last()) {
            highest = Some(one);
        }
    }
    let Some(cluster) = cluster else { return };
    let (client_ports, bus_ports) = (&cluster.get_ref().ports, cluster.get_ref().bus_ports());
    for one in reserved {
        let ports = one.get_ref().ports;
        for (used, role) in [(client_ports, "a port"), (&bus_ports, "a bus port")] {
            if used.overlaps(ports) {
                let message = format!("port {ports} is {role} of the cluster");
                let problem = Problem::new(Check::ReservedCluster, one.span(), message);
                let problem = problem.help("users must be able to go there: reserve another port");
                problems.push(problem.related(cluster.span(), "the cluster's ports"));
            }
        }
    }
}

/// Reports a notice port that something else uses, or that the listener may not bind.
pub fn notice_port_conflicts(
    notice: &Spanned<u16>,
    reserved: &[Spanned<Reserved>],
    cluster: Option<&Spanned<Cluster>>,
    problems: &mut Vec<Problem>,
) {
    let port = *notice.get_ref();
    if let Some(user) = user_of(port, reserved, cluster) {
        let message = format!("the notice port {port} is {user}");
        // The default port is not in the text: what it collides with is.
        let span = match notice.span() {
            span if span.is_empty() => span_of_user(port, reserved, cluster),
            span => span,
        };
        let problem = Problem::new(Check::NoticePort, span, message);
        problems.push(problem.help("choose a port that nothing else uses; 63790 is the default"));
    } else if port < FIRST_UNPRIVILEGED {
        let message = format!("the notice port {port} is below {FIRST_UNPRIVILEGED}");
        problems.push(privileged(message, notice.span()));
    }
}

/// Reports a port for metrics that something else uses, or that the listener may not bind.
pub fn metrics_port_conflicts(
    metrics: &Spanned<u16>,
    notice: &Spanned<u16>,
    reserved: &[Spanned<Reserved>],
    cluster: Option<&Spanned<Cluster>>,
    problems: &mut Vec<Problem>,
) {
    let port = *metrics.get_ref();
    let is_notice_port = port == *notice.get_ref();
    let user = user_of(port, reserved, cluster);
    if let Some(user) = user.or(is_notice_port.then_some("the notice port")) {
        let message = format!("the port {port} for metrics is {user}");
        let problem = Problem::new(Check::MetricsPort, metrics.span(), message);
        problems.push(problem.help("choose a port that nothing else uses, such as 9637"));
    } else if port < FIRST_UNPRIVILEGED {
        let message = format!("the port {port} for metrics is below {FIRST_UNPRIVILEGED}");
        problems.push(privileged(message, metrics.span()));
    }
}

fn privileged(message: String, span: Range<usize>) -> Problem {
    let help = format!("the listener has no rights: choose a port from {FIRST_UNPRIVILEGED} on");
    Problem::new(Check::PrivilegedListen, span, message).help(help)
}

/// What else uses a port.
fn user_of(
    port: u16,
    reserved: &[Spanned<Reserved>],
    cluster: Option<&Spanned<Cluster>>,
) -> Option<&'static str> {
    let reserved: PortSet = reserved.iter().map(|one| one.get_ref().ports).collect();
    let cluster = cluster.map(|cluster| cluster.get_ref().ports.clone()).unwrap_or_default();
    let offset = Cluster::BUS_OFFSET;
    let users = [
        (reserved.contains(port), "a reserved port"),
        (cluster.contains(port), "a port of the cluster"),
        (reserved.shifted(offset).contains(port), "the bus port of a node on a reserved port"),
        (cluster.shifted(offset).contains(port), "a bus port of the cluster"),
        (port == SENTINEL, "the port of Redis Sentinel"),
        (port == SSH, "the port of SSH"),
    ];
    users.into_iter().find(|(uses, _)| *uses).map(|(_, user)| user)
}

/// The span of the reservation that uses the port or has it as its bus port, else of the cluster.
fn span_of_user(
    port: u16,
    reserved: &[Spanned<Reserved>],
    cluster: Option<&Spanned<Cluster>>,
) -> Range<usize> {
    let client_port = port.checked_sub(Cluster::BUS_OFFSET);
    let uses = |ports: PortRange| {
        ports.contains(port) || client_port.is_some_and(|port| ports.contains(port))
    };
    let reservation = reserved.iter().find(|one| uses(one.get_ref().ports)).map(Spanned::span);
    reservation.or(cluster.map(Spanned::span)).unwrap_or(0..0)
}
