//! Owns the words that documents use for what a spec says: numbers and persons agree, and nothing is
//! said of a port that does not hold for it. What it returns holds no text of the TOML.

use crate::spec::{Cluster, External, Listen, PortRange, PortSet, Reserved, Spec};

/// Items as a sentence lists them: `1`, `1 and 2`, `1, 2 and 3`.
fn listed(items: impl Iterator<Item = String>) -> String {
    let mut items: Vec<String> = items.collect();
    match items.pop() {
        Some(last) if items.is_empty() => last,
        Some(last) => format!("{} and {last}", items.join(", ")),
        None => String::new(),
    }
}

fn is_plural(ports: &PortSet) -> bool {
    ports.len() > 1
}

fn noun(ports: &PortSet) -> &'static str {
    if is_plural(ports) { "ports" } else { "port" }
}

/// Whether something holds for some of the ports, all or none.
enum Share {
    None,
    /// For these, with their noun.
    Some(String),
    All,
}

/// The words for a site.
impl Spec {
    pub(super) fn reserved_is_plural(&self) -> bool {
        is_plural(&self.reserved_ports())
    }

    pub(super) fn reserved_noun(&self) -> &'static str {
        noun(&self.reserved_ports())
    }

    pub(super) fn reserved_listed(&self) -> String {
        listed(self.reserved.iter().map(|reserved| reserved.ports.to_string()))
    }

    pub(super) fn cluster_is_plural(&self) -> bool {
        is_plural(&self.cluster.ports)
    }

    pub(super) fn cluster_noun(&self) -> &'static str {
        noun(&self.cluster.ports)
    }

    pub(super) fn cluster_listed(&self) -> String {
        listed(self.cluster.ports.ranges().iter().map(ToString::to_string))
    }

    /// The cluster's ports that no bus port can be 10000 above of; empty where there are none.
    pub(super) fn ports_without_bus(&self) -> String {
        let beyond = |port: &u16| port.checked_add(Cluster::BUS_OFFSET).is_none();
        let ports: PortSet =
            self.cluster.ports.ports().filter(beyond).map(PortRange::from).collect();
        listed(ports.ranges().iter().map(ToString::to_string))
    }

    /// Of how many ports this holds.
    fn share(&self, holds: impl Fn(&Reserved) -> bool) -> Share {
        let those: Vec<&Reserved> =
            self.reserved.iter().filter(|reserved| holds(reserved)).collect();
        if those.is_empty() {
            return Share::None;
        }
        if those.len() == self.reserved.len() {
            return Share::All;
        }
        let ports: PortSet = those.iter().map(|reserved| reserved.ports).collect();
        let numbers = listed(those.iter().map(|reserved| reserved.ports.to_string()));
        Share::Some(format!("{} {numbers}", noun(&ports)))
    }

    /// The ports whose outsiders meet this, with their noun; empty where there are none.
    pub(super) fn ports_that(&self, external: External) -> String {
        match self.share(|reserved| reserved.external == external) {
            Share::None => String::new(),
            Share::Some(ports) => ports,
            Share::All => format!("{} {}", self.reserved_noun(), self.reserved_listed()),
        }
    }

    /// Whether anybody can reach the listener.
    pub(super) fn tells_anybody(&self) -> bool {
        self.reserved.iter().any(Reserved::tells_anybody)
    }

    /// Whether everybody from outside is told.
    pub(super) fn tells_everybody_outside(&self) -> bool {
        self.reserved.iter().all(|reserved| reserved.external == External::Notice)
    }

    /// The reservations that are shown as examples: all of a few, else the first of each kind.
    pub(super) fn examples(&self) -> Vec<&Reserved> {
        const FEW: usize = 8;
        let kind = |reserved: &Reserved| (reserved.external, reserved.listen);
        let is_first = |(place, one): &(usize, &Reserved)| {
            !self.reserved[..*place].iter().any(|earlier| kind(earlier) == kind(one))
        };
        match self.reserved.len() {
            0..=FEW => self.reserved.iter().collect(),
            _ => self.reserved.iter().enumerate().filter(is_first).map(|(_, one)| one).collect(),
        }
    }

    /// Whether not every reservation is among the examples.
    pub(super) fn has_more_than_examples(&self) -> bool {
        self.examples().len() < self.reserved.len()
    }

    /// Why people go to the reserved ports at all.
    pub(super) fn why_people_go_there(&self) -> &'static str {
        const DEFAULT: u16 = 6379;
        let ports = self.reserved_ports();
        match (ports.contains(DEFAULT), is_plural(&ports)) {
            (true, true) => {
                "Redis listens on port 6379 unless it is told otherwise, so that port, and others that \
                 were handed out before the cluster, are where people and old configurations go first."
            }
            (true, false) => {
                "Redis listens on port 6379 unless it is told otherwise, so that is where people and \
                 old configurations go first."
            }
            (false, _) => {
                "Ports that were handed out before the cluster are where people and old \
                 configurations go first."
            }
        }
    }

    /// What users from outside are told.
    pub(super) fn told_outside(&self) -> String {
        match self.share(|reserved| reserved.external == External::Notice) {
            Share::All => {
                "Whoever still connects from outside is told where to go instead.".to_owned()
            }
            Share::Some(ports) => format!(
                "Whoever still connects from outside to {ports} is told where to go instead; \
                 at the others nobody is."
            ),
            Share::None => {
                format!("Whoever still connects from outside is not told, but {}.", self.stopped())
            }
        }
    }

    /// What becomes of outsiders who are not told.
    fn stopped(&self) -> &'static str {
        let any = |external| self.reserved.iter().any(|reserved| reserved.external == external);
        match (any(External::Drop), any(External::Reject)) {
            (true, true) => "meets silence or is refused",
            (true, false) => "meets silence",
            _ => "is refused",
        }
    }

    /// How outsiders who are not told are stopped; `None` where all are told.
    pub(super) fn stopped_how(&self) -> Option<&'static str> {
        let any = |external| self.reserved.iter().any(|reserved| reserved.external == external);
        match (any(External::Drop), any(External::Reject)) {
            (true, true) => Some("dropped or reset"),
            (true, false) => Some("dropped"),
            (false, true) => Some("reset"),
            (false, false) => None,
        }
    }

    /// What users on the host itself are told.
    pub(super) fn told_inside(&self) -> String {
        let gives_way = self.reserved.iter().any(|reserved| reserved.listen == Listen::IfFree);
        let unless =
            if gives_way { ", unless a Redis of the host's own holds the port" } else { "" };
        match self.share(|reserved| reserved.listen != Listen::Never) {
            Share::All => format!("On the host itself, whoever connects is told{unless}."),
            Share::Some(ports) => {
                format!("On the host itself, whoever connects to {ports} is told{unless}.")
            }
            Share::None => "On the host itself nobody is told.".to_owned(),
        }
    }
}

