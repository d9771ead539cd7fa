//! Leads packets through base chains, as the kernel does. Runs nothing.

use super::condition::{Condition, Field, Holds, Value};
use super::guesses::Guesses;
use super::packet::{Destination, Kind, Packet, Tracking};
use super::rule::{Action, Base, Hook, Place, Rule, Ruleset, Step};

/// How deep chains may lead into each other: the kernel's own limit (`NFT_JUMP_STACK_SIZE`).
const JUMP_DEPTH: usize = 16;
/// Where nf_conntrack and NAT have their place, whatever priority a chain of the type nat has among its like
/// (`NF_IP_PRI_CONNTRACK`, `NF_IP_PRI_NAT_DST`, `NF_IP_PRI_NAT_SRC`).
const TRACKING: i64 = -200;
const TRANSLATION: i64 = -100;
const REPLY_TRANSLATION: i64 = 100;

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

/// What is asked of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// What keeps a client from being told.
    Told,
    /// Whether the first packet gets to a service.
    Arrives(Stoppers),
}

/// Whose rules stop packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stoppers {
    /// redisguard's alone: others may let through tomorrow what they stop today.
    Own,
    /// Those of all, but for packets that others lead to another port or host: they let those through as well.
    All,
}

/// How a packet leaves a chain.
enum End {
    Accepted,
    /// By a rule of a chain, or by the policy.
    Stopped(usize, Option<usize>),
    Returned,
}

pub(super) struct Walk<'a> {
    pub(super) ruleset: &'a Ruleset,
    pub(super) queues: &'a [u16],
    pub(super) question: Question,
    pub(super) guesses: Guesses,
    pub(super) found: Vec<Obstruction>,
}

