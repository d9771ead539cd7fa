//! The transactions that turn one ruleset into another, as input of `iptables-restore`. Runs nothing.

use super::chains::is_retired;
use super::ruleset::{Ruleset, Table};
use std::fmt::Write as _;

/// What becomes of retired chains, and of those that they lead to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Retired {
    Kept,
    Dropped,
}

impl Ruleset {
    /// The same chains without the jumps into them.
    pub(super) fn without_jumps(&self) -> Self {
        let mut chains = self.clone();
        chains.tables.values_mut().for_each(|table| table.jumps.clear());
        chains
    }

    /// The input of `iptables-restore --noflush` that replaces the installed rules with these, in one
    /// transaction for each table. Chains that differ are filled anew; every jump is removed and inserted
    /// at the top again.
    pub(super) fn transaction(&self, installed: &Self) -> String {
        self.write(installed, Retired::Dropped)
    }

    /// The same, but a table with retired chains keeps them, and all that they lead to, so that their
    /// counters can be read.
    pub(super) fn replacement(&self, installed: &Self) -> String {
        self.write(installed, Retired::Kept)
    }

    fn write(&self, installed: &Self, retired: Retired) -> String {
        let mut text = String::new();
        for (name, wanted, found) in self.tables_beside(installed) {
            table_transaction(name, wanted, found, retired, &mut text);
        }
        text
    }
}

fn table_transaction(
    name: &str,
    wanted: &Table,
    found: &Table,
    retired: Retired,
    text: &mut String,
) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "*{name}");
    // A chain that is as it is wanted keeps its counters.
    let refilled =
        || wanted.chains.iter().filter(|(chain, rules)| found.chains.get(*chain) != Some(*rules));
    for (chain, _) in refilled() {
        let _ = writeln!(text, ":{chain} - [0:0]");
    }
    for (chain, rules) in refilled() {
        for rule in rules {
            let _ = writeln!(text, "-A {chain} {rule}");
        }
    }
    for jump in &found.jumps {
        let _ = writeln!(text, "-D {} {}", jump.chain, jump.rule);
    }
    // The last one first: each is inserted above everything that is there.
    for jump in wanted.jumps.iter().rev() {
        let _ = writeln!(text, "-I {} 1 {}", jump.chain, jump.rule);
    }
    let left_over = found.chains.keys().filter(|chain| !wanted.chains.contains_key(*chain));
    let drops_all =
        retired == Retired::Dropped || !found.chains.keys().any(|chain| is_retired(chain));
    let left_over: Vec<&String> = left_over.filter(|_| drops_all).collect();
    // All are flushed before any is deleted: a chain that another still leads to cannot be.
    for verb in ["-F", "-X"] {
        for chain in &left_over {
            let _ = writeln!(text, "{verb} {chain}");
        }
    }
    let _ = writeln!(text, "COMMIT");
}
