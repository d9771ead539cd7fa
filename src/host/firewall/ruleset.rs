//! Owns what a family's rules are: our own chains and the jumps into them, as text in the form that
//! iptables-save prints, and the pure difference between two of them. Runs nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What our chains are called.
const PREFIX: &str = "REDISGUARD-";

/// One table's part that is ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Our chains, each with its rules behind `-A CHAIN `.
    pub chains: BTreeMap<String, Vec<String>>,
    /// The jumps into them from chains that are not ours.
    pub jumps: Vec<Jump>,
}

/// A rule of somebody else's chain that leads into ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jump {
    /// The chain that it stands in.
    pub chain: String,
    /// Its place there, from 1.
    pub position: usize,
    /// The rule behind `-A CHAIN `.
    pub rule: String,
}

/// One family's tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruleset {
    /// By the table's name.
    pub tables: BTreeMap<String, Table>,
}

/// A live rule's counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// The rule behind `-A CHAIN `.
    pub rule: String,
    /// Packets that matched it.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Table {
    /// Takes one line of a listing (`iptables -S`) or of a rules file. Lines of others are passed
    /// over, but counted for the jumps' positions in `lengths`.
    fn take(&mut self, line: &str, lengths: &mut BTreeMap<String, usize>) {
        let mut words = line.splitn(3, ' ');
        let (verb, chain) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let rest = words.next().unwrap_or_default().trim();
        let ours = chain.starts_with(PREFIX);
        match verb {
            "-N" if ours => {
                self.chains.entry(chain.to_owned()).or_default();
            }
            _ if verb.starts_with(':') && verb[1..].starts_with(PREFIX) => {
                self.chains.entry(verb[1..].to_owned()).or_default();
            }
            "-A" if ours => self.chains.entry(chain.to_owned()).or_default().push(rest.to_owned()),
            "-A" => {
                let position = lengths.entry(chain.to_owned()).or_default();
                *position += 1;
                if leads_to_us(rest) {
                    let (chain, position) = (chain.to_owned(), *position);
                    self.jumps.push(Jump { chain, position, rule: rest.to_owned() });
                }
            }
            "-I" => {
                let (place, rule) = rest.split_once(' ').unwrap_or(("1", rest));
                let position = place.parse().unwrap_or(1);
                self.jumps.push(Jump {
                    chain: chain.to_owned(),
                    position,
                    rule: rule.trim().to_owned(),
                });
            }
            _ => {}
        }
    }
}

fn leads_to_us(rule: &str) -> bool {
    let mut words = rule.split(' ').rev();
    let target = words.find(|word| word.starts_with(PREFIX));
    target.is_some() && matches!(words.next(), Some("-j" | "-g"))
}

impl Ruleset {
    /// Reads a rules file of a bundle.
    ///
    /// # Errors
    /// Names the first line that our own rules never have.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut ruleset = Self::default();
        let mut current: Option<&mut Table> = None;
        let mut lengths = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let stray = || format!("line {} does not belong into our rules: {line}", index + 1);
            match (line.as_bytes().first(), &mut current) {
                (None | Some(b'#'), _) => {}
                (Some(b'*'), None) => {
                    current = Some(ruleset.tables.entry(line[1..].to_owned()).or_default());
                }
                (Some(b'C'), Some(_)) if line == "COMMIT" => current = None,
                (Some(b':'), Some(table)) if line[1..].starts_with(PREFIX) => {
                    table.take(line, &mut lengths);
                }
                (Some(b'-'), Some(table)) => {
                    let known = table.chains.keys().any(|chain| {
                        line.starts_with(&format!("-A {chain} "))
                            || (line.starts_with("-I ") && line.ends_with(&format!("-j {chain}")))
                    });
                    if !known {
                        return Err(stray());
                    }
                    table.take(line, &mut lengths);
                }
                _ => return Err(stray()),
            }
        }
        if current.is_some() { Err("the last table has no COMMIT".to_owned()) } else { Ok(ruleset) }
    }

    /// Adds a live table, as `iptables -t TABLE -S -v` lists it, and returns the counters of ours.
    pub fn add_listing(&mut self, table: &str, listing: &str) -> Vec<Counter> {
        let mut found = Table::default();
        let mut lengths = BTreeMap::new();
        let mut counters = Vec::new();
        for line in listing.lines() {
            let (plain, counter) = without_counter(line);
            found.take(&plain, &mut lengths);
            if let (Some((packets, bytes)), Some(rule)) = (counter, plain.strip_prefix("-A ")) {
                let (chain, rule) = rule.split_once(' ').unwrap_or((rule, ""));
                if chain.starts_with(PREFIX) {
                    counters.push(Counter { rule: rule.to_owned(), packets, bytes });
                }
            }
        }
        if found != Table::default() {
            self.tables.insert(table.to_owned(), found);
        }
        counters
    }

    /// Everything in which `live` is not what `self` wants, in words; empty when it is.
    pub fn drift(&self, live: &Self) -> Vec<String> {
        let none = Table::default();
        let mut names: Vec<&String> = self.tables.keys().chain(live.tables.keys()).collect();
        names.sort_unstable();
        names.dedup();
        if live.tables.is_empty() && !self.tables.is_empty() {
            return vec!["no rules of ours are loaded".to_owned()];
        }
        let mut findings = Vec::new();
        for name in names {
            let wanted = self.tables.get(name).unwrap_or(&none);
            let found = live.tables.get(name).unwrap_or(&none);
            chain_drift(name, wanted, found, &mut findings);
            jump_drift(name, wanted, found, &mut findings);
        }
        findings
    }

    /// The input of `iptables-restore --noflush` that turns `live` into `self` in one transaction
    /// per table: our chains refilled, every jump of ours taken out and put back at the top.
    pub fn transaction(&self, live: &Self) -> String {
        let none = Table::default();
        let mut names: Vec<&String> = self.tables.keys().chain(live.tables.keys()).collect();
        names.sort_unstable();
        names.dedup();
        let mut text = String::new();
        for name in names {
            let wanted = self.tables.get(name).unwrap_or(&none);
            let found = live.tables.get(name).unwrap_or(&none);
            table_transaction(name, wanted, found, &mut text);
        }
        text
    }
}

