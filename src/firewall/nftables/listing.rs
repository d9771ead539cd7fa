//! Owns what the nftables backend compares: our table as `nft list table` prints it, cut
//! into its blocks, and the seal that says what each of them looked like when it was loaded.
//!
//! How nft prints a rule differs among its versions and from how it is written. So what was loaded is
//! listed once and the digests of that listing are put beside it, into a chain that no packet meets.
//! Runs nothing.

use crate::bundle::hex;
use crate::family::Family;
use crate::plan::Counter;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Our table, in nft's words.
pub(in crate::firewall) const TABLE: &str = "inet redisguard";
/// What its counters are said to be of.
pub(in crate::firewall) const COUNTED: &str = "inet";
/// The chain that names the bundle.
const BUNDLE: &str = "chain rg_bundle";
/// The chain that holds the digests.
const SEAL: &str = "rg_seal";
/// The name of the block of all counters.
const COUNTERS: &str = "counters";
/// How the sets begin that the packets fill.
const LOGGED: &str = "set rg_logged_";
/// How the lines begin that say what a block is for, or what a set takes.
const FORM: [&str; 4] = ["type ", "flags ", "size ", "timeout "];
/// How many digits of a block's digest are kept.
const DIGITS: usize = 16;

/// Our table as it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The digest of the bundle that it says it is of.
    bundle: String,
    /// Whether the comment of the table itself says so.
    has_comment: bool,
    /// Every block but the seal, by its first line: `chain rg_input`. All counters are one.
    blocks: BTreeMap<String, String>,
    /// Whether there is a chain for the seal, whatever is in it.
    has_seal: bool,
    /// What the seal says of them: digests by the same names.
    seal: BTreeMap<String, String>,
}

impl Listing {
    /// Reads a listing and what its counters counted; `None` where there is no such table.
    pub(in crate::firewall) fn read(text: &str) -> Option<(Self, Vec<(Family, Counter)>)> {
        let mut listing = Self::default();
        let mut counters = Vec::new();
        let mut lines = text.lines();
        lines.next().filter(|line| line.starts_with(&format!("table {TABLE} {{")))?;
        let mut current: Option<(&str, String)> = None;
        for line in lines {
            let depth = line.bytes().take_while(|byte| *byte == b'\t').count();
            match (&mut current, depth, line.trim()) {
                (None, 1, line) => match line.strip_suffix(" {") {
                    Some(name) => current = Some((name, String::new())),
                    // Earlier versions named it here.
                    None => {
                        listing.has_comment |= comment(line).is_some();
                        listing.bundle = comment(line).unwrap_or(listing.bundle);
                    }
                },
                (Some(_), 1, _) => listing.add(current.take()),
                (Some((name, _)), _, line) if line.starts_with("packets ") => {
                    counters.extend(counted(name, line));
                }
                (Some((BUNDLE, _)), _, line) if comment(line).is_some() => {
                    listing.bundle = comment(line).unwrap_or_default();
                }
                (Some((_, block)), _, line) => {
                    // Newer versions of nft say behind it how many are there.
                    let size = line.split_once('#').filter(|_| line.starts_with("size "));
                    let line = size.map_or(line, |(size, _)| size.trim_end());
                    block.push_str(line);
                    block.push('\n');
                }
                (None, ..) => {}
            }
        }
        Some((listing, counters))
    }

