//! Owns the judgement of the ports that the listener takes for itself: nobody else uses them.

use super::{PlacedReserved, SSH};
use crate::spec::diagnostics::{Check, Problem};
use crate::spec::parse::Placed;
use crate::spec::{Cluster, PortRange, PortSet};

/// The port of Redis Sentinel.
const SENTINEL: u16 = 26379;

/// The notice port is nobody else's.
pub(in crate::spec) fn notice_port_apart(
    notice: &Placed<u16>,
    reserved: &[PlacedReserved],
    cluster: Option<&Placed<Cluster>>,
    problems: &mut Vec<Problem>,
) {
    let port = notice.value;
    let bus = |port: u16| port.checked_sub(Cluster::BUS_OFFSET);
    let held = |range: PortRange| {
        range.contains(port) || bus(port).is_some_and(|port| range.contains(port))
    };
    let taker = reserved.iter().find(|(port, _)| held(port.value)).map(|(port, _)| &port.span);
    let taker = taker.or(cluster.map(|cluster| &cluster.span)).cloned().unwrap_or(0..0);
    if let Some(what) = taken_by(port, reserved, cluster) {
        let message = format!("the notice port {port} is {what}");
        // A default has no place in the text: what takes it has.
        let place = if notice.span.is_empty() { taker } else { notice.span.clone() };
        let problem = Problem::new(Check::NoticePort, place, message);
        problems.push(problem.help("choose a port that nothing else uses; 63790 is the default"));
    } else if port < 1024 {
        let message = format!("the notice port {port} is below 1024");
        let problem = Problem::new(Check::PrivilegedListen, notice.span.clone(), message);
        problems.push(problem.help("the listener has no rights: choose a port from 1024 on"));
    }
}

/// What else uses a port.
fn taken_by(
    port: u16,
    reserved: &[PlacedReserved],
    cluster: Option<&Placed<Cluster>>,
) -> Option<&'static str> {
    let reserved: PortSet = reserved.iter().map(|(port, _)| port.value).collect();
    let cluster = cluster.map(|cluster| cluster.value.ports.clone()).unwrap_or_default();
    let offset = Cluster::BUS_OFFSET;
    let taken = [
        (reserved.contains(port), "a reserved port"),
        (cluster.contains(port), "a port of the cluster"),
        (reserved.shifted(offset).contains(port), "the bus port of a node on a reserved port"),
        (cluster.shifted(offset).contains(port), "a bus port of the cluster"),
        (port == SENTINEL, "the port of Redis Sentinel"),
        (port == SSH, "the port of SSH"),
    ];
    taken.into_iter().find(|(taken, _)| *taken).map(|(_, what)| what)
}

/// The port for metrics is nobody else's.
pub(in crate::spec) fn scrape_port_apart(
    scrape: &Placed<u16>,
    notice: &Placed<u16>,
    reserved: &[PlacedReserved],
    cluster: Option<&Placed<Cluster>>,
    problems: &mut Vec<Problem>,
) {
    let port = scrape.value;
    let taker = taken_by(port, reserved, cluster);
    if let Some(what) = taker.or((port == notice.value).then_some("the notice port")) {
        let message = format!("the port {port} for metrics is {what}");
        let problem = Problem::new(Check::MetricsPort, scrape.span.clone(), message);
        problems.push(problem.help("choose a port that nothing else uses, such as 9637"));
    } else if port < 1024 {
        let message = format!("the port {port} for metrics is below 1024");
        let problem = Problem::new(Check::PrivilegedListen, scrape.span.clone(), message);
        problems.push(problem.help("the listener has no rights: choose a port from 1024 on"));
    }
}
