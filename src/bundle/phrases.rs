//! Phrases for the documents: what a spec says, in English with the right number.
//!
//! Guarantees: no text of the TOML is in a phrase, so templates may render phrases unescaped.

use crate::spec::{Cluster, External, Listen, PortRange, PortSet, Reserved, Spec};

/// Joins items as a sentence does: `1`, `1 and 2`, `1, 2 and 3`.
fn listed(items: impl Iterator<Item = String>) -> String {
    let mut items: Vec<String> = items.collect();
    match items.pop() {
        Some(last) if items.is_empty() => last,
        Some(last) => format!("{} and {last}", items.join(", ")),
        None => String::new(),
    }
}

/// Phrases about ports.
impl PortSet {
    pub(super) fn is_plural(&self) -> bool {
        self.len() > 1
    }

    pub(super) fn noun(&self) -> &'static str {
        if self.is_plural() { "ports" } else { "port" }
    }

    pub(super) fn listed(&self) -> String {
        listed(self.ranges().iter().map(ToString::to_string))
    }
}

/// How many of the reservations satisfy a condition.
enum Share {
    None,
    /// These, as `port 6379` or `ports 6379 and 6380`.
    Some(String),
    All,
}

/// Phrases about the whole spec.
impl Spec {
    pub(super) fn reserved_listed(&self) -> String {
        listed(self.reserved.iter().map(|reserved| reserved.ports.to_string()))
    }

    /// The cluster's client ports whose bus port would be above 65535; empty where there are none.
    pub(super) fn ports_without_bus(&self) -> String {
        let has_no_bus = |port: &u16| port.checked_add(Cluster::BUS_OFFSET).is_none();
        let ports = self.cluster.ports.ports().filter(has_no_bus).map(PortRange::from);
        ports.collect::<PortSet>().listed()
    }

    /// How many of the reservations satisfy a condition.
    fn share(&self, condition: impl Fn(&Reserved) -> bool) -> Share {
        let matching: Vec<&Reserved> =
            self.reserved.iter().filter(|reserved| condition(reserved)).collect();
        if matching.is_empty() {
            return Share::None;
        }
        if matching.len() == self.reserved.len() {
            return Share::All;
        }
        let ports: PortSet = matching.iter().map(|reserved| reserved.ports).collect();
        let numbers = listed(matching.iter().map(|reserved| reserved.ports.to_string()));
        Share::Some(format!("{} {numbers}", ports.noun()))
    }

    /// The ports with this treatment of outsiders, as `port 6379`; empty where there are none.
    pub(super) fn ports_with(&self, external: External) -> String {
        match self.share(|reserved| reserved.external == external) {
            Share::None => String::new(),
            Share::Some(ports) => ports,
            Share::All => format!("{} {}", self.reserved_ports().noun(), self.reserved_listed()),
        }
    }

    /// Whether the listener answers on any port.
    pub(super) fn shows_notice(&self) -> bool {
        self.reserved.iter().any(Reserved::shows_notice)
    }

    /// The reservations that serve as examples: all if there are few, else the first of each kind.
    pub(super) fn examples(&self) -> Vec<&Reserved> {
        const FEW: usize = 8;
        let kind = |reserved: &Reserved| (reserved.external, reserved.listen);
        let is_first = |(index, one): &(usize, &Reserved)| {
            !self.reserved[..*index].iter().any(|earlier| kind(earlier) == kind(one))
        };
        match self.reserved.len() {
            0..=FEW => self.reserved.iter().collect(),
            _ => self.reserved.iter().enumerate().filter(is_first).map(|(_, one)| one).collect(),
        }
    }

    /// Whether the examples leave reservations out.
    pub(super) fn has_more_than_examples(&self) -> bool {
        self.examples().len() < self.reserved.len()
    }

    /// Why clients connect to the reserved ports at all.
    pub(super) fn why_clients_use_reserved_ports(&self) -> &'static str {
        const DEFAULT: u16 = 6379;
        let ports = self.reserved_ports();
        match (ports.contains(DEFAULT), ports.is_plural()) {
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

    /// Whether clients from outside get the notice.
    pub(super) fn notice_outside(&self) -> String {
        match self.share(|reserved| reserved.external == External::Notice) {
            Share::All => {
                "Whoever still connects from outside is told where to go instead.".to_owned()
            }
            Share::Some(ports) => format!(
                "Whoever still connects from outside to {ports} is told where to go instead; \
                 at the others nobody is."
            ),
            Share::None => {
                format!(
                    "Whoever still connects from outside is not told, but {}.",
                    self.blocked().unwrap_or_default().0
                )
            }
        }
    }

    /// Whether any reservation treats outsiders so.
    fn has_external(&self, external: External) -> bool {
        self.reserved.iter().any(|reserved| reserved.external == external)
    }

    /// Whether any reservation has the listener do so.
    pub(super) fn has_listen(&self, listen: Listen) -> bool {
        self.reserved.iter().any(|reserved| reserved.listen == listen)
    }

    /// How outsiders are blocked, as a clause and as a participle; `None` where all are redirected.
    pub(super) fn blocked(&self) -> Option<(&'static str, &'static str)> {
        match (self.has_external(External::Drop), self.has_external(External::Reject)) {
            (true, true) => Some(("meets silence or is refused", "dropped or reset")),
            (true, false) => Some(("meets silence", "dropped")),
            (false, true) => Some(("is refused", "reset")),
            (false, false) => None,
        }
    }

    /// Whether clients on the host itself get the notice.
    pub(super) fn notice_on_host(&self) -> String {
        let unless = if self.has_listen(Listen::IfFree) {
            ", unless a Redis of the host's own holds the port"
        } else {
            ""
        };
        match self.share(|reserved| reserved.listen != Listen::Never) {
            Share::All => format!("On the host itself, whoever connects is told{unless}."),
            Share::Some(ports) => {
                format!("On the host itself, whoever connects to {ports} is told{unless}.")
            }
            Share::None => "On the host itself nobody is told.".to_owned(),
        }
    }
}

/// Phrases about one reservation.
impl Reserved {
    pub(super) fn shows_notice(&self) -> bool {
        self.external == External::Notice || self.listen != Listen::Never
    }

    /// The subject of a sentence, and its verb.
    pub(super) fn subject_and_verb(&self) -> String {
        let (noun, verb) = if self.ports.is_single() { ("Port", "is") } else { ("Ports", "are") };
        format!("{noun} {} {verb}", self.ports)
    }

    pub(super) fn outside_summary(&self) -> &'static str {
        match self.external {
            External::Drop => "silence (dropped)",
            External::Reject => "a refused connection (reset)",
            External::Notice => "the notice",
        }
    }

    pub(super) fn local_summary(&self) -> &'static str {
        match self.listen {
            Listen::Always => "the notice",
            Listen::IfFree => "a Redis that runs there, else the notice",
            Listen::Never => "whatever runs there",
        }
    }

    pub(super) fn listener_note(&self) -> &'static str {
        match self.listen {
            Listen::Always => "listens here",
            Listen::IfFree => "listens here if nothing else does",
            Listen::Never => "does not listen here",
        }
    }

    pub(super) fn listener_clause(&self) -> String {
        let ports = format!("{} {}", PortSet::from(self.ports).noun(), self.ports);
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

    /// The prefix of a command that would otherwise wait minutes for dropped packets.
    pub(super) fn timeout_prefix(&self) -> &'static str {
        if self.external == External::Drop { "timeout 5 " } else { "" }
    }
}