    fn add(&mut self, block: Option<(&str, String)>) {
        let Some((name, block)) = block else { return };
        if name.strip_prefix("chain ") == Some(SEAL) {
            self.has_seal = true;
            let sealed = block.lines().filter_map(comment);
            let pairs = sealed.filter_map(|line| {
                line.rsplit_once(' ').map(|(name, digest)| (name.to_owned(), digest.to_owned()))
            });
            self.seal = pairs.collect();
        } else if name.starts_with(LOGGED) {
            // Whom it holds changes with every packet.
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

    /// What takes everything out of the table but the counters that stay; `None` where its comment names
    /// a bundle, which cannot be changed.
    ///
    /// A set or map that `wanted` has in the same form stays, too, with whatever is in both: a packet that
    /// is under way while the rules change looks things up in the old one, and would find nothing in one
    /// that is made or filled anew.
    pub(in crate::firewall) fn emptied(&self, wanted: &str) -> Option<String> {
        if self.has_comment {
            return None;
        }
        let wanted = lists(wanted);
        let fits = |name: &str| {
            let found = self.blocks.get(name).map(|block| List::of(block.lines()))?;
            let wanted = wanted.get(name).filter(|wanted| wanted.form == found.form)?;
            Some((found, wanted))
        };
        let mut text = format!("flush table {TABLE}\n");
        let named = |kind: &'static str| {
            let names = self.blocks.keys().map(String::as_str);
            names.filter(move |name| name.starts_with(kind))
        };
        let counters = self.blocks.get(COUNTERS).map(String::as_str).unwrap_or_default();
        let counters = counters.lines().filter(|line| line.starts_with("counter "));
        let counters = counters.filter(|name| !wanted.contains_key(name));
        // Chains look things up in sets and maps, and maps lead to counters.
        let mut gone: Vec<&str> = named("chain ").collect();
        for name in named("set ").chain(named("map ")) {
            let Some((found, wanted)) = fits(name) else {
                gone.push(name);
                continue;
            };
            if name.starts_with(LOGGED) {
                continue;
            }
            // Writing to a String cannot fail.
            let _ = found.emptied(name, wanted, &mut text);
        }
        for name in gone.into_iter().chain(counters) {
            let _ = writeln!(text, "delete {}", of_table(name));
        }
        if self.has_seal {
            let _ = writeln!(text, "delete chain {TABLE} {SEAL}");
        }
        Some(text)
    }

    /// The transaction that seals the table as it was listed.
    pub(in crate::firewall) fn sealed(&self) -> String {
        let mut text = format!("add chain {TABLE} {SEAL}\nflush chain {TABLE} {SEAL}\n");
        for (name, block) in &self.blocks {
            let digest = digest(block);
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "add rule {TABLE} {SEAL} return comment \"{PREFIX}{name} {digest}\""
            );
        }
        text
    }

    /// Everything in which the table is not the bundle's as it was loaded, in words.
    pub(in crate::firewall) fn drift(&self, bundle: &str) -> Vec<String> {
        if self.bundle != bundle {
            return vec![match self.bundle.as_str() {
                "" => "the table does not say of which bundle it is".to_owned(),
                other => format!("the table is of bundle {other}"),
            }];
        }
        if self.seal.is_empty() {
            return vec!["the table was not sealed when it was loaded".to_owned()];
        }
        let mut findings = Vec::new();
        for (name, sealed) in &self.seal {
            match self.blocks.get(name) {
                None => findings.push(format!("{name} is missing")),
                Some(block) if digest(block) == *sealed => {}
                Some(block) if has_no_rule(block) => findings.push(format!("{name} was flushed")),
                Some(_) => findings.push(format!("{name} was edited")),
            }
        }
        let strange = self.blocks.keys().filter(|name| !self.seal.contains_key(*name));
        findings.extend(strange.map(|name| format!("{name} is not ours")));
        findings
    }
}

/// A set or map, or any other block of a table.
struct List<'a> {
    /// What it takes.
    form: Vec<&'a str>,
    /// What is in it.
    elements: BTreeSet<&'a str>,
}

impl<'a> List<'a> {
    /// Reads the lines of a block, in nft's words or ours.
    fn of(lines: impl Iterator<Item = &'a str>) -> Self {
        let (mut form, mut elements) = (Vec::new(), BTreeSet::new());
        let mut is_inside = false;
        for line in lines.map(str::trim) {
            let inside = line.strip_prefix("elements = {");
            is_inside |= inside.is_some();
            if is_inside {
                let inside = inside.unwrap_or(line);
                let all = inside.strip_suffix('}').unwrap_or(inside);
                elements.extend(parted(all).map(str::trim).filter(|one| !one.is_empty()));
            } else if FORM.iter().any(|word| line.starts_with(word)) {
                form.push(line);
            }
        }
        form.sort_unstable();
        Self { form, elements }
    }

    /// Writes what takes out of the set or map of this name what is not wanted in it.
    fn emptied(&self, name: &str, wanted: &Self, text: &mut String) -> std::fmt::Result {
        let mut stale = self.elements.difference(&wanted.elements).peekable();
        let is_plain =
            name.starts_with("set ") && !self.form.iter().any(|line| line.contains("interval"));
        if stale.peek().is_none() {
            Ok(())
        } else if is_plain {
            let stale: Vec<&str> = stale.copied().collect();
            let name = of_table(name).replacen("set ", "element ", 1);
            writeln!(text, "delete {name} {{ {} }}", stale.join(", "))
        } else {
            writeln!(text, "flush {}", of_table(name))
        }
    }
}