/// The words for a reservation.
impl Reserved {
    fn tells_anybody(&self) -> bool {
        self.external == External::Notice || self.listen != Listen::Never
    }

    fn is_plural(&self) -> bool {
        self.ports.first() != self.ports.last()
    }

    /// The subject of a sentence, and its verb.
    pub(super) fn is(&self) -> String {
        let (noun, verb) = if self.is_plural() { ("Ports", "are") } else { ("Port", "is") };
        format!("{noun} {} {verb}", self.ports)
    }

    pub(super) fn outsiders_meet(&self) -> &'static str {
        match self.external {
            External::Drop => "silence (dropped)",
            External::Reject => "a refused connection (reset)",
            External::Notice => "the notice",
        }
    }

    pub(super) fn locals_meet(&self) -> &'static str {
        match self.listen {
            Listen::Always => "the notice",
            Listen::IfFree => "a Redis that runs there, else the notice",
            Listen::Never => "whatever runs there",
        }
    }

    pub(super) fn listener_stands(&self) -> &'static str {
        match self.listen {
            Listen::Always => "listens here",
            Listen::IfFree => "listens here if nothing else does",
            Listen::Never => "does not listen here",
        }
    }

    pub(super) fn listener_does(&self) -> String {
        let ports = format!("{} {}", noun(&self.ports.into()), self.ports);
        match self.listen {
            Listen::Always => format!("listens on {ports};"),
            Listen::IfFree => {
                format!(
                    "listens on {ports} if nothing else does: a Redis that runs there keeps it;"
                )
            }
            Listen::Never => format!("does not listen on {ports};"),
        }
    }

    pub(super) fn local_outcome(&self) -> &'static str {
        match self.listen {
            Listen::Always => "shows the notice",
            Listen::IfFree => "shows the notice, or the Redis that runs there answers",
            Listen::Never => "is refused, or what runs there answers",
        }
    }

    pub(super) fn outside_outcome(&self) -> &'static str {
        match self.external {
            External::Drop => "shows nothing until it is ended: the packets are dropped",
            External::Reject => "is refused at once",
            External::Notice => "shows the notice",
        }
    }

    /// What keeps a client from waiting minutes for an answer.
    pub(super) fn patience(&self) -> &'static str {
        if self.external == External::Drop { "timeout 5 " } else { "" }
    }
}
