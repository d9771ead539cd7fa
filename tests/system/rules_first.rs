//! Rules that were flushed come back with the next `apply`, whatever keeps the rest of it from being done.

use super::failed_apply::give_bundle;
use super::*;

/// One port that the listener has, so that an outsider gets an answer while the rules are gone.
fn spec(backend: &str, team: &str) -> String {
    format!(
        "[contact]\nteam = \"{team}\"\nemail = \"ops@example.org\"\n[cluster]\nports = 7000\n\
         [[reserved]]\nport = 6379\nexternal = \"drop\"\nlisten = \"always\"\n\
         [firewall]\nbackend = \"{backend}\"\n"
    )
}

const FLUSH: &str = "nft flush ruleset";
const FILL: &str = "cat /dev/zero >/filler 2>/dev/null; sync; true";

/// What else is broken, the script that repairs it, and the arguments of `apply`.
type Damage = (&'static str, &'static str, &'static str, &'static [&'static str]);

const KEPT: &[&str] = &["apply"];
const DAMAGES: [Damage; 6] = [
    ("a full disk", FILL, "rm /filler", KEPT),
    ("a full disk, with another bundle", FILL, "rm /filler", &["--bundle", "/root/other", "apply"]),
    (
        "a read-only /etc",
        "echo >>/etc/redisguard/notice.toml; mount --bind /etc /etc; mount -o remount,bind,ro /etc",
        "umount /etc",
        KEPT,
    ),
    (
        "a state directory that cannot be written",
        "mount --bind /var/lib/redisguard /var/lib/redisguard
         mount -o remount,bind,ro /var/lib/redisguard",
        "umount /var/lib/redisguard",
        KEPT,
    ),
    (
        "a systemctl that fails",
        "printf '#!/bin/sh\\nexit 1\\n' >/usr/local/bin/systemctl; chmod 755 /usr/local/bin/systemctl",
        "rm /usr/local/bin/systemctl",
        KEPT,
    ),
    ("a bundle that is not there", "true", "true", &["--bundle", "/root/nowhere", "apply"]),
];

/// Outsiders reach the listener: nothing blocks them.
#[track_caller]
fn assert_reachable(machine: &Machine, what: &str) {
    let met = machine.reaches(6379);
    assert!(met.iter().all(|met| matches!(met, Outcome::Notice(_))), "{what}: {met:?}");
}

fn rules_come_back(name: &str, backend: &str) {
    let Some(machine) = host(name) else { return };
    let sh = |script: &str| machine.run(&["sh", "-c", script]).ok();
    give_bundle(&machine, &spec(backend, "Ops"), "/root/site");
    give_bundle(&machine, &spec(backend, "Others"), "/root/other");
    redisguard(&machine, &["--bundle", "/root/site", "apply"]).ok();
    // It would bring them back within a minute.
    machine.run(&["systemctl", "stop", TIMER]).ok();
    for (what, damage, repair, apply) in DAMAGES {
        sh(FLUSH);
        assert_reachable(&machine, what);
        sh(damage);
        let said = redisguard(&machine, apply);
        sh(repair);
        assert_eq!(said.code, 2, "{what}: {said:?}");
        assert!(said.stderr.contains("; the rules are loaded again"), "{what}: {said:?}");
        assert_shut(&machine, &[6379]);
    }
    sh(FLUSH);
    redisguard(&machine, &["apply"]).ok();
    assert_shut(&machine, &[6379]);
    json(&machine, 0, &["status"]);
}

#[test]
fn rules_of_iptables_come_back_first() {
    rules_come_back("first-iptables", "iptables");
}

#[test]
fn rules_of_nftables_come_back_first() {
    rules_come_back("first-nftables", "nftables");
}

#[test]
fn a_masked_block_unit_keeps_them_away_and_that_is_said() {
    let Some(machine) = guarded("first-masked") else { return };
    machine.run(&["systemctl", "stop", TIMER]).ok();
    let mask =
        format!("ln -sf /dev/null /etc/systemd/system/{BLOCK}; systemctl daemon-reload; {FLUSH}");
    machine.run(&["sh", "-c", &mask]).ok();
    let said = redisguard(&machine, &["apply"]);
    assert_eq!(said.code, 2, "{said:?}");
    for words in ["masked by an administrator", "the ports are open", "systemctl unmask"] {
        assert!(said.stderr.contains(words), "{words}: {said:?}");
    }
    assert_reachable(&machine, "masked");
}
