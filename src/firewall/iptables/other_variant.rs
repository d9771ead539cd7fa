//! The variant of iptables that `iptables` is not, and does not list. It may hold redisguard's rules from
//! before the variants were switched, which have to go. Rules of others there are a conflict: an operator
//! who lists one variant misses the rules of the other.

use super::by_nft;
use super::programs::run_restore;
use super::ruleset::Ruleset;
use super::variant::Variant;
use crate::error::Error;
use crate::family::Family;
use crate::firewall::backend::RulesBackend;
use crate::firewall::dry_run_netns::DryRunNetns;
use crate::firewall::types::{InstalledRules, Rulesets};
use crate::os::command::{is_installed, one_line};
use std::collections::{BTreeMap, BTreeSet};

/// That variant, as a backend that loads nothing new.
pub struct OtherVariant(Variant);

impl OtherVariant {
    /// That of this host; `None` where it is not known which one `iptables` is.
    pub fn find() -> Option<Self> {
        Variant::selected().map(|selected| Self(selected.other()))
    }

    /// What it holds now.
    pub fn holdings(&self) -> Holdings {
        Holdings::read(self.0)
    }
}

/// What that variant holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holdings {
    variant: Variant,
    /// redisguard's rules, from before the variants were switched.
    own: Rulesets,
    /// How many rules and policies of others, by family and table.
    foreign: BTreeMap<(Family, String), usize>,
}

impl Holdings {
    fn read(variant: Variant) -> Self {
        let mut holdings = Self { variant, own: Rulesets::new(), foreign: BTreeMap::new() };
        for family in Family::BOTH.into_iter().filter(|family| variant.may_hold(*family)) {
            holdings.add(family, &variant.saved(family));
        }
        holdings
    }

    /// Adds what a family's iptables-save has printed.
    fn add(&mut self, family: Family, saved: &str) {
        let (own, ..) = Ruleset::listed(saved);
        for table in saved.split_inclusive("COMMIT\n") {
            let name = table.lines().find_map(|line| line.strip_prefix('*'));
            let Some(name) = name else { continue };
            let known = own.tables.get(name).map_or(0, |known| {
                known.jumps.len() + known.chains.values().map(Vec::len).sum::<usize>()
            });
            let foreign = table.lines().filter(|line| affects_packets(line)).count() - known;
            if foreign > 0 {
                self.foreign.insert((family, name.to_owned()), foreign);
            }
        }
        if !own.tables.is_empty() {
            self.own.insert(family, own);
        }
    }

    /// The rules of others there, in words; `None` where there are none.
    pub fn foreign_rules(&self) -> Option<String> {
        let counted = self
            .foreign
            .iter()
            .map(|((family, table), count)| format!("{} {table}: {count}", family.name()));
        let counted: Vec<String> = counted.collect();
        let (hidden, shown) = (self.variant, self.variant.other());
        (!counted.is_empty()).then(|| {
            format!(
                "other programs' rules are in {} ({}), but `iptables` is {} here and does not show them",
                hidden.program(Family::V4),
                counted.join(", "),
                shown.program(Family::V4)
            )
        })
    }

    /// Why nothing can be applied beside them: where they are, and what brings all together.
    pub fn conflict(&self) -> Option<Error> {
        let hidden = self.variant.program(Family::V4);
        let mut help = format!(
            "bring all rules together\n  fix, if nothing needs those of {hidden}: {}\n  fix, if something needs \
             them (a chain of the same name is replaced): {}",
            self.for_each_family(Self::flush_command),
            self.for_each_family(Self::move_command),
        );
        if is_installed("update-alternatives") {
            let set = Family::BOTH.map(|family| {
                let program = self.variant.program(family);
                format!("update-alternatives --set {} /usr/sbin/{program}", family.iptables())
            });
            help += &format!(
                "\n  fix, if everything should use {hidden} (then `plan` says which rules are left to move): {}",
                set.join(" && ")
            );
        }
        Some(Error::new("guard this host", self.foreign_rules()?).help(help))
    }

    /// One command line for all families with rules of others.
    fn for_each_family(&self, command: fn(&Self, Family) -> String) -> String {
        let families: BTreeSet<Family> = self.foreign.keys().map(|(family, _)| *family).collect();
        let commands = families.into_iter().map(|family| command(self, family));
        commands.collect::<Vec<_>>().join(" && ")
    }

    /// Leaves nothing of others in a family: no rule, no chain, and only policies that accept. redisguard's own
    /// rules stay until others guard.
    fn flush_command(&self, family: Family) -> String {
        let hidden = self.variant.program(family);
        let rules = r"/REDISGUARD-/!{/^-A |^:[^ ]+ - /d}";
        let policies = r"s/^(:[^ ]+) [A-Z]+ /\1 ACCEPT /";
        format!("{hidden}-save | sed -E -e '{rules}' -e '{policies}' | {hidden}-restore")
    }