fn chain_drift(table: &str, wanted: &Table, found: &Table, findings: &mut Vec<String>) {
    for (chain, rules) in &wanted.chains {
        match found.chains.get(chain) {
            None => findings.push(format!("{table}: chain {chain} is missing")),
            Some(live) if live.is_empty() && !rules.is_empty() => {
                findings.push(format!("{table}: chain {chain} was flushed"));
            }
            Some(live) if live != rules => {
                findings.push(format!("{table}: chain {chain} was edited"));
            }
            Some(_) => {}
        }
    }
    for chain in found.chains.keys().filter(|chain| !wanted.chains.contains_key(*chain)) {
        findings.push(format!("{table}: chain {chain} is left over"));
    }
}

fn jump_drift(table: &str, wanted: &Table, found: &Table, findings: &mut Vec<String>) {
    for jump in &wanted.jumps {
        let same = |live: &&Jump| live.chain == jump.chain && live.rule == jump.rule;
        let live: Vec<&Jump> = found.jumps.iter().filter(same).collect();
        let chain = &jump.chain;
        match live.as_slice() {
            [] => findings.push(format!("{table}: the jump from {chain} is missing")),
            [only] if only.position == 1 => {}
            [only] => findings.push(format!(
                "{table}: the jump from {chain} stands at position {}, behind other rules",
                only.position
            )),
            several => findings
                .push(format!("{table}: the jump from {chain} stands {} times", several.len())),
        }
    }
    let foreign = |live: &&Jump| {
        !wanted.jumps.iter().any(|jump| jump.chain == live.chain && jump.rule == live.rule)
    };
    for jump in found.jumps.iter().filter(foreign) {
        findings.push(format!("{table}: {} has another jump into our chains", jump.chain));
    }
}

fn table_transaction(name: &str, wanted: &Table, found: &Table, text: &mut String) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "*{name}");
    for chain in wanted.chains.keys() {
        let _ = writeln!(text, ":{chain} - [0:0]");
    }
    for (chain, rules) in &wanted.chains {
        for rule in rules {
            let _ = writeln!(text, "-A {chain} {rule}");
        }
    }
    for jump in &found.jumps {
        let _ = writeln!(text, "-D {} {}", jump.chain, jump.rule);
    }
    for jump in wanted.jumps.iter().rev() {
        let _ = writeln!(text, "-I {} 1 {}", jump.chain, jump.rule);
    }
    let left_over: Vec<&String> =
        found.chains.keys().filter(|chain| !wanted.chains.contains_key(*chain)).collect();
    for verb in ["-F", "-X"] {
        for chain in &left_over {
            let _ = writeln!(text, "{verb} {chain}");
        }
    }
    let _ = writeln!(text, "COMMIT");
}

