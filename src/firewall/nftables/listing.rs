//! redisguard's table as `nft list table` prints it, or as a bundle has it, cut into its blocks, and the seal: what each block
//! looked like when it was loaded. Runs nothing.
//!
//! How nft prints a rule differs among its versions, and from how a bundle writes it. So what was loaded is
//! listed once, and the digests of that listing are put beside it, into a chain that no packet meets.

use super::elements::{Elements, is_form};
use super::names::{
    BUNDLE_BLOCK, COMMENT_PREFIX, COUNTER_TABLE, DYNAMIC_SETS, SEAL_CHAIN, TABLE, qualified,
};
use crate::bundle::sha256_hex;
use crate::family::Family;
use crate::plan::{Counter, RuleFault};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// The name of the block that all counters are in here.
const COUNTERS: &str = "counters";
/// How many hexadecimal digits of a block's digest are kept: an accident is found, and a comment of nft's
/// has room for 128 bytes.
const DIGEST_LENGTH: usize = 16;

/// redisguard's table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The listing itself.
    pub(super) text: String,
    /// The values of its counters.
    pub(super) counters: Vec<(Family, Counter)>,
    /// The digest of the bundle that it names.
    bundle: String,
    /// Its flags, such as `dormant`: no packet meets the chains of such a table (nft(8)). redisguard's has none.
    flags: String,
    /// Every block but the seal, by its first line: `chain rg_input`. All counters are one block.
    blocks: BTreeMap<String, String>,
    /// Whether the chain of the seal is there, whatever is in it.
    has_seal: bool,
    /// The seal: digests by the names of the blocks.
    seal: BTreeMap<String, String>,
}

