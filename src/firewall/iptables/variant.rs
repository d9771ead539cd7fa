//! Owns telling the two kinds of iptables apart: `iptables` is one of them, and shows nothing of what
//! the other holds, although the kernel asks both. Looking loads no kernel module and changes nothing.

use crate::error::Error;
use crate::family::Family;
use crate::firewall::backend::{Backend, Live};
use crate::firewall::{Ruleset, Rulesets};
use crate::os::command;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// A kind of iptables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Its rules stand in tables of nf_tables.
    Nft,
    /// Its rules stand in tables of their own, the older ones.
    Legacy,
}

impl Variant {
    /// The kind that `iptables` is on this host; `None` where it is not installed, or does not say.
    pub fn selected() -> Option<Self> {
        const PROGRAM: &str = "iptables";
        if let Some(named) = Self::named(PROGRAM) {
            return Some(named);
        }
        let said = Command::new(PROGRAM).arg("--version").output().ok()?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        // Who does not say is not guessed: what the other kind is taken to hold of ours is taken away.
        match (said.contains("nf_tables"), said.starts_with("iptables v")) {
            (true, _) => Some(Self::Nft),
            (false, true) => Some(Self::Legacy),
            (false, false) => None,
        }
    }

    /// The kind that one of its programs is by name; `None` where it is not installed, or a script.
    pub fn named(program: &'static str) -> Option<Self> {
        // It is asked again and again, and the answer takes a dozen looks at the disk.
        static KNOWN: Mutex<BTreeMap<&str, Option<Variant>>> = Mutex::new(BTreeMap::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        *known.entry(program).or_insert_with(|| Self::by_name(program))
    }

    fn by_name(program: &str) -> Option<Self> {
        // A link to a link to a program of either kind, on every distribution that has both.
        let real = in_path(program)?.canonicalize().ok()?;
        let name = real.file_name()?.to_string_lossy();
        let kinds = [("legacy", Self::Legacy), ("nft", Self::Nft)];
        kinds.into_iter().find(|(word, _)| name.contains(word)).map(|(_, kind)| kind)
    }

    /// The one that is not this one.
    pub fn other(self) -> Self {
        match self {
            Self::Nft => Self::Legacy,
            Self::Legacy => Self::Nft,
        }
    }

    /// What its programs are called: `iptables-legacy`, and `-restore` or `-save` behind that.
    pub fn program(self, family: Family) -> &'static str {
        match (self, family) {
            (Self::Nft, Family::V4) => "iptables-nft",
            (Self::Nft, Family::V6) => "ip6tables-nft",
            (Self::Legacy, Family::V4) => "iptables-legacy",
            (Self::Legacy, Family::V6) => "ip6tables-legacy",
        }
    }

    /// Whether it may hold anything of a family, so that asking it does not bring its modules in.
    fn may_hold(self, family: Family) -> bool {
        match self {
            Self::Legacy => {
                let names = match family {
                    Family::V4 => "/proc/net/ip_tables_names",
                    Family::V6 => "/proc/net/ip6_tables_names",
                };
                fs::read(names).is_ok_and(|names| !names.is_empty())
            }
            Self::Nft => has_module("nf_tables"),
        }
    }

    /// All that it holds of a family, as its own iptables-save prints it. Nothing where that is not
    /// installed, or the kernel has no such kind: that must not keep anybody from guarding.
    fn saved(self, family: Family) -> String {
        let said = Command::new(format!("{}-save", self.program(family))).output();
        let said = said.ok().filter(|said| said.status.success());
        said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned()).unwrap_or_default()
    }
}

/// What the kind holds that `iptables` is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::firewall) struct Hidden {
    variant: Variant,
    /// Rules of ours, from before the kinds were switched.
    ours: Rulesets,
    /// How many rules and policies of others, by family and table.
    foreign: BTreeMap<(Family, String), usize>,
}

impl Hidden {
    /// Looks behind `iptables`.
    fn look(variant: Variant) -> Self {
        let mut hidden = Self { variant, ours: Rulesets::new(), foreign: BTreeMap::new() };
        for family in Family::BOTH.into_iter().filter(|family| variant.may_hold(*family)) {
            hidden.take(family, &variant.saved(family));
        }
        hidden
    }

    /// Sorts what a family's iptables-save printed.
    fn take(&mut self, family: Family, saved: &str) {
        let (ours, ..) = Ruleset::listed(saved);
        for table in saved.split_inclusive("COMMIT\n") {
            let name = table.lines().find_map(|line| line.strip_prefix('*'));
            let Some(name) = name else { continue };
            let known = ours.tables.get(name).map_or(0, |known| {
                known.jumps.len() + known.chains.values().map(Vec::len).sum::<usize>()
            });
            let foreign = table.lines().filter(|line| says_something(line)).count() - known;
            if foreign > 0 {
                self.foreign.insert((family, name.to_owned()), foreign);
            }
        }
        if !ours.tables.is_empty() {
            self.ours.insert(family, ours);
        }
    }

    /// What others have there, in words; `None` if it is nothing.
    fn in_words(&self) -> Option<String> {
        let counted = self
            .foreign
            .iter()
            .map(|((family, table), count)| format!("{} {table}: {count}", family.name()));
        let counted: Vec<String> = counted.collect();
        let (hidden, shown) = (self.variant, self.variant.other());
        (!counted.is_empty()).then(|| {
            format!(
                "rules of others stand in {} ({}), but `iptables` is {} here and does not show them",
                hidden.program(Family::V4),
                counted.join(", "),
                shown.program(Family::V4)
            )
        })
    }

