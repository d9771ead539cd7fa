//! Follows the first packet of an outsider's connection to a reserved port through loaded rules. Runs nothing.
//!
//! An outsider has an address and an interface that no rule names; one that a rule names may exist. What else a
//! rule asks for and nobody can know (a mark, a set, a limit) may hold or not.

use crate::family::Family;
use ipnet::IpNet;
use std::ops::{Index, IndexMut};

/// How deep chains may lead into each other: the kernel's own limit (`NFT_JUMP_STACK_SIZE`).
const JUMP_DEPTH: usize = 16;

/// Whether some outsider's packet goes a way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// None does.
    #[default]
    No,
    /// One may.
    Perhaps,
    /// One does.
    Sure,
}

/// Whether a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// Every outsider.
    Yes,
    /// None.
    No,
    /// Only outsiders whose address or interface it names.
    Named,
    /// All but those.
    Unnamed,
    /// Nobody can know.
    Unknown,
}

impl Condition {
    pub(super) fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }

    pub(super) fn negated_if(self, negated: bool) -> Self {
        match self {
            _ if !negated => self,
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Named => Self::Unnamed,
            Self::Unnamed => Self::Named,
            Self::Unknown => Self::Unknown,
        }
    }

    /// Both must hold.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, one) | (one, Self::Yes) => one,
            (one, other) if one == other => one,
            // Outsiders that it does not name surely fail.
            (Self::Named, _) | (_, Self::Named) => Self::Named,
            _ => Self::Unknown,
        }
    }
}

/// Where a packet goes by a rule or a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Dropped or rejected.
    Stopped,
    /// Through this base chain.
    Accepted,
    /// Back to the chain that led here, or to the policy.
    Returned,
    /// Translated to the listener.
    Told,
    /// Translated to the port that it was sent to: no later chain translates it.
    Kept,
    /// Translated to another port of this host.
    ToOtherPort,
    /// Translated to another host, such as a container.
    ToOtherHost,
    /// To the next rule.
    Next,
}

/// How sure each end is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ends([Level; 8]);

impl Ends {
    pub(super) fn only(end: End) -> Self {
        let mut ends = Self::default();
        ends[end] = Level::Sure;
        ends
    }

    /// All ends, and none surely.
    fn any() -> Self {
        Self([Level::Perhaps; 8])
    }

    /// The packet leaves the base chain and is neither stopped nor translated.
    fn passes(&self) -> Level {
        self[End::Accepted].max(self[End::Returned])
    }

    /// The ends of a rule that ends like this where it matches.
    fn under(self, condition: Condition) -> Self {
        let unmatched = Self::only(End::Next);
        let mut ends = Self::default();
        for (index, level) in ends.0.iter_mut().enumerate() {
            let (on, off) = (self.0[index], unmatched.0[index]);
            *level = match condition {
                Condition::Yes => on,
                Condition::No => off,
                Condition::Named => off.max(on.min(Level::Perhaps)),
                Condition::Unnamed => on.max(off.min(Level::Perhaps)),
                Condition::Unknown if on == off => on,
                Condition::Unknown => on.max(off).min(Level::Perhaps),
            };
        }
        ends
    }
}

impl Index<End> for Ends {
    type Output = Level;

    fn index(&self, end: End) -> &Level {
        &self.0[end as usize]
    }
}

impl IndexMut<End> for Ends {
    fn index_mut(&mut self, end: End) -> &mut Level {
        &mut self.0[end as usize]
    }
}

/// What a rule does with a packet that it matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action<'a> {
    End(End),
    Jump(&'a str),
    Goto(&'a str),
    /// Sets the hop limit, and goes on.
    SetHops(u8),
    /// A program decides, or something that is not known here.
    Unknown,
}

/// The packet.
#[derive(Clone, Debug)]
pub(super) struct Packet<'a> {
    pub(super) family: Family,
    /// The reserved port that it was sent to.
    pub(super) reserved: u16,
    /// The port that it has now; `None` where it was translated.
    pub(super) port: Option<u16>,
    /// The hop limit that a rule has set for sure.
    pub(super) hops: Option<u8>,
    /// Whether a rule may have set it to another one.
    pub(super) unsure_hops: bool,
    /// The listener's port.
    pub(super) listener: u16,
    /// Networks whose clients are no outsiders.
    pub(super) allow: &'a [IpNet],
}

impl Packet<'_> {
    pub(super) fn is_translated(&self) -> bool {
        self.port.is_none()
    }

    /// A translation to another port.
    pub(super) fn to_port(&self, port: Option<u16>) -> End {
        match port {
            None => End::Kept,
            Some(port) if Some(port) == self.port => End::Kept,
            Some(port) if port == self.listener => End::Told,
            Some(_) => End::ToOtherPort,
        }
    }
}

/// The rules of one table.
pub(super) trait Rules {
    type Rule;

    /// The rules of a chain; none where there is no such chain.
    fn chain(&self, name: &str) -> &[Self::Rule];

    /// Whether a chain is redisguard's.
    fn is_own(&self, chain: &str) -> bool;