impl Listing {
    /// Reads a listing; `None` where there is no such table.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut listing = Self { text: text.to_owned(), ..Self::default() };
        let mut lines = text.lines();
        lines.next().filter(|line| line.starts_with(&format!("table {TABLE} {{")))?;
        let mut current: Option<(&str, String)> = None;
        for line in lines {
            let depth = line.bytes().take_while(|byte| *byte == b'\t').count();
            match (&mut current, depth, line.trim()) {
                (None, 1, line) if line.starts_with("flags ") => {
                    line["flags ".len()..].clone_into(&mut listing.flags);
                }
                (None, 1, line) => {
                    current = line.strip_suffix(" {").map(|name| (name, String::new()));
                }
                (Some(_), 1, _) => listing.add(current.take()),
                (Some((name, _)), _, line) if line.starts_with("packets ") => {
                    listing.counters.extend(counter_value(name, line));
                }
                (Some((BUNDLE_BLOCK, _)), _, line) if comment(line).is_some() => {
                    listing.bundle = comment(line).unwrap_or_default();
                }
                (Some((_, block)), _, line) => {
                    // Newer versions of nft print the number of elements behind the size.
                    let size = line.split_once('#').filter(|_| line.starts_with("size "));
                    let line = size.map_or(line, |(size, _)| size.trim_end());
                    block.push_str(line);
                    block.push('\n');
                }
                (None, ..) => {}
            }
        }
        Some(listing)
    }

    fn add(&mut self, block: Option<(&str, String)>) {
        let Some((name, block)) = block else { return };
        if name.strip_prefix("chain ") == Some(SEAL_CHAIN) {
            self.has_seal = true;
            let sealed = block.lines().filter_map(comment);
            let pairs = sealed.filter_map(|line| {
                line.rsplit_once(' ').map(|(name, digest)| (name.to_owned(), digest.to_owned()))
            });
            self.seal = pairs.collect();
        } else if name.starts_with(DYNAMIC_SETS) {
            // Packets change its elements.
            let (settings, _) = block.split_once("elements = ").unwrap_or((&block, ""));
            self.blocks.insert(name.to_owned(), settings.to_owned());
        } else if name.starts_with("counter ") {
            let all = self.blocks.entry(COUNTERS.to_owned()).or_default();
            all.push_str(name);
            all.push('\n');
            all.push_str(&block);
        } else {
            self.blocks.insert(name.to_owned(), block);
        }
    }

    /// The commands that empty the table for the `wanted` one, but for the counters that both have.
    ///
    /// A set or map that `wanted` has in the same form stays, with the elements that both have: a packet
    /// that is under way while the rules change looks things up in it, and would find nothing in one that is
    /// made or filled anew.
    pub(super) fn emptied(&self, wanted: &Self) -> String {
        let fits = |name: &str| {
            let found = Elements::of(self.blocks.get(name)?);
            let wanted = Elements::of(wanted.blocks.get(name)?);
            (wanted.form == found.form).then_some((found, wanted))
        };
        let mut text = format!("flush table {TABLE}\n");
        let named = |kind: &'static str| {
            let names = self.blocks.keys().map(String::as_str);
            names.filter(move |name| name.starts_with(kind))
        };
        let kept: BTreeSet<&str> = wanted.counter_blocks().collect();
        let counters = self.counter_blocks().filter(|name| !kept.contains(name));
        // In this order: chains refer to sets and maps, and maps to counters.
        let mut gone: Vec<&str> = named("chain ").collect();
        for name in named("set ").chain(named("map ")) {
            let Some((found, wanted)) = fits(name) else {
                gone.push(name);
                continue;
            };
            if name.starts_with(DYNAMIC_SETS) {
                continue;
            }
            // Writing to a String cannot fail.
            let _ = found.write_removal(name, &wanted, &mut text);
        }
        for name in gone.into_iter().chain(counters) {
            let _ = writeln!(text, "delete {}", qualified(name));
        }
        if self.has_seal {
            let _ = writeln!(text, "delete chain {TABLE} {SEAL_CHAIN}");
        }
        text
    }

    /// The first lines of the counters.
    fn counter_blocks(&self) -> impl Iterator<Item = &str> {
        let counters = self.blocks.get(COUNTERS).map(String::as_str).unwrap_or_default();
        counters.lines().filter(|line| line.starts_with("counter "))
    }

    /// The transaction that seals the table as it is listed.
    pub(super) fn sealed(&self) -> String {
        let mut text =
            format!("add chain {TABLE} {SEAL_CHAIN}\nflush chain {TABLE} {SEAL_CHAIN}\n");
        for (name, block) in &self.blocks {
            let digest = digest(block);
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "add rule {TABLE} {SEAL_CHAIN} return comment \"{COMMENT_PREFIX}{name} {digest}\""
            );
        }
        text
    }

    /// Whether it has flags, which redisguard's never has.
    pub(super) fn has_flags(&self) -> bool {
        !self.flags.is_empty()
    }

    /// Whether no chain has a rule.
    fn is_flushed(&self) -> bool {
        let mut chains = self.blocks.iter().filter(|(name, _)| name.starts_with("chain "));
        chains.all(|(_, block)| is_empty(block))
    }

    /// Every difference from the bundle's table as it was loaded, in words. `wanted` is that table as the bundle
    /// has it: it says what an edited block lacks.
    pub(super) fn drift(&self, bundle: &str, wanted: Option<&Self>) -> Vec<RuleFault> {
        if self.bundle != bundle {
            return vec![RuleFault::of_all(match self.bundle.as_str() {
                "" if self.is_flushed() => format!("table {TABLE} was flushed"),
                "" => "redisguard's rules are loaded, but their bundle is unknown".to_owned(),
                other => format!("the rules are of bundle {other}"),
            })];
        }
        if self.seal.is_empty() {
            return vec![RuleFault::of_all("the rules were not sealed when they were loaded")];
        }
        let mut findings = Vec::new();
        if self.has_flags() {
            findings.push(format!("the table has the flags: {}", self.flags));
        }
        for (name, sealed) in &self.seal {
            match self.blocks.get(name) {
                None => findings.push(format!("{name} is missing")),
                Some(block) if digest(block) == *sealed => {}
                Some(block) if is_empty(block) => findings.push(format!("{name} was flushed")),
                Some(block) => {
                    let wanted = wanted.and_then(|wanted| wanted.blocks.get(name));
                    let lacks = wanted.map(|wanted| lacks(wanted, block)).unwrap_or_default();
                    findings.push(format!("{name} was edited{lacks}"));
                }
            }
        }
        let foreign = self.blocks.keys().filter(|name| !self.seal.contains_key(*name));
        findings.extend(foreign.map(|name| format!("{name} is not redisguard's")));
        findings.into_iter().map(|what| RuleFault::in_table(TABLE, what)).collect()
    }
}

