//! Rules of any program in one form: what iptables-save and nft list is read into it, and packets are led through
//! it. Runs nothing.

use super::condition::Condition;
use crate::family::Family;
use crate::firewall::iptables::variant::Variant;

/// Where a base chain meets packets, in the order of a packet that comes in and the answer that goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hook {
    Ingress,
    BridgePrerouting,
    BridgeInput,
    Prerouting,
    Input,
    Output,
    Postrouting,
    BridgeOutput,
    BridgePostrouting,
    Egress,
}

impl Hook {
    /// The hooks of a packet to this host, and of one that this host sends.
    pub(super) const INBOUND: [Self; 5] =
        [Self::Ingress, Self::BridgePrerouting, Self::BridgeInput, Self::Prerouting, Self::Input];
    pub(super) const OUTBOUND: [Self; 5] = [
        Self::Output,
        Self::Postrouting,
        Self::BridgeOutput,
        Self::BridgePostrouting,
        Self::Egress,
    ];

    pub(super) fn is_bridge(self) -> bool {
        matches!(
            self,
            Self::BridgePrerouting
                | Self::BridgeInput
                | Self::BridgeOutput
                | Self::BridgePostrouting
        )
    }

    /// Whether a chain here belongs to a device.
    pub(super) fn is_of_device(self) -> bool {
        matches!(self, Self::Ingress | Self::Egress)
    }
}

/// What makes a chain a base chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Base {
    pub(super) hook: Hook,
    pub(super) priority: i64,
    pub(super) is_nat: bool,
    /// Whether its policy is to drop.
    pub(super) drops: bool,
    /// The devices of a chain at ingress or egress.
    pub(super) devices: Vec<String>,
}

/// What lists a chain, and so what can change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lister {
    /// iptables of this variant.
    Iptables(Variant),
    Nft,
    /// The rules that redisguard will have or has: their place is known, and they stop nobody.
    Redisguard,
}

/// A chain with its rules.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    pub(super) lister: Lister,
    /// The table as nft names it: `inet filter`.
    pub(super) table: String,
    pub(super) name: String,
    /// The families whose packets meet it.
    pub(super) families: &'static [Family],
    pub(super) base: Option<Base>,
    pub(super) rules: Vec<Rule>,
    /// How many of redisguard's jumps come before the rules.
    pub(super) own_jumps: usize,
}

/// One rule.
#[derive(Clone, Debug, Default)]
pub(super) struct Rule {
    pub(super) steps: Vec<Step>,
    /// The rule as iptables-save prints it; empty for one of nft's.
    pub(super) text: String,
    /// The handle of one of nft's; 0 for others.
    pub(super) handle: u64,
}

/// A part of a rule: the next one counts only where a condition holds.
#[derive(Clone, Debug)]
pub(super) enum Step {
    If(Condition),
    /// The first condition that holds decides; where none does, the rule does not match.
    Choose(Vec<(Condition, Action)>),
    Do(Action),
}

/// A number that a rule makes of a packet's mark and its connection's: `(of & keep) ^ flip`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Of itself.
    Own {
        keep: u128,
        flip: u128,
    },
    /// `(own & keep) ^ (other & take)`: the packet's from the connection's, or the reverse.
    Other {
        keep: u128,
        take: u128,
    },
    Unknown,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Accept,
    Drop,
    Return,
    /// To a chain by its index.
    Jump(usize),
    Goto(usize),
    /// Gives the connection a new destination: the port, and whether the address is another one.
    Translate {
        port: Option<u16>,
        is_elsewhere: bool,
    },
    Untrack,
    SetMark(Mark),
    SetConnectionMark(Mark),
    SetHops(u128),
    /// The source is in a list of the `recent` match from now on.
    Remember(String),
    /// A program decides.
    Queue {
        first: u16,
        last: u16,
        bypass: bool,
    },
    /// What it does to the packet cannot be known.
    Unknown,
    Nothing,
}

/// All chains of a host.
#[derive(Clone, Debug, Default)]
pub(super) struct Ruleset {
    pub(super) chains: Vec<Chain>,
}

impl Ruleset {
    /// The index of a chain, which is made where it is not there.
    pub(super) fn chain(&mut self, lister: Lister, table: &str, name: &str) -> usize {
        let found = self
            .chains
            .iter()
            .position(|chain| chain.name == name && chain.table == table && chain.lister == lister);
        found.unwrap_or_else(|| {
            let families: &[Family] = match table.split(' ').next() {
                Some("ip") => &[Family::V4],
                Some("ip6") => &[Family::V6],
                Some("inet" | "netdev" | "bridge") => &Family::BOTH,
                _ => &[],
            };
            self.chains.push(Chain {
                lister,
                table: table.to_owned(),
                name: name.to_owned(),
                families,
                base: None,
                rules: Vec::new(),
                own_jumps: 0,
            });
            self.chains.len() - 1
        })
    }

    /// The base chains at a hook that packets of a family meet, in the order of their priorities.
    pub(super) fn at(&self, hook: Hook, family: Family) -> Vec<(usize, &Base)> {
        let chains = self.chains.iter().enumerate();
        let mut found: Vec<(usize, &Base)> = chains
            .filter(|(_, chain)| chain.families.contains(&family))
            .filter_map(|(index, chain)| Some((index, chain.base.as_ref()?)))
            .filter(|(_, base)| base.hook == hook)
            .collect();
        found.sort_by_key(|(_, base)| base.priority);
        found
    }

    /// All conditions of all rules.
    pub(super) fn conditions(&self) -> impl Iterator<Item = &Condition> {
        let rules = self.chains.iter().flat_map(|chain| &chain.rules);
        rules.flat_map(|rule| &rule.steps).flat_map(|step| match step {
            Step::If(condition) => vec![condition],
            Step::Choose(choices) => choices.iter().map(|(condition, _)| condition).collect(),
            Step::Do(_) => Vec::new(),
        })
    }
}