impl Walk<'_> {
    /// Leads a packet through a hook: where an obstruction is found, on as if it were not there, so that all are
    /// found.
    pub(super) fn hook(&mut self, hook: Hook, packet: &mut Packet<'_>) {
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
        let place = Place { base: index, chain: index, rule: None };
        let is_of_any = packet.way.is_of_any();
        if hook.is_bridge() && is_of_any {
            return self.guesses.ask("a bridge".to_owned(), &place);
        }
        if hook.is_bridge() {
            return packet.way.is_bridge;
        }
        if !hook.is_of_device() {
            return true;
        }
        if base.devices.is_empty() || is_of_any {
            // nft did not say which, or the packet comes in by any.
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
        if packet.tracking == Tracking::Untracked {
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
                if packet.is_decided && hook == Hook::Prerouting {
                    break;
                }
            }
        }
        match hook {
            // redisguard's rule has done it, or would have.
            Hook::Prerouting if self.question == Question::Told => {
                packet.destination = Destination::Listener;
                packet.is_decided = true;
            }
            Hook::Postrouting => packet.destination = Destination::Reserved,
            _ => {}
        }
    }

    fn base(&mut self, index: usize, packet: &mut Packet<'_>) {
        if self.question != Question::Told && !self.found.is_empty() {
            return;
        }
        let chain = &self.ruleset.chains[index];
        let drops = chain.base.as_ref().is_some_and(|base| base.drops) && self.stops(index, packet);
        match self.chain(index, index, packet, JUMP_DEPTH) {
            End::Stopped(chain, rule) => self.obstructed(index, chain, rule, packet),
            End::Returned if drops => self.obstructed(index, index, None, packet),
            End::Returned | End::Accepted => {}
        }
    }

    fn obstructed(&mut self, base: usize, chain: usize, rule: Option<usize>, packet: &Packet<'_>) {
        let seen = match (packet.kind.is_inbound(), packet.is_translated()) {
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

    /// Whether a chain's rules and policy can stop a packet.
    fn stops(&self, chain: usize, packet: &Packet<'_>) -> bool {
        let is_own = self.ruleset.chains[chain].is_own();
        match self.question {
            Question::Told => true,
            Question::Arrives(Stoppers::Own) => is_own,
            Question::Arrives(Stoppers::All) => is_own || !packet.is_translated(),
        }
    }

    /// Whether a packet goes on to the next rule, as it is, whether a rule matches or not.
    fn is_idle(&self, rule: &Rule, chain: usize, packet: &Packet<'_>, depth: usize) -> bool {
        rule.actions().all(|action| match action {
            Action::Nothing => true,
            Action::Drop => !self.stops(chain, packet),
            Action::Jump(to) => depth > 0 && self.leads_back(*to, packet, depth - 1),
            _ => false,
        })
    }

    /// Whether a packet comes back from a chain as it is, whatever matches there.
    fn leads_back(&self, chain: usize, packet: &Packet<'_>, depth: usize) -> bool {
        let mut actions = self.ruleset.chains[chain].rules.iter().flat_map(Rule::actions);
        actions.all(|action| match action {
            Action::Nothing | Action::Return => true,
            Action::Drop => !self.stops(chain, packet),
            Action::Jump(to) | Action::Goto(to) => {
                depth > 0 && self.leads_back(*to, packet, depth - 1)
            }
            _ => false,
        })
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
            let action = match step {
                Step::If(condition) => match self.holds(condition, rule, place, packet, depth) {
                    true => continue,
                    false => return None,
                },
                Step::Choose(choices) => {
                    let mut choices = choices.iter();
                    let chosen = choices
                        .find(|(condition, _)| self.holds(condition, rule, place, packet, depth));
                    &chosen?.1
                }
                Step::Do(action) => action,
            };
            if let Some(end) = self.act(action, place, packet, depth) {
                return Some(end);
            }
        }
        None
    }

    fn holds(
        &mut self,
        condition: &Condition,
        rule: &Rule,
        place: &Place,
        packet: &Packet<'_>,
        depth: usize,
    ) -> bool {
        match condition.holds(|field| packet.value(field)) {
            Holds::Yes => true,
            Holds::No => false,
            // Either answer leads to the next rule.
            Holds::Unknown if self.is_idle(rule, place.chain, packet, depth) => false,
            Holds::Unknown => {
                let direction = if packet.kind.is_inbound() { "in" } else { "out" };
                let name = format!("{direction} {}", condition.name());
                let is_of_client = condition.fields.iter().any(Field::is_of_client);
                let holds = if is_of_client && packet.way.is_of_any() {
                    self.guesses.ask_of_client(name, place)
                } else {
                    self.guesses.ask(name, place)
                };
                holds != condition.is_negated
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
        let stops = self.stops(place.chain, packet);
        // A packet that others stop is followed on, where only redisguard's own rules count.
        let stopped = || stops.then_some(End::Stopped(place.chain, place.rule));
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
            Action::Translate(target) => {
                if packet.kind != Kind::Syn || packet.is_decided {
                    return None;
                }
                let destination = packet.destination_of(*target);
                if self.question == Question::Told && destination != Destination::Listener {
                    // Led elsewhere: redisguard's own rule comes too late.
                    return stopped();
                }
                packet.destination = destination;
                packet.is_decided = true;
                return Some(End::Accepted);
            }
            Action::Untrack if packet.tracking != Tracking::NotYet => {}
            Action::Untrack => {
                if self.question == Question::Told && !packet.kind.is_discovery() {
                    // Nothing is translated without tracking. Followed on as if it were not there.
                    self.obstructed(place.base, place.chain, place.rule, packet);
                } else {
                    packet.tracking = Tracking::Untracked;
                }
            }
            Action::SetMark(change) => packet.set_mark(*change, false),
            Action::SetConnectionMark(change) => packet.set_mark(*change, true),
            Action::SetHops(hops) => packet.hops = Value::Number(*hops),
            Action::Remember(list) => drop(packet.connection.remembered.insert(list.clone())),
            Action::Queue { .. } | Action::Divert | Action::Unknown
                if self.question != Question::Told =>
            {
                return self.undecided(place, packet, stops);
            }
            // A packet to another program does not come to the listener.
            Action::Divert => return stopped(),
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

    /// What a program does, or a target that is not known, may be anything.
    fn undecided(&mut self, place: &Place, packet: &mut Packet<'_>, stops: bool) -> Option<End> {
        let mut may = |what: &str| self.guesses.ask(format!("{place:?} {what}"), place);
        if stops && may("stops") {
            return Some(End::Stopped(place.chain, place.rule));
        }
        if may("accepts") {
            return Some(End::Accepted);
        }
        let base = self.ruleset.chains[place.base].base.as_ref();
        if base.is_some_and(|base| base.is_nat) && may("translates") {
            packet.destination = Destination::Elsewhere;
            packet.is_decided = true;
            return Some(End::Accepted);
        }
        None
    }
}
