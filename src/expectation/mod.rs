//! What a client of a port must get, by where it connects from. `probe`, `rehearse` and the listener's health
//! check compare what they get with this one statement.
//!
//! Never: connects to anything.

mod outcome;

pub use self::outcome::{NOTICE_PREFIX, Outcome, OutcomeKind};

use crate::bundle::GuardConfig;
use crate::spec::{External, Listen};
use std::net::IpAddr;

/// What a port is to the guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PortRole {
    /// A reserved port.
    Reserved,
    /// The port that outsiders are redirected to. They must not reach it directly.
    NoticePort,
    /// A port of the Redis cluster or of its bus.
    Cluster,
    /// A port that the guard leaves alone; it shows that the host is up.
    Control,
}

impl PortRole {
    /// Its name in JSON and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::NoticePort => "notice port",
            Self::Cluster => "cluster",
            Self::Control => "control",
        }
    }
}

/// Where a client connects from, as the guard's rules tell clients apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The host itself.
    Local,
    /// A network in `allow`.
    Allowed,
    /// Any other address.
    Outside,
}

impl Origin {
    /// The origin of a client with the address `from` that connects to `to`.
    pub fn of(guard_config: &GuardConfig, from: IpAddr, to: IpAddr) -> Self {
        let (from, to) = (from.to_canonical(), to.to_canonical());
        // The kernel routes packets to one of its own addresses over the loopback interface.
        if from == to || to.is_loopback() {
            Self::Local
        } else if guard_config.allow.iter().any(|network| network.contains(&from)) {
            Self::Allowed
        } else {
            Self::Outside
        }
    }
}

/// What a client must get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expectation {
    /// No answer.
    Dropped,
    /// A reset.
    Refused,
    /// The notice of this port.
    Notice,
    /// The notice of this port, or the answer of another server that holds the port.
    NoticeOrOpen,
    /// Anything but the notice: the guard leaves the port alone.
    Untouched,
    /// Anything: the bundle makes no statement.
    Any,
}

/// What listens on a port, where that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occupant {
    /// redisguard's listener.
    Listener,
    /// Another server.
    Service,
}

impl Expectation {
    /// Its name in JSON and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Refused => "refused",
            Self::Notice => "notice",
            Self::NoticeOrOpen => "notice or open",
            Self::Untouched => "untouched",
            Self::Any => "nothing",
        }
    }

    /// Whether a client of `port` got what it must.
    pub fn is_met_by(self, port: u16, outcome: &Outcome) -> bool {
        // Another port's notice would mean that a redirect lost the original port.
        let is_notice = outcome.notice_port() == Some(port);
        match self {
            Self::Dropped => *outcome == Outcome::Silence,
            Self::Refused => *outcome == Outcome::Refused,
            Self::Notice => is_notice,
            Self::NoticeOrOpen => {
                is_notice || matches!(outcome, Outcome::Served(_) | Outcome::Mute)
            }
            Self::Untouched => outcome.kind() != OutcomeKind::Notice,
            Self::Any => true,
        }
    }

    /// The one outcome that is left where it is known what listens on the port.
    pub fn with_occupant(self, occupant: Occupant) -> OutcomeKind {
        match (self, occupant) {
            (Self::Dropped, _) => OutcomeKind::Silence,
            (Self::Refused, _) => OutcomeKind::Refused,
            (Self::Notice, _) => OutcomeKind::Notice,
            (Self::NoticeOrOpen | Self::Untouched | Self::Any, Occupant::Listener) => {
                OutcomeKind::Notice
            }
            (Self::NoticeOrOpen | Self::Untouched | Self::Any, Occupant::Service) => {
                OutcomeKind::Served
            }
        }
    }
}

/// What a client from `origin` must get at a port of this role.
pub fn expectation(
    guard_config: &GuardConfig,
    origin: Origin,
    role: PortRole,
    port: u16,
) -> Expectation {
    let reserved = guard_config.reserved.iter().find(|reserved| reserved.ports.contains(port));
    match (role, origin) {
        (PortRole::Cluster | PortRole::Control, _) => Expectation::Untouched,
        (_, Origin::Allowed) => Expectation::Any,
        (PortRole::NoticePort, Origin::Local) => Expectation::Any,
        (PortRole::NoticePort, Origin::Outside) => Expectation::Refused,
        (PortRole::Reserved, Origin::Local) => match reserved.map(|reserved| reserved.listen) {
            Some(Listen::Always) => Expectation::Notice,
            Some(Listen::IfFree) => Expectation::NoticeOrOpen,
            Some(Listen::Never) | None => Expectation::Any,
        },
        (PortRole::Reserved, Origin::Outside) => match reserved.map(|reserved| reserved.external) {
            Some(External::Drop) => Expectation::Dropped,
            Some(External::Reject) => Expectation::Refused,
            Some(External::Notice) => Expectation::Notice,
            None => Expectation::Any,
        },
    }
}