    /// Whether a rule matches, and what it does then.
    fn judge<'a>(&'a self, rule: &'a Self::Rule, packet: &Packet) -> (Condition, Action<'a>);
}

/// Whose rules stop packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stoppers {
    /// redisguard's alone: others may let through tomorrow what they stop today.
    Own,
    /// Those of all.
    All,
}

/// How a packet leaves a chain.
pub(super) fn chain_ends<R: Rules>(
    rules: &R,
    chain: &str,
    packet: &mut Packet,
    stoppers: Stoppers,
) -> Ends {
    Walk { rules, stoppers }.chain(chain, packet, true, JUMP_DEPTH)
}

struct Walk<'a, R> {
    rules: &'a R,
    stoppers: Stoppers,
}

impl<R: Rules> Walk<'_, R> {
    /// `is_sure`: every packet comes here.
    fn chain(&self, chain: &str, packet: &mut Packet, is_sure: bool, depth: usize) -> Ends {
        let mut total = Ends::default();
        let mut here = Level::Sure;
        for rule in self.rules.chain(chain) {
            let (condition, action) = self.rules.judge(rule, packet);
            if condition == Condition::No {
                continue;
            }
            let is_sure = is_sure && here == Level::Sure && condition == Condition::Yes;
            let ends = self.action(&action, chain, packet, is_sure, depth).under(condition);
            for (total, level) in total.0.iter_mut().zip(ends.0).take(End::Next as usize) {
                *total = (*total).max(here.min(level));
            }
            here = here.min(ends[End::Next]);
            if here == Level::No {
                break;
            }
        }
        total[End::Returned] = total[End::Returned].max(here);
        total
    }

    fn action(
        &self,
        action: &Action,
        chain: &str,
        packet: &mut Packet,
        is_sure: bool,
        depth: usize,
    ) -> Ends {
        match action {
            Action::End(End::Stopped)
                if self.stoppers == Stoppers::Own && !self.rules.is_own(chain) =>
            {
                Ends::only(End::Next)
            }
            Action::End(end) => Ends::only(*end),
            Action::SetHops(hops) => {
                packet.hops = is_sure.then_some(*hops);
                packet.unsure_hops = !is_sure;
                Ends::only(End::Next)
            }
            Action::Jump(_) | Action::Goto(_) if depth == 0 => Ends::any(),
            Action::Jump(target) => {
                let mut ends = self.chain(target, packet, is_sure, depth - 1);
                ends[End::Next] = std::mem::take(&mut ends[End::Returned]);
                ends
            }
            Action::Goto(target) => self.chain(target, packet, is_sure, depth - 1),
            Action::Unknown => Ends::any(),
        }
    }
}

/// Where a base chain is (netfilter's hooks).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    /// Before the kernel routes, and at the device.
    Prerouting,
    /// The same, and it translates addresses.
    Translation,
    Input,
    Forward,
}

/// How a packet leaves a base chain, its policy included.
pub(super) type BaseChain<'a> = Box<dyn Fn(&mut Packet, Stoppers) -> Ends + 'a>;

/// All base chains that an outsider's packet can meet: hook, priority and the chain.
pub(super) type BaseChains<'a> = Vec<(Hook, i64, BaseChain<'a>)>;

/// Whether an outsider's packet gets to a service, of this host or behind it.
pub(super) fn arrival(chains: &BaseChains, packet: &Packet, stoppers: Stoppers) -> Level {
    let mut packet = packet.clone();
    let at =
        |hook: Hook| chains.iter().filter(move |(of, ..)| *of == hook).map(|(.., chain)| chain);
    let through = |hook, packet: &mut Packet, stoppers| {
        at(hook).fold(Level::Sure, |level, chain| level.min(chain(packet, stoppers).passes()))
    };
    let arrives = through(Hook::Prerouting, &mut packet, stoppers);
    let (mut untranslated, mut kept) = (arrives, Level::No);
    let (mut to_other_port, mut to_other_host) = (Level::No, Level::No);
    for chain in at(Hook::Translation) {
        let ends = chain(&mut packet, stoppers);
        kept = kept.max(untranslated.min(ends[End::Kept]));
        to_other_port = to_other_port.max(untranslated.min(ends[End::ToOtherPort]));
        to_other_host = to_other_host.max(untranslated.min(ends[End::ToOtherHost]));
        untranslated = untranslated.min(ends.passes());
    }
    let here = untranslated.max(kept).min(through(Hook::Input, &mut packet, stoppers));
    // Who translates a port lets it through as well: only redisguard's rules are taken to stop it then.
    let mut translated = Packet { port: None, ..packet.clone() };
    let other_port = to_other_port.min(through(Hook::Input, &mut translated, Stoppers::Own));
    // The kernel forwards no packet with a hop limit of 1 (ip_forward() in Linux).
    let forwarded = match (packet.hops, packet.unsure_hops) {
        (Some(1), _) => Level::No,
        (_, true) => Level::Perhaps,
        _ => Level::Sure,
    };
    let other_host =
        to_other_host.min(forwarded).min(through(Hook::Forward, &mut translated, Stoppers::Own));
    here.max(other_port).max(other_host)
}
