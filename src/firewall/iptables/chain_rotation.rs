//! Owns keeping what chains counted over a change of their rules: a chain that counts is not refilled but
//! renamed, and another one takes its place. Once nothing leads there its counters are final: they are
//! read, then it goes. Runs nothing.

use super::ruleset::{Ruleset, ports_of};
use std::fmt::Write as _;

/// How chains begin that are on their way out.
const OLD: &str = "REDISGUARD-OLD";
/// How those begin that they were.
const NEW: &str = "REDISGUARD-";

/// A chain that gets another name.
pub(in crate::firewall) struct Rename {
    table: String,
    from: String,
    to: String,
}

/// Whether a chain is on its way out.
pub(in crate::firewall) fn is_retired(chain: &str) -> bool {
    chain.starts_with(OLD)
}

impl Ruleset {
    /// The live chains whose counters would be lost if they became what is wanted.
    pub(in crate::firewall) fn renames(&self, live: &Self) -> Vec<Rename> {
        let mut renames = Vec::new();
        for (table, found) in &live.tables {
            let wanted = self.tables.get(table);
            for (chain, rules) in &found.chains {
                let stays = wanted.and_then(|wanted| wanted.chains.get(chain)) == Some(rules);
                let counts = rules.iter().any(|rule| ports_of(rule).is_some());
                if stays || !counts || is_retired(chain) {
                    continue;
                }
                let rest = chain.strip_prefix(NEW).unwrap_or(chain);
                let names = (0..10).map(|number| format!("{OLD}{number}-{rest}"));
                let free = names.into_iter().find(|name| !found.chains.contains_key(name));
                let rename =
                    free.map(|to| Rename { table: table.clone(), from: chain.clone(), to });
                renames.extend(rename);
            }
        }
        renames
    }

    /// The same when those have their new names.
    pub(in crate::firewall) fn renamed(&self, renames: &[Rename]) -> Self {
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

    /// Whether chains are on their way out.
    pub(in crate::firewall) fn is_retiring(&self) -> bool {
        let chains = self.tables.values().flat_map(|table| table.chains.keys());
        chains.into_iter().any(|chain| is_retired(chain))
    }
}

/// The input of `iptables-restore --noflush` that renames.
pub(in crate::firewall) fn renaming(renames: &[Rename]) -> String {
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
