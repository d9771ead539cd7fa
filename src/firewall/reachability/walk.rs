//! Leads the packets of one connection through all base chains, as the kernel does.
//!
//! Where something cannot be known, the walk guesses one answer, and is repeated with the other one.
//!
//! Runs nothing.

use super::condition::{Condition, Holds, Value};
use super::packet::{Connection, Kind, Packet, Tracking, Way};
use super::rule::{Action, Base, Hook, Rule, Ruleset, Step};
use crate::family::Family;
use std::collections::BTreeMap;

/// How deep chains may lead into each other: the kernel's own limit (`NFT_JUMP_STACK_SIZE`).
const JUMP_DEPTH: usize = 16;
/// Where nf_conntrack and NAT have their place, whatever priority a chain of the type nat has among its like
/// (`NF_IP_PRI_CONNTRACK`, `NF_IP_PRI_NAT_DST`, `NF_IP_PRI_NAT_SRC`).
const TRACKING: i64 = -200;
const TRANSLATION: i64 = -100;
const REPLY_TRANSLATION: i64 = 100;
/// How often a connection is followed with other guesses. More than that is not known at all.
const MOST_WALKS: usize = 128;

/// A rule, or the policy of a base chain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The base chain by its index.
    pub(super) base: usize,
    /// The chain that has the rule.
    pub(super) chain: usize,
    /// The rule by its index; `None` for the policy.
    pub(super) rule: Option<usize>,
}

/// What a packet must have, for a rule that lets it pass where it was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Seen {
    /// To a reserved port.
    ToReserved,
    /// To the listener, translated.
    ToListener,
    /// From the listener, to be translated back.
    FromListener,
    FromReserved,
    Discovery,
}

/// Where a packet is stopped, or led elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Obstruction {
    pub(super) place: Place,
    pub(super) seen: Seen,
}

/// What becomes of a connection: nothing stops it where no obstruction is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Known(Vec<Obstruction>),
    /// This decides, and cannot be judged.
    Unknown(Place),
}

/// The answers to what cannot be known.
#[derive(Default)]
struct Guesses {
    /// In the order in which they are asked for.
    planned: Vec<bool>,
    asked: Vec<(String, Place)>,
    known: BTreeMap<String, bool>,
}

impl Guesses {
    fn ask(&mut self, name: String, place: &Place) -> bool {
        if let Some(known) = self.known.get(&name) {
            return *known;
        }
        if self.planned.len() == self.asked.len() {
            self.planned.push(false);
        }
        let guess = self.planned[self.asked.len()];
        self.asked.push((name.clone(), place.clone()));
        self.known.insert(name, guess);
        guess
    }

    /// The next plan; `None` once all were tried.
    fn next(&self) -> Option<Vec<bool>> {
        let mut planned = self.planned.clone();
        while planned.pop()? {}
        planned.push(true);
        Some(planned)
    }
}

/// What becomes of a connection that an outsider opens. `queues` are those that a program reads.
pub(super) fn fate(ruleset: &Ruleset, way: &Way, queues: &[u16]) -> Fate {
    let mut walk = Walk { ruleset, queues, guesses: Guesses::default(), found: Vec::new() };
    walk.connection(way);
    let first = std::mem::take(&mut walk.found);
    for _ in 0..MOST_WALKS {
        let Some(planned) = walk.guesses.next() else { return Fate::Known(first) };
        let changed = planned.len() - 1;
        walk.guesses = Guesses { planned, ..Guesses::default() };
        walk.connection(way);
        let found = std::mem::take(&mut walk.found);
        if first.is_empty() != found.is_empty() {
            // All walks before this one had the same fate: the changed answer makes the difference.
            return Fate::Unknown(walk.guesses.asked[changed].1.clone());
        }
    }
    Fate::Unknown(walk.guesses.asked[0].1.clone())
}

/// How a packet leaves a chain.
enum End {
    Accepted,
    /// By a rule of a chain, or by the policy.
    Stopped(usize, Option<usize>),
    Returned,
}

struct Walk<'a> {
    ruleset: &'a Ruleset,
    queues: &'a [u16],
    guesses: Guesses,
    found: Vec<Obstruction>,
}