/// Every port that has a role, once, in the order of the roles. `control` ports are the caller's; one that
/// has another role keeps that.
pub fn ports(guard_config: &GuardConfig, control: &[u16]) -> Vec<(PortRole, u16)> {
    let reserved = guard_config.reserved.iter().flat_map(|reserved| reserved.ports.ports());
    let mut all: Vec<(PortRole, u16)> = reserved.map(|port| (PortRole::Reserved, port)).collect();
    if guard_config.redirects() {
        all.push((PortRole::NoticePort, guard_config.notice));
    }
    all.extend(guard_config.cluster.ports().map(|port| (PortRole::Cluster, port)));
    for port in control {
        if !all.iter().any(|(_, known)| known == port) {
            all.push((PortRole::Control, *port));
        }
    }
    all
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const GUARD_CONFIG: &str = "bundle = \"b\"\nbackend = \"iptables\"\nexisting = \"cut\"\n\
        allow = [\"10.1.0.0/16\"]\ncluster = \"7000-7001\"\nnotice = 63790\nlog = \"\"\nlog-file = \"\"\n\
        [[reserved]]\nports = \"6379\"\nlabel = \"\"\nexternal = \"drop\"\nlisten = \"always\"\n\
        [[reserved]]\nports = \"6380\"\nlabel = \"\"\nexternal = \"notice\"\nlisten = \"if-free\"\n\
        [[reserved]]\nports = \"6381-6382\"\nlabel = \"\"\nexternal = \"reject\"\nlisten = \"never\"\n";

    #[test]
    fn origins_are_those_that_the_rules_tell_apart() {
        let guard_config = GuardConfig::parse(GUARD_CONFIG).unwrap();
        let origin = |from: &str, to: &str| {
            Origin::of(&guard_config, from.parse().unwrap(), to.parse().unwrap())
        };
        assert_eq!(origin("192.0.2.1", "192.0.2.2"), Origin::Outside);
        assert_eq!(origin("10.1.2.3", "192.0.2.2"), Origin::Allowed);
        assert_eq!(origin("::ffff:10.1.2.3", "::ffff:192.0.2.2"), Origin::Allowed);
        assert_eq!(origin("10.1.2.3", "10.1.2.3"), Origin::Local);
        assert_eq!(origin("::1", "::1"), Origin::Local);
        assert_eq!(origin("127.0.0.1", "127.0.0.2"), Origin::Local);
    }

    #[test]
    fn every_port_is_listed_once_and_has_one_expectation_for_each_origin() {
        let guard_config = GuardConfig::parse(GUARD_CONFIG).unwrap();
        let ports = ports(&guard_config, &[22, 7000]);
        let all = |origin| -> Vec<(u16, &str)> {
            let one = |(role, port): &(PortRole, u16)| {
                (*port, expectation(&guard_config, origin, *role, *port).name())
            };
            ports.iter().map(one).collect()
        };
        let others = [(7000, "untouched"), (7001, "untouched"), (22, "untouched")];
        let with_others = |own: [(u16, &'static str); 5]| [&own[..], &others].concat();
        assert_eq!(
            all(Origin::Outside),
            with_others([
                (6379, "dropped"),
                (6380, "notice"),
                (6381, "refused"),
                (6382, "refused"),
                (63790, "refused"),
            ])
        );
        assert_eq!(
            all(Origin::Local),
            with_others([
                (6379, "notice"),
                (6380, "notice or open"),
                (6381, "nothing"),
                (6382, "nothing"),
                (63790, "nothing"),
            ])
        );
        assert_eq!(
            all(Origin::Allowed),
            with_others([6379, 6380, 6381, 6382, 63790].map(|port| (port, "nothing")))
        );
    }

    #[test]
    fn expectations_are_met_by_their_outcomes_and_a_notice_must_name_its_port() {
        let notice = Outcome::Notice("-PORTCLOSED 6379 (x) is blocked here.".to_owned());
        let (served, failed) = (Outcome::Served(String::new()), Outcome::Failed(String::new()));
        let outcomes = [Outcome::Silence, Outcome::Refused, notice, served, Outcome::Mute, failed];
        let bits = |expectation: Expectation, port| -> Vec<u8> {
            let met = outcomes.iter().map(|outcome| expectation.is_met_by(port, outcome));
            met.map(u8::from).collect()
        };
        assert_eq!(bits(Expectation::Dropped, 6379), [1, 0, 0, 0, 0, 0]);
        assert_eq!(bits(Expectation::Refused, 6379), [0, 1, 0, 0, 0, 0]);
        assert_eq!(bits(Expectation::Notice, 6379), [0, 0, 1, 0, 0, 0]);
        assert_eq!(bits(Expectation::Notice, 637), [0, 0, 0, 0, 0, 0]);
        assert_eq!(bits(Expectation::NoticeOrOpen, 6379), [0, 0, 1, 1, 1, 0]);
        assert_eq!(bits(Expectation::Untouched, 7000), [1, 1, 0, 1, 1, 1]);
        assert_eq!(bits(Expectation::Any, 6379), [1, 1, 1, 1, 1, 1]);
    }
}
