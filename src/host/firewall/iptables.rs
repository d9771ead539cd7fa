//! Owns running iptables and ip6tables: the `iptables` crate to inspect and to take chains and jumps
//! away, `iptables-restore` to load in one transaction.

use super::{Firewall, Live, Ruleset, Rulesets};
use crate::bundle::Family;
use crate::error::Trouble;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// Seconds to wait for others that hold the xtables lock.
const WAIT: &str = "5";
/// The tables that our chains can stand in.
const TABLES: [&str; 3] = ["filter", "mangle", "nat"];
const CURE: &str = "install it (Debian: apt-get install iptables), or run as root if it is there";

/// iptables for every family that the host has.
pub struct Iptables {
    families: Vec<(Family, iptables::IPTables)>,
}

impl Iptables {
    /// Finds the programs. A kernel without IPv6 needs none for it.
    ///
    /// # Errors
    /// Names the program that is missing or does not run.
    pub fn find() -> Result<Self, Trouble> {
        let has_ipv6 = Path::new("/proc/net/if_inet6").exists();
        let families = Family::BOTH.into_iter().filter(|family| *family == Family::V4 || has_ipv6);
        let find = |family: Family| {
            let program = program(family);
            iptables::new(family == Family::V6).map(|found| (family, found)).map_err(|error| {
                let missing = error.downcast_ref::<std::io::Error>();
                let missing = missing.is_some_and(|error| error.kind() == ErrorKind::NotFound);
                let cause = if missing { "it is not installed".into() } else { error.to_string() };
                Trouble::new(format!("run {program}"), cause).cure(CURE)
            })
        };
        Ok(Self { families: families.map(find).collect::<Result<_, _>>()? })
    }

    fn restore(family: Family, transaction: &str, test: bool) -> Result<(), Trouble> {
        let program = format!("{}-restore", program(family));
        let what = format!("{} the {} rules", if test { "check" } else { "load" }, family.name());
        let mut command = Command::new(&program);
        command.args(["--noflush", "--wait", WAIT]);
        if test {
            command.arg("--test");
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| Trouble::new(format!("run {program}"), error).cure(CURE))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that refuses early closes the pipe; its own words are better than ours.
            let _ = stdin.write_all(transaction.as_bytes());
        }
        let output = child.wait_with_output().map_err(|error| Trouble::new(&what, error))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let cause = format!("{program} said: {}", one_line(&said));
        Err(Trouble::new(what, cause).cure(cure_for(&said)))
    }
}

impl Iptables {
    /// A load failed, maybe between two tables: whatever is not as it was before is put back.
    fn go_back(&self, before: &Live, trouble: Trouble) -> Trouble {
        let now = match self.inspect() {
            Ok(now) => now,
            Err(worse) => return trouble.and(worse),
        };
        let changed = before.rulesets.iter().filter_map(|(family, before)| {
            let now = now.rulesets.get(family).filter(|now| *now != before)?;
            Some((*family, before.transaction(now)))
        });
        changed.fold(trouble, |trouble, (family, transaction)| {
            match Self::restore(family, &transaction, false) {
                Ok(()) => trouble,
                Err(worse) => trouble.and(worse),
            }
        })
    }
}

/// A command's words in one line.
fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() { "nothing".to_owned() } else { lines.join(" | ") }
}

fn cure_for(said: &str) -> &'static str {
    if said.contains("ermission denied") {
        "run it as root"
    } else if said.contains("lock") {
        "another program holds the xtables lock; run it again"
    } else {
        "the rules are as they were; the kernel may lack a module that is named above"
    }
}

fn program(family: Family) -> &'static str {
    match family {
        Family::V4 => "iptables",
        Family::V6 => "ip6tables",
    }
}

impl Firewall for Iptables {
    fn inspect(&self) -> Result<Live, Trouble> {
        let mut live = Live::default();
        for (family, tool) in &self.families {
            let mut ruleset = Ruleset::default();
            for table in TABLES {
                let what = format!("list the {} {table} table", family.name());
                let output = tool
                    .execute(table, "-S -v")
                    .map_err(|error| Trouble::new(&what, error).cure(CURE))?;
                if output.status.success() {
                    let listing = String::from_utf8_lossy(&output.stdout);
                    let counters = ruleset.add_listing(table, &listing);
                    // What is stopped is stopped in this table; the others only lead it here.
                    let counters = counters.into_iter().filter(|_| table == "filter");
                    live.counters.extend(counters.map(|counter| (*family, counter)));
                } else if table == "filter" {
                    // A kernel without a table has nothing of ours in it.
                    let said = String::from_utf8_lossy(&output.stderr);
                    return Err(Trouble::new(what, one_line(&said)).cure(cure_for(&said)));
                }
            }
            live.rulesets.insert(*family, ruleset);
        }
        Ok(live)
    }

    fn test(&self, wanted: &Rulesets, live: &Live) -> Result<(), Trouble> {
        live.rulesets.iter().try_for_each(|(family, live)| match wanted.get(family) {
            Some(wanted) => Self::restore(*family, &wanted.transaction(live), true),
            None => Ok(()),
        })
    }

    fn load(&self, wanted: &Rulesets, live: &Live) -> Result<(), Trouble> {
        self.test(wanted, live)?;
        for (family, before) in &live.rulesets {
            let Some(rules) = wanted.get(family) else { continue };
            if let Err(trouble) = Self::restore(*family, &rules.transaction(before), false) {
                return Err(self.go_back(live, trouble));
            }
        }
        let drift = self.inspect()?.drift(wanted);
        match drift.first() {
            None => Ok(()),
            Some((family, finding)) => {
                let cause = format!("{}: {finding}", family.name());
                let trouble = Trouble::new("find the rules as they were loaded", cause);
                Err(trouble.cure("another program changes them at the same time; run it again"))
            }
        }
    }

    fn unload(&self, live: &Live) -> Result<(), Trouble> {
        for (family, tool) in &self.families {
            let Some(ruleset) = live.rulesets.get(family) else { continue };
            for (name, table) in &ruleset.tables {
                let failed = |chain: &str, error: Box<dyn std::error::Error>| {
                    let what = format!("take away {chain} ({} {name})", family.name());
                    Trouble::new(what, one_line(&error.to_string()))
                };
                for jump in &table.jumps {
                    tool.delete(name, &jump.chain, &jump.rule)
                        .map_err(|error| failed(&jump.chain, error))?;
                }
                for chain in table.chains.keys() {
                    tool.flush_chain(name, chain).map_err(|error| failed(chain, error))?;
                }
                for chain in table.chains.keys() {
                    tool.delete_chain(name, chain).map_err(|error| failed(chain, error))?;
                }
                drop_if_empty(*family, name);
            }
        }
        Ok(())
    }
}

/// iptables on nf_tables makes a table for the first rule and never takes it away. One that holds
/// nothing but its accepting chains is as good as none, and is dropped, so that the listing is what
/// it was before us. Where nft is not installed it stays.
fn drop_if_empty(family: Family, table: &str) {
    let family = match family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
    };
    let nft = |verb: &str| Command::new("nft").args([verb, "table", family, table]).output();
    let Ok(listing) = nft("list") else { return };
    let listing = String::from_utf8_lossy(&listing.stdout);
    let mut lines = listing.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let bare = |line: &str| {
        matches!(line, "" | "}")
            || (line.starts_with("table ") && line.ends_with('{'))
            || (line.starts_with("chain ") && line.ends_with('{'))
            || (line.starts_with("type ") && line.ends_with("policy accept;"))
    };
    if !listing.is_empty() && lines.all(bare) {
        let _ = nft("delete");
    }
}