/// A listed rule without its `-c PACKETS BYTES`, and those.
fn without_counter(line: &str) -> (String, Option<(u64, u64)>) {
    // The counters stand before the target, behind all matches: search from the end.
    let Some(place) = line.rfind(" -c ") else { return (line.to_owned(), None) };
    let mut words = line[place + 4..].splitn(3, ' ');
    let mut number = || words.next().and_then(|word| word.parse::<u64>().ok());
    match (number(), number()) {
        (Some(packets), Some(bytes)) => {
            let rest = words.next().unwrap_or_default();
            let plain = format!("{} {rest}", &line[..place]);
            (plain.trim_end().to_owned(), Some((packets, bytes)))
        }
        _ => (line.to_owned(), None),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const RULES: &str = "# c\n*filter\n:REDISGUARD-IN - [0:0]\n\
        -A REDISGUARD-IN -i lo -m comment --comment \"redisguard:a -c 1 2 b\" -j ACCEPT\n\
        -I INPUT 1 -p tcp -j REDISGUARD-IN\nCOMMIT\n";
    const LISTING: &str = "-P INPUT ACCEPT -c 0 0\n-N REDISGUARD-IN\n-N FOREIGN\n\
        -A INPUT -p tcp -c 5 300 -j REDISGUARD-IN\n-A INPUT -s 10.0.0.0/8 -c 0 0 -j FOREIGN\n\
        -A REDISGUARD-IN -i lo -m comment --comment \"redisguard:a -c 1 2 b\" -c 7 420 -j ACCEPT\n";

    fn live(listing: &str) -> Ruleset {
        let mut live = Ruleset::default();
        live.add_listing("filter", listing);
        live
    }

    fn drift(listing: &str) -> String {
        Ruleset::parse(RULES).unwrap().drift(&live(listing)).join("; ")
    }

    #[test]
    fn a_host_with_the_rules_in_place_does_not_drift() {
        assert_eq!(drift(LISTING), "");
        let counters = Ruleset::default().add_listing("filter", LISTING);
        assert_eq!((counters[0].packets, counters[0].bytes, counters.len()), (7, 420, 1));
    }

    #[test]
    fn every_kind_of_drift_is_named() {
        let foreign = "-A INPUT -p tcp -c 0 0 -j ACCEPT\n-A INPUT -p tcp -c 5 300 -j REDISGUARD-IN";
        let own = "-A INPUT -p tcp -c 5 300 -j REDISGUARD-IN";
        let cases = [
            ("".to_owned(), "no rules of ours are loaded"),
            ("-A INPUT -c 0 0 -j REDISGUARD-IN".to_owned(), "chain REDISGUARD-IN is missing"),
            (LISTING.replace(own, "-A INPUT -c 0 0 -j DROP"), "jump from INPUT is missing"),
            (LISTING.replace(own, foreign), "at position 2, behind other rules"),
            (LISTING.replace(own, &format!("{own}\n{own}")), "stands 2 times"),
            (LISTING.replace("-i lo", "-i eth0"), "chain REDISGUARD-IN was edited"),
            (
                LISTING.replace("-A REDISGUARD-IN -i lo", "# -i lo"),
                "chain REDISGUARD-IN was flushed",
            ),
            (LISTING.replace("-N FOREIGN", "-N REDISGUARD-OLD"), "REDISGUARD-OLD is left over"),
            (LISTING.replace("FOREIGN", "REDISGUARD-IN"), "another jump into our chains"),
        ];
        for (listing, wanted) in cases {
            assert!(drift(&listing).contains(wanted), "{} for\n{listing}", drift(&listing));
        }
    }

    #[test]
    fn a_transaction_replaces_every_old_jump_and_drops_left_over_chains() {
        let listing = LISTING.replace("-N FOREIGN", "-N REDISGUARD-OLD");
        let text = Ruleset::parse(RULES).unwrap().transaction(&live(&listing));
        assert_eq!(
            text,
            "*filter\n:REDISGUARD-IN - [0:0]\n\
             -A REDISGUARD-IN -i lo -m comment --comment \"redisguard:a -c 1 2 b\" -j ACCEPT\n\
             -D INPUT -p tcp -j REDISGUARD-IN\n-I INPUT 1 -p tcp -j REDISGUARD-IN\n\
             -F REDISGUARD-OLD\n-X REDISGUARD-OLD\nCOMMIT\n"
        );
    }

    #[test]
    fn rules_that_touch_others_are_not_ours() {
        for bad in
            ["*filter\n-A INPUT -j DROP\nCOMMIT\n", "*filter\n-F\nCOMMIT\n", "-A X\n", "*filter\n"]
        {
            assert!(Ruleset::parse(bad).is_err(), "{bad} was taken");
        }
    }
}
