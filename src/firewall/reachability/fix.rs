//! The commands that let redirected clients through, worded for what loads the table: an nft rule in a table of
//! iptables would keep iptables from listing it, and a rule beside firewalld's or ufw's goes with their next reload.
//!
//! Guarantees: each command line can be pasted into a shell as it is. redisguard itself stops clients that connect to
//! the listener's port directly, and redirects or stops packets to reserved ports, so that rules for these ports open
//! nothing else.

use super::outsiders::redirected;
use super::owner::{Owner, Stop};
use super::walk::Seen;
use crate::bundle::GuardConfig;
use crate::family::Family;
use crate::firewall::iptables::tables;
use crate::firewall::iptables::variant::Variant;
use crate::firewall::nftables::nft;
use crate::firewall::saved_copy::shell_word;
use crate::os::command::{Output, Program};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Where distributions keep the rules that iptables-restore loads at boot, by family.
const SAVED_RULES: [(Family, &[&str]); 2] = [
    (
        Family::V4,
        &["/etc/iptables/rules.v4", "/etc/sysconfig/iptables", "/etc/iptables/iptables.rules"],
    ),
    (
        Family::V6,
        &["/etc/iptables/rules.v6", "/etc/sysconfig/ip6tables", "/etc/iptables/ip6tables.rules"],
    ),
];
/// What nftables.service loads at boot.
const NFT_FILES: [&str; 3] =
    ["/etc/nftables.conf", "/etc/sysconfig/nftables.conf", "/etc/nftables.nft"];

/// The command lines of one owner, and the tables that they fix until those are loaded anew.
#[derive(Default)]
struct Fix {
    commands: Vec<String>,
    temporary: BTreeSet<String>,
}

/// Lines to put behind the description: each command line behind `fix: `, then what a person must do besides.
pub(super) fn lines(stops: &[Stop], guard_config: &GuardConfig) -> String {
    let port = guard_config.notice;
    let mut text = String::new();
    let mut temporary = BTreeSet::new();
    let of = |wanted: fn(&Owner) -> bool| -> Vec<&Stop> {
        stops.iter().filter(|stop| wanted(&stop.owner)).collect()
    };
    let firewalld = of(|owner| *owner == Owner::Firewalld);
    let ufw = of(|owner| *owner == Owner::Ufw);
    let commands = |commands| Fix { commands, ..Fix::default() };
    let fixes = [
        commands(if firewalld.is_empty() { Vec::new() } else { by_firewalld(port) }),
        // Before all other rules of the user's: one of those may be what stops them.
        commands(ufw.iter().take(1).map(|_| format!("ufw prepend allow {port}/tcp")).collect()),
        by_iptables(&of(|owner| matches!(owner, Owner::Iptables(_))), guard_config),
        by_nft(&of(|owner| *owner == Owner::Nft), guard_config),
    ];
    for mut fix in fixes.into_iter().filter(|fix| !fix.commands.is_empty()) {
        // Writing to a String cannot fail.
        let _ = write!(text, "\nfix: {}", fix.commands.join(" && "));
        temporary.append(&mut fix.temporary);
    }
    if !temporary.is_empty() {
        let tables: Vec<&str> = temporary.iter().map(String::as_str).collect();
        let tables = tables.join(", ");
        let _ = write!(
            text,
            "\nredisguard does not know what loads {tables} at boot: add the same rule there, or it is gone \
             when the table is loaded again"
        );
    }
    text
}

/// Now and for good, and without a reload: that flushes the rules of iptables.
fn by_firewalld(port: u16) -> Vec<String> {
    let ask = |question| {
        let asked = Program::new("firewall-cmd").args([question]).run("ask firewalld").ok();
        asked.filter(Output::is_success).map(Output::text).unwrap_or_default()
    };
    // `public (default)`, and below it indented lines with interfaces and sources.
    let (active, default) = (ask("--get-active-zones"), ask("--get-default-zone"));
    let lines = active.lines().chain(default.lines());
    let names = lines.filter(|line| !line.starts_with([' ', '\t']));
    let zones: BTreeSet<&str> = names.filter_map(|line| line.split_whitespace().next()).collect();
    let mut zones: Vec<String> = zones.into_iter().map(|zone| format!(" --zone={zone}")).collect();
    if zones.is_empty() {
        zones.push(String::new());
    }
    let kinds = ["", " --permanent"].into_iter();
    let each = kinds.flat_map(|kind| zones.iter().map(move |zone| (kind, zone)));
    each.map(|(kind, zone)| format!("firewall-cmd{kind}{zone} --add-port={port}/tcp")).collect()
}

/// What iptables and nft call the packets that are to pass, in a rule each.
fn packets(seen: Seen, guard_config: &GuardConfig) -> Vec<(String, String)> {
    let listener = guard_config.notice;
    let reserved = |iptables: &str, nft: &str| {
        let ranges = redirected(guard_config).into_iter();
        let rules = ranges.map(|range| {
            (
                format!("-p tcp -m tcp --{iptables} {}", range.to_iptables()),
                format!("tcp {nft} {range}"),
            )
        });
        rules.collect()
    };
    match seen {
        Seen::ToReserved => reserved("dport", "dport"),
        Seen::FromReserved => reserved("sport", "sport"),
        Seen::ToListener => vec![(
            format!("-p tcp -m tcp --dport {listener} -m conntrack --ctstate DNAT"),
            format!("ct status dnat tcp dport {listener}"),
        )],
        Seen::FromListener => {
            vec![(format!("-p tcp -m tcp --sport {listener}"), format!("tcp sport {listener}"))]
        }
        // RFC 4861: solicitation and advertisement.
        Seen::Discovery => [(135, "nd-neighbor-solicit"), (136, "nd-neighbor-advert")]
            .map(|(number, name)| {
                (
                    format!("-p ipv6-icmp -m icmp6 --icmpv6-type {number}"),
                    format!("icmpv6 type {name}"),
                )
            })
            .into(),
    }
}