impl Walk<'_> {
    fn connection(&mut self, way: &Way) {
        let discovery = [Kind::Solicitation, Kind::Advertisement];
        let discovers = way.family == Family::V6 && way.discovers;
        let first = discovery.into_iter().filter(|_| discovers);
        let mut connection = Connection { mark: Some(0), ..Connection::default() };
        for kind in first.chain([Kind::Syn, Kind::SynAck, Kind::Data, Kind::Notice]) {
            let mut packet = Packet::new(way, kind, connection);
            let hooks = if kind.is_inbound() { Hook::INBOUND } else { Hook::OUTBOUND };
            for hook in hooks {
                self.hook(hook, &mut packet);
            }
            connection = packet.connection;
        }
    }

    /// Leads a packet through a hook: where an obstruction is found, on as if it were not there, so that all are
    /// found.
    fn hook(&mut self, hook: Hook, packet: &mut Packet<'_>) {
        let ruleset = self.ruleset;
        let chains = ruleset.at(hook, packet.way.family);
        let nat: Vec<_> = chains.iter().copied().filter(|(_, base)| base.is_nat).collect();
        let mut is_tracked = !matches!(hook, Hook::Prerouting | Hook::Output);
        let translation = match hook {
            Hook::Prerouting => TRANSLATION,
            _ => REPLY_TRANSLATION,
        };
        let mut is_translated = !matches!(hook, Hook::Prerouting | Hook::Input | Hook::Postrouting);
        for (index, base) in chains.into_iter().filter(|(_, base)| !base.is_nat) {
            if base.priority > TRACKING && !is_tracked {
                is_tracked = true;
                Self::track(packet);
            }
            if base.priority > translation && !is_translated {
                is_translated = true;
                self.translate(hook, &nat, packet);
            }
            if self.meets(hook, base, index, packet) {
                self.base(index, packet);
            }
        }
        if !is_tracked {
            Self::track(packet);
        }
        if !is_translated {
            self.translate(hook, &nat, packet);
        }
    }

    /// Whether a packet comes by a base chain.
    fn meets(&mut self, hook: Hook, base: &Base, index: usize, packet: &Packet<'_>) -> bool {
        if hook.is_bridge() {
            return packet.way.is_bridge;
        }
        if !hook.is_of_device() {
            return true;
        }
        if base.devices.is_empty() {
            // nft did not say which.
            let place = Place { base: index, chain: index, rule: None };
            return self.guesses.ask(format!("device of {index}"), &place);
        }
        base.devices.contains(&packet.way.interface)
    }

    fn track(packet: &mut Packet<'_>) {
        if packet.tracking == Tracking::NotYet {
            // The kernel does not track neighbour discovery.
            let tracks = !packet.kind.is_discovery();
            packet.tracking = if tracks { Tracking::Tracked } else { Tracking::Untracked };
        }
    }

    fn translate(&mut self, hook: Hook, nat: &[(usize, &Base)], packet: &mut Packet<'_>) {
        if packet.kind.is_discovery() {
            return;
        }
        // Only the first packet of a connection meets the rules; the others are translated like it.
        if packet.kind == Kind::Syn {
            let mut order: Vec<usize> = nat.iter().map(|(index, _)| *index).collect();
            for pair in 1..nat.len() {
                let chains = [nat[pair - 1].0, nat[pair].0];
                let have_rules =
                    chains.iter().all(|index| !self.ruleset.chains[*index].rules.is_empty());
                if nat[pair - 1].1.priority == nat[pair].1.priority && have_rules {
                    // The one that was made last comes first, and nothing lists when that was.
                    let place = Place { base: chains[1], chain: chains[1], rule: None };
                    if self.guesses.ask(format!("order of {chains:?}"), &place) {
                        order.swap(pair - 1, pair);
                    }
                }
            }
            for index in order {
                self.base(index, packet);
                if packet.is_translated && hook == Hook::Prerouting {
                    break;
                }
            }
        }
        match hook {
            Hook::Prerouting => packet.is_translated = true,
            Hook::Postrouting => packet.is_translated = false,
            _ => {}
        }
    }

    fn base(&mut self, index: usize, packet: &mut Packet<'_>) {
        let chain = &self.ruleset.chains[index];
        let drops = chain.base.as_ref().is_some_and(|base| base.drops);
        match self.chain(index, index, packet, JUMP_DEPTH) {
            End::Stopped(chain, rule) => self.obstructed(index, chain, rule, packet),
            End::Returned if drops => self.obstructed(index, index, None, packet),
            End::Returned | End::Accepted => {}
        }
    }

    fn obstructed(&mut self, base: usize, chain: usize, rule: Option<usize>, packet: &Packet<'_>) {
        let seen = match (packet.kind.is_inbound(), packet.is_translated) {
            _ if packet.kind.is_discovery() => Seen::Discovery,
            (true, false) => Seen::ToReserved,
            (true, true) => Seen::ToListener,
            (false, true) => Seen::FromListener,
            (false, false) => Seen::FromReserved,
        };
        let obstruction = Obstruction { place: Place { base, chain, rule }, seen };
        if !self.found.contains(&obstruction) {
            self.found.push(obstruction);
        }
    }

    fn chain(&mut self, base: usize, index: usize, packet: &mut Packet<'_>, depth: usize) -> End {
        let ruleset = self.ruleset;
        for (number, rule) in ruleset.chains[index].rules.iter().enumerate() {
            let place = Place { base, chain: index, rule: Some(number) };
            if let Some(end) = self.rule(rule, &place, packet, depth) {
                return end;
            }
        }
        End::Returned
    }

    /// How a packet leaves the chain by a rule; `None` where it goes on to the next one.
    fn rule(
        &mut self,
        rule: &Rule,
        place: &Place,
        packet: &mut Packet<'_>,
        depth: usize,
    ) -> Option<End> {
        for step in &rule.steps {
            match step {
                Step::If(condition) => {
                    if !self.holds(condition, place, packet) {
                        return None;
                    }
                }
                Step::Choose(choices) => {
                    let mut choices = choices.iter();
                    let (_, action) =
                        choices.find(|(condition, _)| self.holds(condition, place, packet))?;
                    if let Some(end) = self.act(action, place, packet, depth) {
                        return Some(end);
                    }
                }
                Step::Do(action) => {
                    if let Some(end) = self.act(action, place, packet, depth) {
                        return Some(end);
                    }
                }
            }
        }
        None
    }

    fn holds(&mut self, condition: &Condition, place: &Place, packet: &Packet<'_>) -> bool {
        match condition.holds(|field| packet.value(field)) {
            Holds::Yes => true,
            Holds::No => false,
            Holds::Unknown => {
                let direction = if packet.kind.is_inbound() { "in" } else { "out" };
                let name = format!("{direction} {}", condition.name());
                self.guesses.ask(name, place) != condition.is_negated
            }
        }
    }

    fn act(
        &mut self,
        action: &Action,
        place: &Place,
        packet: &mut Packet<'_>,
        depth: usize,
    ) -> Option<End> {
        let stopped = || Some(End::Stopped(place.chain, place.rule));
        match action {
            Action::Accept => return Some(End::Accepted),
            Action::Drop => return stopped(),
            Action::Return => return Some(End::Returned),
            Action::Jump(chain) | Action::Goto(chain) if depth > 0 => {
                let end = self.chain(place.base, *chain, packet, depth - 1);
                let is_back = matches!((&end, action), (End::Returned, Action::Jump(_)));
                return (!is_back).then_some(end);
            }
            Action::Jump(_) | Action::Goto(_) | Action::Nothing => {}
            Action::Translate { port, is_elsewhere } => {
                if packet.kind != Kind::Syn || packet.is_translated {
                    return None;
                }
                if *port == Some(packet.way.listener) && !is_elsewhere {
                    packet.is_translated = true;
                    return Some(End::Accepted);
                }
                // Led elsewhere: redisguard's own rule comes too late.
                return stopped();
            }
            Action::Untrack if packet.kind.is_discovery() => {
                if packet.tracking == Tracking::NotYet {
                    packet.tracking = Tracking::Untracked;
                }
            }
            Action::Untrack if packet.tracking == Tracking::NotYet => {
                // Nothing is translated without tracking. Followed on as if it were not there.
                self.obstructed(place.base, place.chain, place.rule, packet);
            }
            Action::Untrack => {}
            Action::SetMark(change) => packet.set_mark(*change, false),
            Action::SetConnectionMark(change) => packet.set_mark(*change, true),
            Action::SetHops(hops) => packet.hops = Value::Number(*hops),
            Action::Remember(list) => drop(packet.connection.remembered.insert(list.clone())),
            Action::Queue { first, last, bypass } => {
                let is_read = self.queues.iter().any(|queue| (first..=last).contains(&queue));
                let stops = if is_read {
                    self.guesses.ask(format!("queue {first}-{last}"), place)
                } else {
                    !bypass
                };
                return if stops { stopped() } else { Some(End::Accepted) };
            }
            Action::Unknown => {
                if self.guesses.ask(format!("{place:?}"), place) {
                    return stopped();
                }
            }
        }
        None
    }
}