/// What the comment of a line says behind the prefix; `None` where it is not redisguard's.
fn comment(line: &str) -> Option<String> {
    let (_, comment) = line.split_once("comment \"")?;
    Some(comment.strip_prefix(COMMENT_PREFIX)?.strip_suffix('"')?.to_owned())
}

/// The value of `counter port_8000-8010_v4` or `counter probe_8000-8010_v4`, from its line `packets 1 bytes 60`.
fn counter_value(name: &str, line: &str) -> Option<(Family, Counter)> {
    let of_probes = name.strip_prefix("counter probe_");
    let name = of_probes.or_else(|| name.strip_prefix("counter port_"))?;
    let (ports, family) = name.rsplit_once('_')?;
    let family = Family::BOTH.into_iter().find(|known| known.short() == family)?;
    let mut words = line.split(' ');
    let mut number = || words.nth(1)?.parse().ok();
    let (packets, bytes) = (number()?, number()?);
    let (ports, is_probe) = (ports.parse().ok()?, of_probes.is_some());
    Some((family, Counter { table: COUNTER_TABLE, ports, is_probe, packets, bytes }))
}

/// What a block lacks of the wanted one, as far as it can be told: elements of a set, rules by their comments.
fn lacks(wanted: &str, found: &str) -> String {
    let (elements, left) = (Elements::of(wanted), Elements::of(found));
    let rules = wanted.lines().filter_map(comment);
    let left_rules: Vec<String> = found.lines().filter_map(comment).collect();
    let rules = rules.filter(|rule| !left_rules.contains(rule));
    let rules = rules.map(|rule| format!("the rule \"{rule}\" is missing"));
    let elements = elements.missing_in(&left);
    let elements = (!elements.is_empty()).then(|| format!("it lacks {}", elements.join(", ")));
    let all: Vec<String> = elements.into_iter().chain(rules).collect();
    if all.is_empty() { String::new() } else { format!(": {}", all.join(", ")) }
}

/// Whether a chain's block has no rule, or a set's no element.
fn is_empty(block: &str) -> bool {
    block.lines().all(is_form)
}