fn by_iptables(stops: &[&Stop], guard_config: &GuardConfig) -> Fix {
    let mut fix = Fix::default();
    let mut saved = Vec::new();
    for Stop { owner, table: table_name, chain, family, seen, own_jumps } in stops {
        let Owner::Iptables(variant) = owner else { continue };
        let table = table_name.split(' ').next_back().unwrap_or_default();
        let is_selected = Variant::selected() == Some(*variant);
        let program = if is_selected { family.iptables() } else { variant.program(*family) };
        let of_table = if table == "filter" { String::new() } else { format!("-t {table} ") };
        // Behind redisguard's own jumps, which come first.
        let place = if *own_jumps > 0 { format!(" {}", own_jumps + 1) } else { String::new() };
        for (packets, _) in packets(*seen, guard_config) {
            let rule = format!("{packets} -j ACCEPT");
            fix.commands.push(format!("{program} {of_table}-I {chain}{place} {rule}"));
            let files = SAVED_RULES.iter().find(|(of, _)| of == family).map(|(_, files)| *files);
            let mut files = files.into_iter().flatten().filter(|_| is_selected);
            match files.find_map(|file| in_saved_rules(file, table, chain, &rule)) {
                Some(command) => saved.push(command),
                None => drop(fix.temporary.insert(format!("table {table_name}"))),
            }
        }
    }
    fix.commands.extend(saved);
    fix
}

/// The command that adds a rule to a file of iptables-save's: before all others of the chain, whose policy stands
/// in a line before any rule. `None` where there is no such file, or it does not have the chain.
fn in_saved_rules(file: &str, table: &str, chain: &str, rule: &str) -> Option<String> {
    // sed would replace a link by a file.
    let file = Path::new(file).canonicalize().ok()?;
    let text = fs::read_to_string(&file).ok()?;
    let mut lines = text.lines().skip_while(|line| *line != format!("*{table}"));
    let mut lines = lines.by_ref().take_while(|line| *line != "COMMIT");
    lines.any(|line| line.starts_with(&format!(":{chain} "))).then(|| {
        let file = shell_word(&file.display().to_string());
        format!(r"sed -i '/^\*{table}$/,/^COMMIT$/s/^:{chain} .*/&\n-A {chain} {rule}/' {file}")
    })
}

fn by_nft(stops: &[&Stop], guard_config: &GuardConfig) -> Fix {
    let mut chains = Vec::new();
    for Stop { table, chain, seen, .. } in stops {
        let known = Family::BOTH.into_iter().flat_map(tables::of).any(|of| of == *table);
        for (_, packets) in packets(*seen, guard_config) {
            // iptables can list this rule in a table by its name; one with `ct status` it cannot.
            let packets =
                packets.strip_prefix("ct status dnat ").filter(|_| known).unwrap_or(&packets);
            let rule = format!("insert rule {table} {chain} {packets} accept");
            if !chains.contains(&(table, rule.clone())) {
                chains.push((table, rule));
            }
        }
    }
    let mut fix = Fix::default();
    for (_, rule) in &chains {
        fix.commands.push(format!("nft {rule}"));
    }
    for (table, rule) in chains {
        match NFT_FILES.into_iter().find(|file| takes_rule(file, &rule)) {
            // On a line of its own, also where the last one has no end.
            Some(file) => fix.commands.push(format!(r"printf '\n{rule}\n' >> {file}")),
            None => drop(fix.temporary.insert(format!("table {table}"))),
        }
    }
    fix
}

/// Whether a file that is loaded at boot makes the table and chain of a rule, so that the rule can follow it.
fn takes_rule(file: &str, rule: &str) -> bool {
    let Ok(text) = fs::read_to_string(file) else { return false };
    // Nothing is committed. Without the tables that are loaded now, as at boot.
    let whole = format!("flush ruleset\n{text}\n{rule}\n");
    let checked = nft::run(&["--check", "--file", "-"], "check the nftables rules", &whole);
    checked.is_ok_and(|output| output.is_success())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_fix_changes_the_file_that_a_link_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("it's 4"), folder.path().join("rules.v4"));
        fs::write(&file, "*filter\n:INPUT DROP [0:0]\nCOMMIT\n").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let fix = in_saved_rules(link.to_str().unwrap(), "filter", "INPUT", "-j ACCEPT").unwrap();
        let done = std::process::Command::new("sh").args(["-c", &fix]).status().unwrap();
        assert!(done.success(), "{fix}");
        assert!(link.is_symlink(), "{fix}");
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text, "*filter\n:INPUT DROP [0:0]\n-A INPUT -j ACCEPT\nCOMMIT\n");
    }
}
