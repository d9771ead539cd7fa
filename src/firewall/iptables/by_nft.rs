//! redisguard's chains in the tables of iptables, read and removed by nft: where iptables cannot list a table
//! (nft has put a rule there that iptables does not know), or is not installed any more.
//!
//! Never: touches a rule of others; each jump is deleted by its handle, which the kernel gives only once.

use super::chains::{INPUT, PREFIX};
use super::tables;
use crate::error::Error;
use crate::family::Family;
use crate::firewall::nftables::{netlink, nft};
use crate::firewall::types::InstalledRules;
use crate::os::command::one_line;
use serde_json::Value;
use std::fmt::Write as _;

const LIST: &str = "list redisguard's iptables rules with nft";
const REMOVE: &str = "remove redisguard's iptables rules with nft";

/// The chains that packets meet first, of this version and of 0.1: asked for where nft is not installed.
const FIRST_CHAINS: [&str; 4] = [INPUT, "REDISGUARD-BLOCK", "REDISGUARD-MARK", "REDISGUARD-PRE"];

/// What one table holds of redisguard's.
#[derive(Debug, Default, PartialEq, Eq)]
struct OwnChains {
    /// The table as nft names it: `ip filter`.
    table: String,
    /// The rules of other chains that lead into redisguard's: chain and handle.
    jumps: Vec<(String, u64)>,
    /// redisguard's chains.
    chains: Vec<String>,
}

impl OwnChains {
    /// Reads what `nft --json --handle list table` has printed.
    fn read(table: &str, listing: &Value) -> Self {
        let mut own = Self { table: table.to_owned(), ..Self::default() };
        let is_own = |name: &Value| name.as_str().is_some_and(|name| name.starts_with(PREFIX));
        for object in listing["nftables"].as_array().into_iter().flatten() {
            let (chain, rule) = (&object["chain"], &object["rule"]);
            if is_own(&chain["name"]) {
                own.chains.extend(chain["name"].as_str().map(str::to_owned));
            }
            let mut statements = rule["expr"].as_array().into_iter().flatten();
            let leads_there = statements.any(|statement| {
                is_own(&statement["jump"]["target"]) || is_own(&statement["goto"]["target"])
            });
            if leads_there && !is_own(&rule["chain"]) {
                let jump = rule["chain"].as_str().map(str::to_owned).zip(rule["handle"].as_u64());
                own.jumps.extend(jump);
            }
        }
        own
    }

    fn is_empty(&self) -> bool {
        self.jumps.is_empty() && self.chains.is_empty()
    }

    /// The commands that delete the jumps.
    fn write_detachment(&self, script: &mut String) {
        for (chain, handle) in &self.jumps {
            // Writing to a String cannot fail.
            let _ = writeln!(script, "delete rule {} {chain} handle {handle}", self.table);
        }
    }

    /// The commands that delete the jumps, then the chains. All chains are flushed before any is deleted: one
    /// that another still leads to cannot be.
    fn write_removal(&self, script: &mut String) {
        self.write_detachment(script);
        for verb in ["flush", "delete"] {
            for chain in &self.chains {
                let _ = writeln!(script, "{verb} chain {} {chain}", self.table);
            }
        }
    }
}

/// Every table that holds anything of redisguard's.
fn list() -> Result<Vec<OwnChains>, Error> {
    let mut all = Vec::new();
    for table in
        Family::BOTH.into_iter().flat_map(tables::of).filter(|table| netlink::exists(table))
    {
        let words = ["--json", "--handle", "list", "table"].into_iter().chain(table.split(' '));
        let output = nft::run(&words.collect::<Vec<_>>(), LIST, "");
        let output = match output {
            // Without nft the kernel still says whether a chain is there.
            Err(_) if !FIRST_CHAINS.iter().any(|chain| netlink::has_chain(&table, chain)) => {
                continue;
            }
            output => output?,
        };
        if !output.is_success() {
            return Err(nft::refused(LIST, &output.stderr));
        }
        let listing: Value = serde_json::from_slice(&output.stdout)
            .map_err(|error| Error::new(LIST, one_line(&error.to_string())))?;
        all.push(OwnChains::read(&table, &listing));
    }
    all.retain(|own| !own.is_empty());
    Ok(all)
}

/// What nft lists of redisguard's in the tables of iptables. Counters are not among it: iptables keeps a
/// rule's comment, which says the port, where nft does not show it.
pub(super) fn observe() -> Result<InstalledRules, Error> {
    if netlink::is_forbidden() {
        return Err(Error::new(LIST, "Permission denied").help("run it as root"));
    }
    let present = !list()?.is_empty();
    Ok(InstalledRules { present, by_nft: true, ..InstalledRules::default() })
}

/// Deletes the jumps into redisguard's chains.
pub(super) fn detach() -> Result<(), Error> {
    change(OwnChains::write_detachment)
}

/// Deletes redisguard's chains and the jumps into them, in one transaction.
pub(super) fn unload() -> Result<(), Error> {
    change(OwnChains::write_removal)
}

fn change(write: fn(&OwnChains, &mut String)) -> Result<(), Error> {
    let mut script = String::new();
    list()?.iter().for_each(|own| write(own, &mut script));
    if script.is_empty() {
        return Ok(());
    }
    nft::read_script(&[], REMOVE, &script).map_err(|error| {
        error.help(format!(
            "`nft --handle list ruleset | grep -n {PREFIX}` shows what leads there; delete such rules of \
             others, then run it again"
        ))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_redisguards_chains_and_the_jumps_there_are_removed() {
        let rule = |chain: &str, handle: u64, statement: Value| {
            json!({"rule": {"family": "ip", "table": "filter", "chain": chain, "handle": handle,
                   "expr": [{"counter": {"packets": 1, "bytes": 60}}, statement]}})
        };
        let chain =
            |name: &str| json!({"chain": {"family": "ip", "table": "filter", "name": name}});
        let listing = json!({"nftables": [
            {"metainfo": {"version": "1.0.6"}}, {"table": {"family": "ip", "name": "filter"}},
            chain("INPUT"), chain("REDISGUARD-IN"), chain("REDISGUARD-LOGGED"), chain("THEIRS"),
            rule("INPUT", 7, json!({"jump": {"target": "REDISGUARD-IN"}})),
            rule("INPUT", 8, json!({"jump": {"target": "THEIRS"}})),
            rule("INPUT", 9, json!({"accept": null})),
            rule("THEIRS", 11, json!({"goto": {"target": "REDISGUARD-IN"}})),
            rule("REDISGUARD-IN", 12, json!({"jump": {"target": "REDISGUARD-LOGGED"}})),
        ]});
        let mut script = String::new();
        OwnChains::read("ip filter", &listing).write_removal(&mut script);
        assert_eq!(
            script,
            "delete rule ip filter INPUT handle 7\ndelete rule ip filter THEIRS handle 11\n\
             flush chain ip filter REDISGUARD-IN\nflush chain ip filter REDISGUARD-LOGGED\n\
             delete chain ip filter REDISGUARD-IN\ndelete chain ip filter REDISGUARD-LOGGED\n"
        );
    }

    #[test]
    fn a_table_of_others_holds_nothing() {
        let listing = json!({"nftables": [{"chain": {"name": "INPUT"}},
            {"rule": {"chain": "INPUT", "handle": 1, "expr": [{"jump": {"target": "X"}}]}}]});
        assert!(OwnChains::read("ip filter", &listing).is_empty());
    }
}
