//! Keeps what chains counted over a change of their rules. A chain that counts is not filled anew but
//! retired: it gets another name, and a new chain takes its place. Once nothing leads to it, its counters
//! are final; they are read, then it goes. Runs nothing.

use super::chains::{PREFIX, RETIRED_PREFIX, is_retired, ports_of};
use super::ruleset::Ruleset;
use std::fmt::Write as _;

/// A chain that gets another name.
pub(super) struct Rename {
    table: String,
    from: String,
    to: String,
}

impl Ruleset {
    /// The installed chains to retire: those whose counters would be lost if they were filled anew.
    pub(super) fn retirements(&self, installed: &Self) -> Vec<Rename> {
        let mut renames = Vec::new();
        for (table, found) in &installed.tables {
            let wanted = self.tables.get(table);
            for (chain, rules) in &found.chains {
                let stays = wanted.and_then(|wanted| wanted.chains.get(chain)) == Some(rules);
                let counts = rules.iter().any(|rule| ports_of(rule).is_some());
                if stays || !counts || is_retired(chain) {
                    continue;
                }
                let rest = chain.strip_prefix(PREFIX).unwrap_or(chain);
                // Several may wait: of runs that were killed before their counters were read.
                let names = (0..10).map(|number| format!("{RETIRED_PREFIX}{number}-{rest}"));
                let free = names.into_iter().find(|name| !found.chains.contains_key(name));
                let rename =
                    free.map(|to| Rename { table: table.clone(), from: chain.clone(), to });
                renames.extend(rename);
            }
        }
        renames
    }

    /// The same with these chains renamed, and what leads to them.
    pub(super) fn renamed(&self, renames: &[Rename]) -> Self {
        let mut ruleset = self.clone();
        for Rename { table, from, to } in renames {
            let Some(table) = ruleset.tables.get_mut(table) else { continue };
            if let Some(rules) = table.chains.remove(from) {
                table.chains.insert(to.clone(), rules);
            }
            let rules = table.chains.values_mut().flatten();
            for rule in rules.chain(table.jumps.iter_mut().map(|jump| &mut jump.rule)) {
                for verb in ["-j", "-g"] {
                    let before = rule.strip_suffix(&format!(" {verb} {from}"));
                    if let Some(before) = before {
                        *rule = format!("{before} {verb} {to}");
                        break;
                    }
                }
            }
        }
        ruleset
    }

    /// Whether any chain is retired.
    pub fn has_retired(&self) -> bool {
        let chains = self.tables.values().flat_map(|table| table.chains.keys());
        chains.into_iter().any(|chain| is_retired(chain))
    }
}

/// The input of `iptables-restore --noflush` that renames chains.
pub(super) fn rename_transaction(renames: &[Rename]) -> String {
    let mut text = String::new();
    let mut open = "";
    for Rename { table, from, to } in renames {
        if open != table {
            let end = if open.is_empty() { "" } else { "COMMIT\n" };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{end}*{table}");
            open = table;
        }
        let _ = writeln!(text, "-E {from} {to}");
    }
    text + "COMMIT\n"
}
