//! The difference between a family's wanted rules and the installed ones, in words. Runs nothing.

use super::ruleset::{Jump, Ruleset, Table};

impl Ruleset {
    /// The digest of the bundle that all jumps name; `None` where they do not agree.
    fn bundle(&self) -> Option<&str> {
        let jumps = self.tables.values().flat_map(|table| &table.jumps);
        let mut digests = jumps.map(|jump| {
            let (_, comment) = jump.rule.split_once("--comment \"redisguard:")?;
            comment.split_once('"').map(|(digest, _)| digest)
        });
        let first = digests.next()??;
        digests.all(|digest| digest == Some(first)).then_some(first)
    }

    /// Every difference of the installed rules from these, in words; empty where there is none.
    pub fn drift(&self, installed: &Self) -> Vec<String> {
        if installed.tables.is_empty() && !self.tables.is_empty() {
            return vec!["no rules of ours are loaded".to_owned()];
        }
        if let (Some(wanted), Some(found)) = (self.bundle(), installed.bundle())
            && wanted != found
        {
            return vec![format!("the rules are of bundle {found}")];
        }
        let mut findings = Vec::new();
        for (name, wanted, found) in self.tables_beside(installed) {
            chain_drift(name, wanted, found, &mut findings);
            jump_drift(name, wanted, found, &mut findings);
        }
        findings
    }
}

fn chain_drift(table: &str, wanted: &Table, found: &Table, findings: &mut Vec<String>) {
    for (chain, rules) in &wanted.chains {
        match found.chains.get(chain) {
            None => findings.push(format!("{table}: chain {chain} is missing")),
            Some(rest) if rest.is_empty() && !rules.is_empty() => {
                findings.push(format!("{table}: chain {chain} was flushed"));
            }
            Some(other) if other != rules => {
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
        let is_same = |found: &&Jump| found.chain == jump.chain && found.rule == jump.rule;
        let same: Vec<&Jump> = found.jumps.iter().filter(is_same).collect();
        let which = if jump.position == 1 { "the jump" } else { "the second jump" };
        let which = format!("{table}: {which} from {}", jump.chain);
        match same.as_slice() {
            [] => findings.push(format!("{which} is missing")),
            // One that has moved up, since one above it is missing, comes before no fewer rules.
            [only] if only.position <= jump.position => {}
            [only] => findings.push(format!(
                "{which} stands at position {}, behind `{}`",
                only.position,
                only.behind.as_deref().unwrap_or_default()
            )),
            several => findings.push(format!("{which} stands {} times", several.len())),
        }
    }
    let foreign = |found: &&Jump| {
        !wanted.jumps.iter().any(|jump| jump.chain == found.chain && jump.rule == found.rule)
    };
    for jump in found.jumps.iter().filter(foreign) {
        findings.push(format!("{table}: {} has another jump into our chains", jump.chain));
    }
}
