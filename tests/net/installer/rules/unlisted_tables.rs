//! A backend that cannot be listed is not an empty one: `remove` and a change of the backend find its rules all the
//! same, or name what is missing.

use super::{OTHER, assert_contains, bundle, exit_status, host_with_nft, install};
use crate::support::namespace::Host;
use crate::support::{INSTALL, tools, transcript};
use std::process::Output;

/// Rules that nft takes, and that make iptables unable to list the table.
const NATIVE: &str = "for family in ip ip6; do
        nft add rule $family filter INPUT tcp dport '{ 80, 443 }' ct state new accept
    done";

/// A host that is guarded by iptables.
fn guarded() -> Option<Host> {
    let host = host_with_nft()?;
    install(&host, &["apply"], 0);
    Some(host)
}

/// Where nft shows redisguard's rules.
fn left(host: &Host) -> String {
    host.sh("nft list ruleset 2>&1 | grep -iE 'redisguard|rg_' || true")
}

/// Runs the installer with these programs alone on its PATH.
fn with_programs(host: &Host, programs: &[&str], arguments: &[&str]) -> Output {
    host.sh("rm -rf /run/tools; mkdir /run/tools");
    for program in programs {
        host.sh(&format!("ln -s $(command -v {program}) /run/tools/{program}"));
    }
    host.command("env").arg("PATH=/run/tools").arg(INSTALL).args(arguments).output().unwrap()
}

#[test]
fn a_table_that_iptables_cannot_list_is_emptied_by_remove_and_foreign_rules_stay() {
    let Some(host) = guarded() else { return };
    host.sh(&format!(
        "iptables -N THEIRS; iptables -A THEIRS -p tcp --dport 22 -j ACCEPT; {NATIVE}"
    ));
    assert!(host.sh("iptables-save").contains("`filter' is incompatible"));
    let theirs =
        || host.sh("nft list ruleset | grep -E 'dport|THEIRS' | grep -vE 'redisguard|6379'");
    let output = install(&host, &["status"], 2);
    assert_contains(&output, "`filter' is incompatible");
    install(&host, &["remove"], 0);
    assert_eq!(left(&host), "");
    let foreign = theirs();
    assert_eq!(foreign.matches("ct state new").count(), 2, "{foreign}");
    assert!(foreign.contains("dport 22 ") && foreign.contains("chain THEIRS"), "{foreign}");
    assert_contains(&install(&host, &["remove"], 0), "nothing to remove");
}

#[test]
fn the_printed_fix_for_such_a_table_leaves_no_rules_behind() {
    let Some(host) = guarded() else { return };
    let rendered = bundle(&format!("{OTHER}backend = \"nftables\"\n"));
    host.copy_in(&rendered.path().join("generated"), "/run/nftables");
    host.sh(NATIVE);
    for verb in ["plan", "apply", "status"] {
        let output = install(&host, &[verb], 2);
        assert_contains(&output, "set backend = \"nftables\" in [firewall] and render again");
    }
    let output = install(&host, &["rules", "load"], 2);
    assert_contains(&output, "nftables guards the ports meanwhile");
    install(&host, &["--bundle", "/run/nftables", "apply"], 0);
    let left = left(&host);
    assert!(left.contains("table inet redisguard") && !left.contains("REDISGUARD-"), "{left}");
    install(&host, &["status"], 0);
    install(&host, &["remove"], 0);
    assert_eq!(self::left(&host), "");
}

#[test]
fn rules_are_removed_after_iptables_was_uninstalled() {
    for programs in [&["nft"][..], &["nft", "iptables", "iptables-save", "iptables-restore"]] {
        let Some(host) = guarded() else { return };
        assert_ne!(left(&host), "");
        let output = with_programs(&host, programs, &["remove"]);
        assert_eq!(exit_status(&output), 0, "{programs:?}: {}", transcript(&output));
        assert_eq!(left(&host), "", "{programs:?}");
    }
}

#[test]
fn rules_that_no_program_can_list_are_not_forgotten() {
    let Some(host) = guarded() else { return };
    let output = with_programs(&host, &["sh"], &["remove"]);
    assert_eq!(exit_status(&output), 2, "{}", transcript(&output));
    assert_contains(&output, "apt-get install iptables");
    assert_ne!(left(&host), "");
    install(&host, &["remove"], 0);
    assert_eq!(left(&host), "");
    // The same for the table of nft.
    let rendered = bundle(&format!("{OTHER}backend = \"nftables\"\n"));
    host.copy_in(&rendered.path().join("generated"), "/run/nftables");
    install(&host, &["--bundle", "/run/nftables", "apply"], 0);
    for verb in ["remove", "status"] {
        let output =
            with_programs(&host, &["iptables", "iptables-save", "ip6tables-save"], &[verb]);
        assert_eq!(exit_status(&output), 2, "{}", transcript(&output));
        assert_contains(&output, "apt-get install nftables");
    }
    install(&host, &["remove"], 0);
    assert_eq!(left(&host), "");
}

#[test]
fn legacy_rules_are_not_forgotten_when_iptables_is_uninstalled() {
    if !tools(&["iptables-legacy", "iptables-legacy-save"]) {
        return;
    }
    let Some(host) = host_with_nft() else { return };
    host.sh("for program in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
                 ln -s $(command -v $(echo $program | sed 's/tables/tables-legacy/')) /usr/local/sbin/$program
             done");
    install(&host, &["apply"], 0);
    let legacy = || host.sh("iptables-legacy-save; ip6tables-legacy-save");
    assert!(legacy().contains("REDISGUARD-IN"));
    let output = with_programs(&host, &["nft"], &["remove"]);
    assert_eq!(exit_status(&output), 2, "{}", transcript(&output));
    assert_contains(&output, "install iptables");
    assert!(legacy().contains("REDISGUARD-IN"));
    install(&host, &["remove"], 0);
    assert!(!legacy().contains("REDISGUARD-"), "{}", legacy());
}

#[test]
fn what_keeps_a_chain_is_named() {
    let Some(host) = guarded() else { return };
    host.sh(NATIVE);
    host.sh("nft add rule ip filter INPUT tcp dport vmap '{ 9 : jump REDISGUARD-IN }'");
    let output = install(&host, &["remove"], 2);
    assert_contains(&output, "nft --handle list ruleset | grep -n REDISGUARD-");
    let shown = host.sh("nft --handle list ruleset | grep -n REDISGUARD-");
    let handle = shown.lines().find(|line| line.contains("vmap")).unwrap();
    let handle = handle.rsplit(' ').next().unwrap();
    host.sh(&format!("nft delete rule ip filter INPUT handle {handle}"));
    install(&host, &["remove"], 0);
    assert_eq!(left(&host), "");
}