/// The elements of a line: what stands between commas, but for those of a comment.
fn parted(line: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    line.split(move |letter| {
        is_quoted ^= letter == '"';
        letter == ',' && !is_quoted
    })
}

/// A block as nft asks for it: `set inet redisguard rg_reserved`.
fn of_table(block: &str) -> String {
    block.replacen(' ', &format!(" {TABLE} "), 1)
}

/// All blocks of a table that is written out, by their first lines.
fn lists(table: &str) -> BTreeMap<&str, List<'_>> {
    let mut lists = BTreeMap::new();
    let mut lines = table.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix('\t').and_then(|line| line.strip_suffix(" {")) {
            let block = lines.by_ref().take_while(|line| *line != "\t}");
            lists.insert(name, List::of(block));
        }
    }
    lists
}

const PREFIX: &str = "redisguard:";

/// What stands in the comment of a line, behind our prefix.
fn comment(line: &str) -> Option<String> {
    let (_, comment) = line.split_once("comment \"")?;
    Some(comment.strip_prefix(PREFIX)?.strip_suffix('"')?.to_owned())
}

/// What the counter `counter port_8000-8010_v4` counted: `packets 1 bytes 60`.
fn counted(name: &str, line: &str) -> Option<(Family, Counter)> {
    let (ports, family) = name.strip_prefix("counter port_")?.rsplit_once('_')?;
    let family = Family::BOTH.into_iter().find(|known| known.short() == family)?;
    let mut words = line.split(' ');
    let mut number = || words.nth(1)?.parse().ok();
    let (packets, bytes) = (number()?, number()?);
    Some((family, Counter { table: COUNTED, ports: ports.parse().ok()?, packets, bytes }))
}

/// Whether a chain's block holds nothing but where it is hooked in, or a set's no elements.
fn has_no_rule(block: &str) -> bool {
    block.lines().all(|line| FORM.iter().any(|word| line.starts_with(word)))
}

fn digest(block: &str) -> String {
    let mut digest = hex(block.as_bytes());
    digest.truncate(DIGITS);
    digest
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const LOADED: &str = "table inet redisguard {\n\tcomment \"redisguard:0123456789ab\"\n\
        \tcounter port_6379_v6 {\n\t\tcomment \"redisguard:6379:x\"\n\t\tpackets 7 bytes 420\n\t}\n\n\
        \tset rg_reserved {\n\t\ttype inet_service\n\t\tsize 65535\n\t\tflags dynamic\n\
        \t\telements = { 6379,\n\t\t\t     6380 }\n\t}\n\n\
        \tchain rg_input {\n\t\ttype filter hook input priority filter - 10; policy accept;\n\
        \t\ttcp dport @rg_reserved goto rg_guard\n\t}\n\n\
        \tchain rg_guard {\n\t\tdrop comment \"redisguard:a } b\"\n\t}\n}\n";

    /// As it is listed after its seal was added.
    fn sealed() -> String {
        let listing = Listing::read(LOADED).unwrap().0;
        let rules = listing.sealed();
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
        Listing::read(text).unwrap().0.drift("0123456789ab").join("; ")
    }

    #[test]
    fn a_table_as_it_was_loaded_does_not_drift() {
        assert_eq!(drift(&sealed()), "");
        assert_eq!(drift(&sealed().replace("packets 7", "packets 8")), "");
        assert_eq!(drift(&sealed().replace("size 65535", "size 65535\t# count 2")), "");
        let counter = Counter { table: COUNTED, ports: 6379.into(), packets: 7, bytes: 420 };
        assert_eq!(Listing::read(LOADED).unwrap().1, [(Family::V6, counter)]);
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
            (sealed().replace("     6380", "     6381"), "set rg_reserved was edited"),
            (
                sealed().replace("\t\telements = { 6379,\n\t\t\t     6380 }\n", ""),
                "set rg_reserved was flushed",
            ),
            (
                sealed().replace("chain rg_guard {", "chain other {"),
                "chain rg_guard is missing; chain other is not ours",
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
            let text = Listing::read(&wanted(found)).unwrap().0.emptied(&wanted(next)).unwrap();
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

    #[test]
    fn a_comma_in_a_comment_parts_no_elements() {
        let line = "1 comment \"a, b\" : \"x\", 2 comment \"c\" : \"y\"";
        let parts: Vec<&str> = parted(line).collect();
        assert_eq!(parts, ["1 comment \"a, b\" : \"x\"", " 2 comment \"c\" : \"y\""]);
    }
}
