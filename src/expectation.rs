//! Owns what a bundle promises to a client of a port, by where the client stands. Pure.

use crate::bundle::GuardConfig;
use crate::probe::Outcome;
use crate::spec::{External, Listen};
use std::net::IpAddr;

/// Why a port is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It is reserved.
    Reserved,
    /// Outsiders are redirected to it, and may not come to it by themselves.
    NoticePort,
    /// It is one of the cluster's.
    Cluster,
    /// It shows that the host is up.
    Control,
}

impl Kind {
    /// In a word or two.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::NoticePort => "notice port",
            Self::Cluster => "cluster",
            Self::Control => "control",
        }
    }
}

/// Where a client stands, as the guard sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// On the host itself.
    Inside,
    /// In a network that the guard lets past.
    Allowed,
    /// Anywhere else.
    Outside,
}

impl Standing {
    /// That of a client with the address `from`, who connects to `to`.
    pub fn of(guard_config: &GuardConfig, from: IpAddr, to: IpAddr) -> Self {
        let (from, to) = (from.to_canonical(), to.to_canonical());
        if from == to || to.is_loopback() {
            Self::Inside
        } else if guard_config.allow.iter().any(|network| network.contains(&from)) {
            Self::Allowed
        } else {
            Self::Outside
        }
    }
}

/// What a client is to meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// No answer.
    Dropped,
    /// A reset.
    Refused,
    /// The sentence of this port.
    Notice,
    /// The sentence, or whoever else has the port.
    NoticeOrOpen,
    /// Whatever is there without the guard: never the notice.
    Untouched,
    /// Nothing: it is left to others.
    Nothing,
}

impl Promise {
    /// In a few words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Refused => "refused",
            Self::Notice => "notice",
            Self::NoticeOrOpen => "notice or open",
            Self::Untouched => "untouched",
            Self::Nothing => "nothing",
        }
    }

    /// Whether it was kept on a port.
    pub fn is_kept(self, port: u16, outcome: &Outcome) -> bool {
        let told = match outcome {
            Outcome::Notice(text) => {
                let named =
                    text.strip_prefix("-PORTCLOSED ").and_then(|text| text.split(' ').next());
                named.and_then(|named| named.parse().ok()) == Some(port)
            }
            _ => false,
        };
        match self {
            Self::Dropped => *outcome == Outcome::Silence,
            Self::Refused => *outcome == Outcome::Refused,
            Self::Notice => told,
            Self::NoticeOrOpen => told || matches!(outcome, Outcome::Served(_) | Outcome::Mute),
            Self::Untouched => !matches!(outcome, Outcome::Notice(_)),
            Self::Nothing => true,
        }
    }
}

/// The ports to ask for, each once, in the order of their kinds. `control` are those of the caller.
pub fn ports(guard_config: &GuardConfig, control: &[u16]) -> Vec<(Kind, u16)> {
    let reserved = guard_config.reserved.iter().flat_map(|reserved| reserved.ports.ports());
    let mut all: Vec<(Kind, u16)> = reserved.map(|port| (Kind::Reserved, port)).collect();
    if guard_config.redirects() {
        all.push((Kind::NoticePort, guard_config.notice));
    }
    all.extend(guard_config.cluster.ports().map(|port| (Kind::Cluster, port)));
    for port in control {
        if !all.iter().any(|(_, taken)| taken == port) {
            all.push((Kind::Control, *port));
        }
    }
    all
}