fn digest(block: &str) -> String {
    let mut digest = sha256_hex(block.as_bytes());
    digest.truncate(DIGEST_LENGTH);
    digest
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const LOADED: &str = "table inet redisguard {\n\tchain rg_bundle {\n\
        \t\treturn comment \"redisguard:0123456789ab\"\n\t}\n\n\
        \tcounter port_6379_v6 {\n\t\tcomment \"redisguard:6379:x\"\n\t\tpackets 7 bytes 420\n\t}\n\n\
        \tset rg_reserved {\n\t\ttype inet_service\n\t\tsize 65535\n\t\tflags dynamic\n\
        \t\telements = { 6379,\n\t\t\t     6380 }\n\t}\n\n\
        \tchain rg_input {\n\t\ttype filter hook input priority filter - 10; policy accept;\n\
        \t\ttcp dport @rg_reserved goto rg_guard\n\t}\n\n\
        \tchain rg_guard {\n\t\tdrop comment \"redisguard:a } b\"\n\t}\n}\n";

    /// As it is listed after its seal was added.
    fn sealed() -> String {
        let rules = Listing::read(LOADED).unwrap().sealed();
        let rules =
            rules.lines().filter_map(|line| line.strip_prefix("add rule inet redisguard rg_seal "));
        let rules: String = rules.map(|rule| format!("\t\t{rule}\n")).collect();
        LOADED.replacen(
            "\tchain rg_input",
            &format!("\tchain rg_seal {{\n{rules}\t}}\n\n\tchain rg_input"),
            1,
        )
    }

    fn drift(text: &str) -> String {
        let faults =
            Listing::read(text).unwrap().drift("0123456789ab", Listing::read(LOADED).as_ref());
        faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn a_table_as_it_was_loaded_does_not_drift() {
        assert_eq!(drift(&sealed()), "");
        assert_eq!(drift(&sealed().replace("packets 7", "packets 8")), "");
        assert_eq!(drift(&sealed().replace("size 65535", "size 65535\t# count 2")), "");
        let counter = Counter {
            table: COUNTER_TABLE,
            ports: 6379.into(),
            is_probe: false,
            packets: 7,
            bytes: 420,
        };
        assert_eq!(Listing::read(LOADED).unwrap().counters, [(Family::V6, counter)]);
        assert_eq!(Listing::read(""), None);
    }

    #[test]
    fn every_kind_of_drift_is_named() {
        let jump = "\t\ttcp dport @rg_reserved goto rg_guard\n";
        let cases = [
            (LOADED.to_owned(), "not sealed"),
            (sealed().replace("0123456789ab", "ba9876543210"), "of bundle ba9876543210"),
            (sealed().replace(jump, ""), "chain rg_input was flushed"),
            (sealed().replace(jump, &jump.replace("goto", "jump")), "chain rg_input was edited"),
            (sealed().replace("counter port_6379_v6", "counter x"), "counters was edited"),
            (
                sealed().replace("     6380", "     6381"),
                "set rg_reserved was edited: it lacks 6380",
            ),
            (
                sealed().replace("\t\telements = { 6379,\n\t\t\t     6380 }\n", ""),
                "set rg_reserved was flushed",
            ),
            (
                sealed().replace("chain rg_guard {", "chain other {"),
                "chain rg_guard is missing; inet redisguard: chain other is not redisguard's",
            ),
        ];
        for (listing, wanted) in cases {
            assert!(drift(&listing).contains(wanted), "{} for\n{listing}", drift(&listing));
        }
    }

    #[test]
    fn what_a_set_shares_with_the_next_one_stays_in_it() {
        let wanted =
            |set: &str| format!("table inet redisguard {{\n\tset rg_ports {{\n{set}\n\t}}\n}}\n");
        let ports =
            |elements: &str| format!("\t\ttype inet_service\n\t\telements = {{ {elements} }}");
        let interval = |elements: &str| {
            format!("\t\ttype inet_service\n\t\tflags interval\n\t\telements = {{ {elements} }}")
        };
        let several =
            "\t\ttype inet_service\n\t\telements = {\n\t\t\t1, 2,\n\t\t\t3,\n\t\t}".to_owned();
        let emptied = |found: &str, next: &str| {
            let read = |set: &str| Listing::read(&wanted(set)).unwrap();
            let text = read(found).emptied(&read(next));
            text.strip_prefix("flush table inet redisguard\n").unwrap().to_owned()
        };
        let set = "inet redisguard rg_ports";
        assert_eq!(emptied(&ports("1, 2,\n\t\t\t     3"), &several), "");
        assert_eq!(emptied(&ports("1"), &several), "");
        let stale = format!("delete element {set} {{ 4, 5 }}\n");
        assert_eq!(emptied(&ports("1, 4, 5"), &several), stale);
        assert_eq!(emptied(&interval("1-3, 5"), &interval("1-3, 5")), "");
        assert_eq!(emptied(&interval("1-3, 5"), &interval("1-4, 5")), format!("flush set {set}\n"));
        assert_eq!(emptied(&interval("1-3"), &several), format!("delete set {set}\n"));
        assert_eq!(emptied(&several, ""), format!("delete set {set}\n"));
        let sized = |size: &str| format!("\t\tsize {size}\n{}", ports("1"));
        assert_eq!(emptied(&sized("65535\t\t# count 1"), &sized("65535")), "");
    }
}
