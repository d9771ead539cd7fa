//! The cases of a rehearsal: which ports are tried, from where, and what must be observed.
//!
//! Never: connects to anything. The cases follow from the bundle's guard config alone.

use crate::bundle::GuardConfig;
use crate::expectation::{Expectation, Occupant, Origin, OutcomeKind, PortRole, expectation};
use crate::spec::Cluster;
use serde::Serialize;

/// Ports outside of the specification, which must work as before.
const CONTROL: [u16; 2] = [22, 63999];
/// The most reservations, and the most ports of the cluster and of its bus, that are tried: each attempt
/// that is dropped takes a time-out.
const MAX_PORTS: usize = 24;

/// Where a client of the rehearsal connects from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Vantage {
    /// The host, to 127.0.0.1 or ::1.
    Loopback,
    /// The host, to its own address on the network.
    OwnAddress,
    /// Another machine.
    Outside,
}

impl Vantage {
    const ALL: [Vantage; 3] = [Self::Loopback, Self::OwnAddress, Self::Outside];

    /// Its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::OwnAddress => "own IP",
            Self::Outside => "outside",
        }
    }

    fn origin(self) -> Origin {
        match self {
            Self::Loopback | Self::OwnAddress => Origin::Local,
            Self::Outside => Origin::Outside,
        }
    }
}

/// A port of one vantage point, tried over every family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Where the client connects from.
    pub from: Vantage,
    /// The port.
    pub port: u16,
    /// What the port is for.
    pub service: String,
    /// What must be observed.
    pub expected: OutcomeKind,
}

/// A port that is tried from every vantage point.
struct TriedPort {
    port: u16,
    role: PortRole,
    service: String,
}

/// Every case. A stub server runs on every port that the listener does not surely take, as a Redis in
/// production would: a port that the guard should leave alone must show its answer.
pub fn cases(guard_config: &GuardConfig) -> Vec<Case> {
    let ports = tried_ports(guard_config);
    let case = |from: Vantage, tried: &TriedPort| {
        let TriedPort { port, role, service } = tried;
        let expectation = expectation(guard_config, from.origin(), *role, *port);
        let expected = expectation.with_occupant(occupant(guard_config, tried));
        Case { from, port: *port, service: service.clone(), expected }
    };
    let from_all = Vantage::ALL.into_iter();
    from_all.flat_map(|from| ports.iter().map(move |tried| case(from, tried))).collect()
}

/// What holds a port in the rehearsal: the listener where local clients must get the notice, and on the
/// notice port; elsewhere a stub server.
fn occupant(guard_config: &GuardConfig, &TriedPort { port, role, .. }: &TriedPort) -> Occupant {
    let local = expectation(guard_config, Origin::Local, role, port);
    match local == Expectation::Notice || role == PortRole::NoticePort {
        true => Occupant::Listener,
        false => Occupant::Service,
    }
}

/// The first and the last port of each reservation, the notice port, the cluster's, and some others.
fn tried_ports(guard_config: &GuardConfig) -> Vec<TriedPort> {
    let mut ports: Vec<TriedPort> = Vec::new();
    let mut add = |role, port, service: &str| {
        ports.push(TriedPort { port, role, service: service.to_owned() });
    };
    for reserved in guard_config.reserved.iter().take(MAX_PORTS) {
        add(PortRole::Reserved, reserved.ports.first(), &reserved.label);
        if !reserved.ports.is_single() {
            add(PortRole::Reserved, reserved.ports.last(), &reserved.label);
        }
    }
    if guard_config.redirects() {
        add(PortRole::NoticePort, guard_config.notice, "notice port, direct");
    }
    let bus = guard_config.cluster.shifted(Cluster::BUS_OFFSET);
    for (set, service) in [(&guard_config.cluster, "cluster"), (&bus, "cluster bus")] {
        set.ports().take(MAX_PORTS).for_each(|port| add(PortRole::Cluster, port, service));
    }
    let reserved = guard_config.reserved_ports();
    for port in CONTROL {
        if !reserved.contains(port) && !ports.iter().any(|tried| tried.port == port) {
            ports.push(TriedPort {
                port,
                role: PortRole::Control,
                service: "unrelated".to_owned(),
            });
        }
    }
    ports
}

/// The ports that stub servers take: those on which a local client must be served.
pub(super) fn stub_ports(cases: &[Case]) -> Vec<u16> {
    let local = cases.iter().filter(|case| case.from == Vantage::Loopback);
    local.filter(|case| case.expected == OutcomeKind::Served).map(|case| case.port).collect()
}