/// What a client who stands there is promised of a port.
pub fn promise(guard_config: &GuardConfig, standing: Standing, kind: Kind, port: u16) -> Promise {
    let reserved = guard_config.reserved.iter().find(|reserved| reserved.ports.contains(port));
    match (kind, standing) {
        (Kind::Cluster | Kind::Control, _) => Promise::Untouched,
        (_, Standing::Allowed) => Promise::Nothing,
        (Kind::NoticePort, Standing::Inside) => Promise::Nothing,
        (Kind::NoticePort, Standing::Outside) => Promise::Refused,
        (Kind::Reserved, Standing::Inside) => match reserved.map(|reserved| reserved.listen) {
            Some(Listen::Always) => Promise::Notice,
            Some(Listen::IfFree) => Promise::NoticeOrOpen,
            Some(Listen::Never) | None => Promise::Nothing,
        },
        (Kind::Reserved, Standing::Outside) => match reserved.map(|reserved| reserved.external) {
            Some(External::Drop) => Promise::Dropped,
            Some(External::Reject) => Promise::Refused,
            Some(External::Notice) => Promise::Notice,
            None => Promise::Nothing,
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const FACTS: &str = "bundle = \"b\"\nbackend = \"iptables\"\nexisting = \"cut\"\n\
        allow = [\"10.1.0.0/16\"]\ncluster = \"7000-7001\"\nnotice = 63790\nlog = \"\"\nlog-file = \"\"\n\
        [[reserved]]\nports = \"6379\"\nlabel = \"\"\nexternal = \"drop\"\nlisten = \"always\"\n\
        [[reserved]]\nports = \"6380\"\nlabel = \"\"\nexternal = \"notice\"\nlisten = \"if-free\"\n\
        [[reserved]]\nports = \"6381-6382\"\nlabel = \"\"\nexternal = \"reject\"\nlisten = \"never\"\n";

    #[test]
    fn a_client_stands_where_the_guard_sees_it() {
        let guard_config = GuardConfig::parse(FACTS).unwrap();
        let standing = |from: &str, to: &str| {
            Standing::of(&guard_config, from.parse().unwrap(), to.parse().unwrap())
        };
        assert_eq!(standing("192.0.2.1", "192.0.2.2"), Standing::Outside);
        assert_eq!(standing("10.1.2.3", "192.0.2.2"), Standing::Allowed);
        assert_eq!(standing("::ffff:10.1.2.3", "::ffff:192.0.2.2"), Standing::Allowed);
        assert_eq!(standing("10.1.2.3", "10.1.2.3"), Standing::Inside);
        assert_eq!(standing("::1", "::1"), Standing::Inside);
        assert_eq!(standing("127.0.0.1", "127.0.0.2"), Standing::Inside);
    }

    #[test]
    fn each_port_is_asked_for_once_and_promised_what_the_bundle_says() {
        let guard_config = GuardConfig::parse(FACTS).unwrap();
        let asked = ports(&guard_config, &[22, 7000]);
        let all = |standing| -> Vec<(u16, &str)> {
            let one = |(kind, port): &(Kind, u16)| {
                (*port, promise(&guard_config, standing, *kind, *port).words())
            };
            asked.iter().map(one).collect()
        };
        let others = [(7000, "untouched"), (7001, "untouched"), (22, "untouched")];
        let with_others = |own: [(u16, &'static str); 5]| [&own[..], &others].concat();
        assert_eq!(
            all(Standing::Outside),
            with_others([
                (6379, "dropped"),
                (6380, "notice"),
                (6381, "refused"),
                (6382, "refused"),
                (63790, "refused"),
            ])
        );
        assert_eq!(
            all(Standing::Inside),
            with_others([
                (6379, "notice"),
                (6380, "notice or open"),
                (6381, "nothing"),
                (6382, "nothing"),
                (63790, "nothing"),
            ])
        );
        assert_eq!(
            all(Standing::Allowed),
            with_others([6379, 6380, 6381, 6382, 63790].map(|port| (port, "nothing")))
        );
    }

    #[test]
    fn a_promise_is_kept_by_one_outcome_and_a_notice_by_that_of_the_port() {
        let notice = Outcome::Notice("-PORTCLOSED 6379 (x) is blocked here.".to_owned());
        let (served, failed) = (Outcome::Served(String::new()), Outcome::Failed(String::new()));
        let outcomes = [Outcome::Silence, Outcome::Refused, notice, served, Outcome::Mute, failed];
        let kept = |promise: Promise, port| {
            outcomes.iter().map(|outcome| u8::from(promise.is_kept(port, outcome))).collect()
        };
        let bits = |promise, port| -> Vec<u8> { kept(promise, port) };
        assert_eq!(bits(Promise::Dropped, 6379), [1, 0, 0, 0, 0, 0]);
        assert_eq!(bits(Promise::Refused, 6379), [0, 1, 0, 0, 0, 0]);
        assert_eq!(bits(Promise::Notice, 6379), [0, 0, 1, 0, 0, 0]);
        assert_eq!(bits(Promise::Notice, 637), [0, 0, 0, 0, 0, 0]);
        assert_eq!(bits(Promise::NoticeOrOpen, 6379), [0, 0, 1, 1, 1, 0]);
        assert_eq!(bits(Promise::Untouched, 7000), [1, 1, 0, 1, 1, 1]);
        assert_eq!(bits(Promise::Nothing, 6379), [1, 1, 1, 1, 1, 1]);
    }
}
