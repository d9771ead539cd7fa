//! Beside the firewalls of others the guard holds, and a removal leaves them as they were.

pub(crate) mod container_engine;
mod firewalld;
mod flushed_tables;
mod iptables_variants;
mod missing_features;
mod nftables_service;
mod printed_fixes;
mod saved_rules;
mod service_hooks;
mod ufw;

use super::*;
use std::collections::BTreeMap;
use std::process::Command;
use support::GEN;
use support::machine::Changed;
use tempfile::TempDir;

/// Everything that a removal has to give back: files, rules of both kinds of iptables, and those that
/// only nft shows. Logs stay.
type Look = (BTreeMap<String, Changed>, String, String);

fn look(machine: &Machine) -> Look {
    let mut files = machine.changed_contents();
    // What tests bring is in /root.
    const OTHERS: [&str; 3] = ["/var/log", "/root", COUNTERS];
    files.retain(|path, _| !OTHERS.iter().any(|other| path.starts_with(other)));
    (files, machine.iptables_save(), nft_rules(machine))
}

/// Where a machine has the bundle that [`bring`] renders.
const BUNDLE: &str = "/root/bundle";

/// Brings a bundle that treats outsiders like this on both reserved ports.
fn bring(machine: &Machine, backend: &str, external: &str) {
    let reserved = |port: u16, listen: &str| {
        format!("[[reserved]]\nport = {port}\nexternal = \"{external}\"\nlisten = \"{listen}\"\n")
    };
    let spec = format!(
        "[contact]\nteam = \"Ops\"\nemail = \"ops@example.org\"\n[cluster]\nports = \"7000-7002\"\n{}{}\
         [firewall]\nbackend = \"{backend}\"\n",
        reserved(6379, "always"),
        reserved(6380, "if-free")
    );
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("redisguard.toml"), spec).unwrap();
    let said = Command::new(GEN).current_dir(folder.path()).output().unwrap();
    assert!(said.status.success(), "{said:?}");
    let packed =
        Command::new("tar").args(["-C", "generated", "-c", "."]).current_dir(&folder).output();
    machine.write_file("/root/bundle.tar", packed.unwrap().stdout);
    sh(machine, &format!("rm -rf {BUNDLE}; mkdir {BUNDLE}; tar -xf /root/bundle.tar -C {BUNDLE}"));
}

/// Applies what [`bring`] brought.
fn apply(machine: &Machine, external: &str) {
    apply_by(machine, "iptables", external);
}

fn apply_by(machine: &Machine, backend: &str, external: &str) {
    bring(machine, backend, external);
    redisguard(machine, &["--bundle", BUNDLE, "apply"]).ok();
}

/// Whether the neighbour is told, over both families, on both ports.
#[track_caller]
fn assert_told(machine: &Machine) {
    for port in [6379, 6380] {
        for met in machine.reaches(port) {
            let Outcome::Notice(said) = met else { panic!("port {port}: {met:?}") };
            assert!(said.contains(&format!("PORTCLOSED {port} ")), "{said}");
        }
    }
}

/// Fails with what is more and what is less than before, not with all of it.
#[track_caller]
fn assert_unchanged(machine: &Machine, before: &Look) {
    let lines = |(files, rules, nft): &Look| -> Vec<String> {
        let files = files.iter().map(|(path, changed)| format!("{path}: {changed:?}"));
        let rules = rules.lines().chain(nft.lines()).map(str::to_owned);
        files.chain(rules).collect()
    };
    let now = look(machine);
    if now != *before {
        let (was, is) = (lines(before), lines(&now));
        let gone: Vec<_> = was.iter().filter(|line| !is.contains(line)).collect();
        let new: Vec<_> = is.iter().filter(|line| !was.contains(line)).collect();
        panic!("gone: {gone:#?}\nnew: {new:#?}\n(neither: another order)");
    }
}