    /// Adds the rules of others to those that `iptables` shows, and leaves nothing of them here.
    fn move_command(&self, family: Family) -> String {
        let (hidden, shown) = (self.variant.program(family), family.iptables());
        let flush = self.flush_command(family);
        format!("{hidden}-save | sed '/REDISGUARD-/d' | {shown}-restore --noflush && {flush}")
    }
}

impl RulesBackend for OtherVariant {
    fn name(&self) -> &'static str {
        self.0.program(Family::V4)
    }

    fn observe(&self) -> Result<InstalledRules, Error> {
        let rulesets = self.holdings().own;
        if rulesets.is_empty() && self.0 == Variant::Nft {
            // Its program may be missing, or unable to list a table.
            return by_nft::observe();
        }
        Ok(InstalledRules { present: !rulesets.is_empty(), rulesets, ..InstalledRules::default() })
    }

    fn check(&self, _installed: &InstalledRules, _dry_run: &DryRunNetns) -> Result<(), Error> {
        Ok(())
    }

    fn load(&self, _installed: &InstalledRules) -> Result<(), Error> {
        Ok(())
    }

    fn restore(&self, before: &InstalledRules, now: &InstalledRules) -> Result<(), Error> {
        if now.by_nft && !before.present {
            return by_nft::unload();
        }
        let none = Ruleset::default();
        for family in Family::BOTH {
            let of = |rules: &InstalledRules| rules.rulesets.get(&family).unwrap_or(&none).clone();
            let (before, now) = (of(before), of(now));
            if before == now {
                continue;
            }
            let program = format!("{}-restore", self.0.program(family));
            let action = format!("change redisguard's rules with {program}");
            let output = run_restore(&program, &[], &action, &before.transaction(&now))?;
            if !output.is_success() {
                return Err(Error::new(action, one_line(&output.stderr)));
            }
        }
        Ok(())
    }

    fn unload(&self, installed: &InstalledRules) -> Result<(), Error> {
        self.restore(&InstalledRules::default(), installed)
    }
}

/// Whether a line of iptables-save affects packets: a rule, or a policy other than ACCEPT.
fn affects_packets(line: &str) -> bool {
    let policy = line.strip_prefix(':').and_then(|chain| chain.split(' ').nth(1));
    line.starts_with("-A ") || policy.is_some_and(|policy| !matches!(policy, "ACCEPT" | "-"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn holdings(saved: &str) -> Holdings {
        let (own, foreign) = (Rulesets::new(), BTreeMap::new());
        let mut holdings = Holdings { variant: Variant::Legacy, own, foreign };
        holdings.add(Family::V4, saved);
        holdings
    }

    #[test]
    fn empty_tables_are_nothing() {
        let saved = "# a\n*nat\n:PREROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\nCOMMIT\n# b\n\
                     *filter\n:INPUT ACCEPT [7:420]\nCOMMIT\n";
        let holdings = holdings(saved);
        assert!(holdings.conflict().is_none() && holdings.own.is_empty());
    }

    #[test]
    fn rules_and_policies_of_others_are_counted_by_table() {
        let saved = "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n\
                     *filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n";
        let holdings = holdings(saved);
        let text = holdings.conflict().unwrap().to_string();
        assert!(text.contains("iptables-legacy (IPv4 filter: 2, IPv4 nat: 1)"), "{text}");
        assert!(text.contains("`iptables` is iptables-nft here"), "{text}");
        assert!(holdings.own.is_empty());
    }

    #[test]
    fn redisguards_rules_are_no_conflict_and_can_be_removed() {
        let saved = "*filter\n:INPUT ACCEPT [0:0]\n:REDISGUARD-IN - [0:0]\n\
                     -A INPUT -p tcp -m comment --comment \"redisguard:x\" -j REDISGUARD-IN\n\
                     -A REDISGUARD-IN -i lo -j ACCEPT\nCOMMIT\n";
        let holdings = holdings(saved);
        assert!(holdings.conflict().is_none());
        assert_eq!(
            Ruleset::default().transaction(&holdings.own[&Family::V4]),
            "*filter\n-D INPUT -p tcp -m comment --comment \"redisguard:x\" -j REDISGUARD-IN\n\
             -F REDISGUARD-IN\n-X REDISGUARD-IN\nCOMMIT\n"
        );
    }

    #[test]
    fn a_foreign_rule_beside_ours_is_a_conflict() {
        let saved = "*filter\n:REDISGUARD-IN - [0:0]\n-A INPUT -j REDISGUARD-IN\n-A INPUT -j DROP\n\
                     -A REDISGUARD-IN -j DROP\nCOMMIT\n";
        assert!(holdings(saved).foreign_rules().unwrap().contains("filter: 1"));
    }
}
