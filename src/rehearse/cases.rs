//! Owns what is tried and what is expected, from the bundle's guard config alone: pure, so that a bundle's
//! promise can be read without running anything.

use crate::bundle::GuardConfig;
use crate::probe::Outcome;
use crate::spec::{Cluster, External, Listen, PortSet};
use serde::Serialize;

/// Ports of nobody in the specification that must work as before.
const CONTROL: [u16; 2] = [22, 63999];
/// At most so many reservations and so many ports of the cluster are tried.
const MOST: usize = 24;

/// Where a client connects from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum From {
    /// 127.0.0.1 or ::1.
    Loopback,
    /// The host to its own address on the network.
    OwnAddress,
    /// Another machine.
    Outside,
}

impl From {
    /// As a reader of the table sees it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::OwnAddress => "own IP",
            Self::Outside => "outside",
        }
    }
}

/// What a client is to meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    /// No answer.
    Silence,
    /// A reset.
    Refused,
    /// Our sentence.
    Notice,
    /// The service on the port.
    Served,
}

impl Expected {
    /// In one word, the same as [`Outcome::word`].
    pub fn word(self) -> &'static str {
        match self {
            Self::Silence => "silence",
            Self::Refused => "refused",
            Self::Notice => "notice",
            Self::Served => "served",
        }
    }

    /// Whether that is what was met.
    pub fn is(self, outcome: &Outcome) -> bool {
        self.word() == outcome.word()
    }
}

/// One thing to try, over every family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where from.
    pub from: From,
    /// Which port.
    pub port: u16,
    /// What the port is.
    pub what: String,
    /// What is to be met.
    pub expected: Expected,
}

/// Everything to try. A service stands on every port that the listener does not take for sure, as a
/// Redis in production would.
pub fn rows(guard_config: &GuardConfig) -> Vec<Row> {
    let mut ports: Vec<(u16, String, Expected, Expected)> = Vec::new();
    for reserved in guard_config.reserved.iter().take(MOST) {
        let local = match reserved.listen {
            Listen::Always => Expected::Notice,
            Listen::IfFree | Listen::Never => Expected::Served,
        };
        let outside = match reserved.external {
            External::Drop => Expected::Silence,
            External::Reject => Expected::Refused,
            External::Notice => Expected::Notice,
        };
        let (first, last) = (reserved.ports.first(), reserved.ports.last());
        for port in [first, last].into_iter().take(if first == last { 1 } else { 2 }) {
            ports.push((port, reserved.label.clone(), local, outside));
        }
    }
    if guard_config.redirects() {
        let direct = (guard_config.notice, "notice port, direct".to_owned());
        ports.push((direct.0, direct.1, Expected::Notice, Expected::Refused));
    }
    let mut untouched = |set: &PortSet, what: &str| {
        let tried = set.ports().take(MOST);
        ports.extend(tried.map(|port| (port, what.to_owned(), Expected::Served, Expected::Served)));
    };
    untouched(&guard_config.cluster, "cluster");
    untouched(&guard_config.cluster.shifted(Cluster::BUS_OFFSET), "cluster bus");
    let taken: PortSet = ports.iter().map(|(port, ..)| (*port).into()).collect();
    let free = CONTROL
        .into_iter()
        .filter(|port| !taken.contains(*port) && !guard_config.reserved_ports().contains(*port));
    ports.extend(
        free.map(|port| (port, "unrelated".to_owned(), Expected::Served, Expected::Served)),
    );
    let row = |from, port: &(u16, String, Expected, Expected)| Row {
        from,
        port: port.0,
        what: port.1.clone(),
        expected: if from == From::Outside { port.3 } else { port.2 },
    };
    let sides = [From::Loopback, From::OwnAddress, From::Outside];
    sides.into_iter().flat_map(|from| ports.iter().map(move |port| row(from, port))).collect()
}

/// The ports that a stand-in service takes in the rehearsal.
pub(super) fn served(rows: &[Row]) -> Vec<u16> {
    let local = rows.iter().filter(|row| row.from == From::Loopback);
    local.filter(|row| row.expected == Expected::Served).map(|row| row.port).collect()
}