/// What nft lists, without counters: every line with its table and chain, in the order of the names,
/// for who makes a chain anew puts it last. Without base chains in which nothing is: iptables makes
/// them for a rule, or for a listing, and leaves them.
pub(crate) fn nft_rules(machine: &Machine) -> String {
    let listing = machine.beside(&["nft", "--stateless", "list", "ruleset"]).ok();
    let (mut table, mut blocks) = (String::new(), BTreeMap::<String, Vec<&str>>::new());
    let mut block = None;
    for line in listing.lines().filter(|line| !line.trim().is_empty()) {
        match line.chars().take_while(|letter| *letter == '\t').count() {
            0 => table = line.to_owned(),
            1 => block = Some(blocks.entry(format!("{table}{line}")).or_default()),
            _ => block.as_mut().expect("a line in a chain").push(line.trim()),
        }
    }
    let bare = |lines: &[&str]| matches!(lines, [only] if only.ends_with("policy accept;"));
    blocks.retain(|name, lines| name.contains("\t") && !name.ends_with('}') && !bare(lines));
    blocks.iter().map(|(name, lines)| format!("{name} {}\n", lines.join("\n"))).collect()
}

/// The rules of iptables that are not ours, as if ours were not there.
fn foreign_rules(machine: &Machine) -> String {
    let rules = machine.iptables_save();
    let foreign = rules.split_inclusive('\n').filter(|line| !line.contains("REDISGUARD-"));
    let foreign: String = foreign.collect();
    let tables = foreign.split_inclusive(": COMMIT\n");
    let empty = |line: &str| {
        let line = line.split_once(": ").map_or(line, |(_, line)| line);
        line.starts_with('*')
            || line == "COMMIT"
            || (line.starts_with(':') && line.ends_with(" ACCEPT"))
    };
    tables.filter(|table| !table.lines().all(empty)).collect()
}

/// Whether a text has all of these words, however it is folded.
#[track_caller]
fn assert_says(text: &str, words: &[&str]) {
    let text: Vec<&str> = text.split_whitespace().collect();
    let text = text.join(" ");
    for words in words {
        assert!(text.contains(words), "{words} is not in {text}");
    }
}

/// Runs a shell script in the machine; it must succeed.
#[track_caller]
pub(crate) fn sh(machine: &Machine, script: &str) -> String {
    machine.run(&["sh", "-euc", script]).ok()
}

/// The service that the timer starts, now.
#[track_caller]
fn check(machine: &Machine) {
    // Tests ask for it more often than a timer does.
    machine.run(&["systemctl", "reset-failed", CHECK]);
    let done = machine.run(&["systemctl", "start", CHECK]);
    let journal = || machine.run(&["journalctl", "--no-pager", "-o", "cat", "-u", CHECK]).stdout;
    assert_eq!(done.code, 0, "{}", journal());
}

/// A host that was damaged: `status` says so with these words, and the check mends it.
#[track_caller]
fn is_fixed(machine: &Machine, words: &[&str]) {
    is_fixed_at_all(machine, words);
    assert_guards(machine);
}

/// The same where outsiders are not dropped.
#[track_caller]
fn is_fixed_at_all(machine: &Machine, words: &[&str]) {
    let status = redisguard(machine, &["status"]).ended(1);
    assert_says(&status, words);
    check(machine);
    redisguard(machine, &["status"]).ok();
}

/// A unit that loads saved rules at boot as netfilter-persistent does, without its package.
fn write_stand_in_for_netfilter_persistent(machine: &Machine) {
    machine.write_file(
        "/etc/systemd/system/netfilter-persistent.service",
        "[Unit]\nDefaultDependencies=no\nAfter=local-fs.target\nBefore=network-pre.target\n\
         [Service]\nType=oneshot\nRemainAfterExit=yes\n\
         ExecStart=/bin/sh -ec 'iptables-restore </etc/iptables/rules.v4; \
         ip6tables-restore </etc/iptables/rules.v6'\n[Install]\nWantedBy=multi-user.target\n",
    );
}
