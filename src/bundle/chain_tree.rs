//! The tree of iptables chains that finds a packet's reserved port in a few matches, however many ports
//! there are.

use crate::spec::{External, PortRange, Reserved, Spec};

/// The ports that one multiport match holds; a range counts as two (iptables-extensions(8)).
pub(super) const MULTIPORT_SLOTS: usize = 15;
/// The jumps of one branch. With nine, 10,000 ports at fifteen a leaf are three jumps away.
const FAN_OUT: usize = 9;

/// A search tree of chains: a packet goes from the first chain through branches to one leaf.
pub(super) struct ChainTree<'a> {
    /// The chains above the leaves, the first one last; none where there is one leaf.
    pub branches: Vec<Branch>,
    /// The chains that decide on a packet.
    pub leaves: Vec<Leaf<'a>>,
}

/// A chain that jumps by port range.
pub(super) struct Branch {
    /// What follows the name of the table's first chain; empty for that chain itself.
    pub suffix: String,
    pub jumps: Vec<Jump>,
}

/// A port range and the chain that its packets go to.
pub(super) struct Jump {
    pub ports: PortRange,
    pub suffix: String,
}

/// A chain that decides on as many ports as one multiport match holds.
pub(super) struct Leaf<'a> {
    pub suffix: String,
    /// In the order of their ports.
    pub reserved: Vec<&'a Reserved>,
}

impl Leaf<'_> {
    /// The ports that satisfy the condition, as multiport takes them; empty if none does.
    fn ports(&self, which: impl Fn(External) -> bool) -> String {
        let ranges = self.reserved.iter().filter(|reserved| which(reserved.external));
        let ranges = ranges.map(|reserved| reserved.ports.to_iptables());
        ranges.collect::<Vec<_>>().join(",")
    }

    pub fn all(&self) -> String {
        self.ports(|_| true)
    }

    pub fn dropped(&self) -> String {
        self.ports(|external| external == External::Drop)
    }

    pub fn rejected(&self) -> String {
        self.ports(|external| external == External::Reject)
    }

    pub fn redirected(&self) -> String {
        self.ports(|external| external == External::Notice)
    }

    pub fn blocked(&self) -> String {
        self.ports(|external| external != External::Notice)
    }
}

impl<'a> ChainTree<'a> {
    /// The tree for the reserved ports of a spec.
    pub fn of(spec: &'a Spec) -> Self {
        let mut sorted: Vec<&Reserved> = spec.reserved.iter().collect();
        sorted.sort_unstable_by_key(|reserved| reserved.ports);
        let mut leaves: Vec<Leaf<'_>> = Vec::new();
        let mut free_slots = 0;
        for reserved in sorted {
            let slots = slots(reserved.ports);
            if slots > free_slots {
                let suffix = format!("-{}", reserved.ports.first());
                leaves.push(Leaf { suffix, reserved: Vec::new() });
                free_slots = MULTIPORT_SLOTS;
            }
            free_slots -= slots;
            if let Some(leaf) = leaves.last_mut() {
                leaf.reserved.push(reserved);
            }
        }
        // A single leaf is the first chain itself.
        if let [only] = leaves.as_mut_slice() {
            only.suffix.clear();
        }
        Self { branches: branches(&leaves), leaves }
    }
}

/// The branches above the leaves, built from the bottom: each level groups [`FAN_OUT`] chains of the
/// level below, until one chain is left.
fn branches(leaves: &[Leaf<'_>]) -> Vec<Branch> {
    let jump_to = |leaf: &Leaf<'_>| {
        let (first, last) = (leaf.reserved.first()?.ports, leaf.reserved.last()?.ports);
        Some(Jump { ports: first.hull(last), suffix: leaf.suffix.clone() })
    };
    let mut jumps: Vec<Jump> = leaves.iter().filter_map(jump_to).collect();
    let mut branches = Vec::new();
    let mut level = 0;
    while jumps.len() > 1 {
        level += 1;
        let is_top = jumps.len() <= FAN_OUT;
        let mut above = Vec::new();
        while !jumps.is_empty() {
            let rest = jumps.split_off(FAN_OUT.min(jumps.len()));
            let group = std::mem::replace(&mut jumps, rest);
            let (Some(first), Some(last)) = (group.first(), group.last()) else { break };
            let ports = first.ports.hull(last.ports);
            let suffix = if is_top { String::new() } else { format!("-{level}-{}", ports.first()) };
            above.push(Jump { ports, suffix: suffix.clone() });
            branches.push(Branch { suffix, jumps: group });
        }
        jumps = above;
    }
    branches
}

/// The slots of a multiport match that a range takes.
pub(super) fn slots(range: PortRange) -> usize {
    if range.is_single() { 1 } else { 2 }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::spec::Source;

    fn scattered(ports: u16) -> Spec {
        let mut toml = String::from(
            "[contact]\nteam = \"a\"\nemail = \"a@b.c\"\n[cluster]\nports = \"60000-60002\"\n",
        );
        for index in 0..ports {
            let port = 1024 + 5 * u32::from(index);
            toml +=
                &format!("[[reserved]]\nport = \"{port}-{}\"\nexternal = \"reject\"\n", port + 1);
        }
        let source = Source::from_bytes("test.toml", toml.into_bytes()).unwrap();
        Spec::parse(source).unwrap_or_else(|problems| panic!("{}", problems.render(false))).0
    }

    /// The leaf that decides on a port, and how many chains a packet passes up to it.
    fn leaf_for<'a>(tree: &'a ChainTree<'a>, port: u16) -> (Option<&'a Leaf<'a>>, usize) {
        let mut suffix = "";
        for passed in 1.. {
            if let Some(leaf) = tree.leaves.iter().find(|leaf| leaf.suffix == suffix) {
                return (Some(leaf), passed);
            }
            let branch = tree.branches.iter().find(|branch| branch.suffix == suffix).unwrap();
            match branch.jumps.iter().find(|jump| jump.ports.contains(port)) {
                Some(jump) => suffix = &jump.suffix,
                None => return (None, passed),
            }
        }
        unreachable!()
    }

    #[test]
    fn every_reserved_port_reaches_the_leaf_that_decides_on_it() {
        for (count, most) in [(1, 1), (7, 1), (8, 2), (70, 3), (5_000, 4)] {
            let spec = scattered(count);
            let tree = ChainTree::of(&spec);
            for reserved in &spec.reserved {
                let (leaf, passed) = leaf_for(&tree, reserved.ports.last());
                let known =
                    leaf.unwrap().reserved.iter().any(|known| known.ports == reserved.ports);
                assert!(known && passed <= most, "{} of {count}: {passed} chains", reserved.ports);
                assert!(leaf.unwrap().all().split([',', ':']).count() <= MULTIPORT_SLOTS);
            }
        }
    }
}