    /// Why nothing can be applied there.
    fn conflict(&self) -> Option<Error> {
        let (hidden, shown) = (self.variant, self.variant.other());
        Some(Error::new("guard this host", self.in_words()?).help(format!(
            "bring all rules together: flush those of {hidden} if nothing needs them, move them \
             with `{hidden}-save | iptables-restore --noflush`, or make {hidden} the one that \
             everything uses: `update-alternatives --set iptables /usr/sbin/{hidden}`, and \
             ip6tables alike, then move those of {shown}",
            hidden = hidden.program(Family::V4),
            shown = shown.program(Family::V4),
        )))
    }
}

/// Rules of others that `iptables` does not show, in words.
pub fn hidden_rules() -> Option<String> {
    Hidden::look(Variant::selected()?.other()).in_words()
}

/// Refuses a host on which rules of others are hidden from whoever looks.
///
/// # Errors
/// Says where they are, and what brings all together.
pub fn refuse_hidden_rules() -> Result<(), Error> {
    let hidden = Variant::selected().map(|variant| Hidden::look(variant.other()));
    hidden.and_then(|hidden| hidden.conflict()).map_or(Ok(()), Err)
}

/// The kind as one that may have loaded our rules at another time.
impl Backend for Variant {
    fn look(&self) -> Result<Live, Error> {
        let rulesets = Hidden::look(*self).ours;
        Ok(Live { guarded: !rulesets.is_empty(), rulesets, ..Live::default() })
    }

    fn test(&self, _live: &Live) -> Result<(), Error> {
        Ok(())
    }

    fn load(&self, _live: &Live) -> Result<(), Error> {
        Ok(())
    }

    fn put_back(&self, before: &Live, now: &Live) -> Result<(), Error> {
        let none = Ruleset::default();
        for family in Family::BOTH {
            let of = |live: &Live| live.rulesets.get(&family).unwrap_or(&none).clone();
            let (before, now) = (of(before), of(now));
            if before == now {
                continue;
            }
            let program = format!("{}-restore", self.program(family));
            let what = format!("change our rules with {program}");
            let mut command = Command::new(program);
            command.args(["--noflush", "--wait", "5"]);
            let said = command::run(
                &mut command,
                &what,
                before.transaction(&now).as_bytes(),
                command::LIMIT,
            )?;
            if !said.success {
                return Err(Error::new(what, command::one_line(&said.stderr)));
            }
        }
        Ok(())
    }

    fn unload(&self, live: &Live) -> Result<(), Error> {
        self.put_back(&Live::default(), live)
    }
}

/// Whether a line of iptables-save does anything to packets: a rule, or a policy other than ACCEPT.
fn says_something(line: &str) -> bool {
    let policy = line.strip_prefix(':').and_then(|chain| chain.split(' ').nth(1));
    line.starts_with("-A ") || policy.is_some_and(|policy| !matches!(policy, "ACCEPT" | "-"))
}

/// A program's place, as `Command` would find it.
fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Whether the kernel has a module loaded or built in. If it does not say, it may have.
fn has_module(module: &str) -> bool {
    let Ok(loaded) = fs::read_to_string("/proc/modules") else { return true };
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let built_in = Path::new("/lib/modules").join(release.trim()).join("modules.builtin");
    loaded.lines().any(|line| line.split(' ').next() == Some(module))
        || fs::read_to_string(built_in).map_or(true, |list| list.contains(&format!("/{module}.ko")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn hidden(saved: &str) -> Hidden {
        let (ours, foreign) = (Rulesets::new(), BTreeMap::new());
        let mut hidden = Hidden { variant: Variant::Legacy, ours, foreign };
        hidden.take(Family::V4, saved);
        hidden
    }

    #[test]
    fn empty_tables_are_nothing() {
        let saved = "# a\n*nat\n:PREROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\nCOMMIT\n# b\n\
                     *filter\n:INPUT ACCEPT [7:420]\nCOMMIT\n";
        let hidden = hidden(saved);
        assert!(hidden.conflict().is_none() && hidden.ours.is_empty());
    }

    #[test]
    fn rules_and_policies_of_others_are_counted_by_table() {
        let saved = "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n\
                     *filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n";
        let hidden = hidden(saved);
        let said = hidden.conflict().unwrap().to_string();
        assert!(said.contains("iptables-legacy (IPv4 filter: 2, IPv4 nat: 1)"), "{said}");
        assert!(said.contains("`iptables` is iptables-nft here"), "{said}");
        assert!(hidden.ours.is_empty());
    }

    #[test]
    fn rules_of_ours_are_no_conflict_and_can_be_taken_out() {
        let saved = "*filter\n:INPUT ACCEPT [0:0]\n:REDISGUARD-IN - [0:0]\n\
                     -A INPUT -p tcp -m comment --comment \"redisguard:x\" -j REDISGUARD-IN\n\
                     -A REDISGUARD-IN -i lo -j ACCEPT\nCOMMIT\n";
        let hidden = hidden(saved);
        assert!(hidden.conflict().is_none());
        assert_eq!(
            Ruleset::default().transaction(&hidden.ours[&Family::V4]),
            "*filter\n-D INPUT -p tcp -m comment --comment \"redisguard:x\" -j REDISGUARD-IN\n\
             -F REDISGUARD-IN\n-X REDISGUARD-IN\nCOMMIT\n"
        );
    }

    #[test]
    fn a_foreign_rule_beside_ours_is_a_conflict() {
        let saved = "*filter\n:REDISGUARD-IN - [0:0]\n-A INPUT -j REDISGUARD-IN\n-A INPUT -j DROP\n\
                     -A REDISGUARD-IN -j DROP\nCOMMIT\n";
        assert!(hidden(saved).in_words().unwrap().contains("filter: 1"));
    }
}
