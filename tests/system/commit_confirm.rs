//! `apply --confirm` rolls back a change that nobody confirms.

use super::failed_apply::end_listeners_at_once;
use super::*;
use std::collections::BTreeMap;
use support::machine::Changed;

const REVERT: &str = "redis-ports-revert.service";
/// What waits, and goes back.
const WAITS: &str = "redis-ports-unconfirmed.service";
/// Another build of the program.
const OTHER: &str = "/root/other-build";

type Look = (BTreeMap<String, Changed>, String, Vec<String>, String);

/// Files, rules, units and the kernel's list of ports; not when it was applied.
fn look(machine: &Machine) -> Look {
    let mut files = machine.changed_contents();
    files.retain(|path, _| {
        !path.starts_with("/var/log/")
            && path != COUNTERS
            && path != "/var/lib/redisguard/receipt.json"
    });
    let units = [BLOCK, NOTICE, CHECK, TIMER, YIELD, REVERT, WAITS];
    let units = units.map(|name| at_rest(machine, name)).into();
    let kept_free = machine.read_file("/proc/sys/net/ipv4/ip_local_reserved_ports");
    (files, machine.iptables_save(), units, kept_free)
}

/// Waits until nothing waits any more.
#[track_caller]
fn taken_back(machine: &Machine) {
    let record = "/var/lib/redisguard/unconfirmed/record.json";
    wait_until("it is taken back", || machine.run(&["test", "-e", record]).code != 0);
    let gone = |name| unit(machine, name, "ActiveState") == "inactive";
    wait_until("who took it back ends", || gone(WAITS) && gone(REVERT));
}

/// Applies to a host with nothing on it, in all ways that end with nothing on it.
#[test]
fn an_unconfirmed_first_change_leaves_nothing() {
    let Some(mut machine) = host("unconfirmed") else { return };
    let before = look(&machine);

    let applied = json(&machine, 0, &["apply", "--confirm", "5s"]);
    assert!(machine.iptables_save().contains("REDISGUARD-IN"));
    let by = applied["confirm_by"].as_str().unwrap();
    for refused in [&["apply"][..], &["apply", "--confirm", "1h"]] {
        let said = redisguard(&machine, refused);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.stderr.contains(by) && said.stderr.contains("confirm"), "{said:?}");
    }
    assert_eq!(json(&machine, 0, &["status"])["confirm_by"], by);
    assert_eq!(json(&machine, 0, &["plan"])["confirm_by"], by);
    taken_back(&machine);
    assert_same(&look(&machine), &before, "before it lapsed");
    let late = redisguard(&machine, &["confirm"]);
    assert!(late.code == 2 && late.stderr.contains("no change waits"), "{late:?}");

    redisguard(&machine, &["apply", "--confirm", "1h"]).ok();
    assert_guards(&machine);
    redisguard(&machine, &["revert"]).ok();
    taken_back(&machine);
    assert_same(&look(&machine), &before, "before it was reverted");

    redisguard(&machine, &["apply", "--confirm", "1h"]).ok();
    redisguard(&machine, &["remove"]).ok();
    assert_same(&look(&machine), &before, "before it was removed");

    end_listeners_at_once(&machine);
    let failed = redisguard(&machine, &["apply", "--confirm", "1h"]);
    assert!(failed.code == 2 && failed.stderr.contains("as it was before"), "{failed:?}");
    machine.run(&["rm", "-r", &format!("/run/systemd/system/{NOTICE}.d")]).ok();
    machine.run(&["systemctl", "daemon-reload"]).ok();
    assert_same(&look(&machine), &before, "before it failed");

    redisguard(&machine, &["apply", "--confirm", "1h"]).ok();
    let units = ["systemd-analyze", "verify", &format!("/etc/systemd/system/{REVERT}")];
    let said = machine.run(&units);
    assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), (0, "", ""));
    machine.reboot();
    taken_back(&machine);
    assert_same(&look(&machine), &before, "before the reboot");
}

/// A host with the built-in bundle, another one to change to, and another program.
fn changeable(name: &str) -> Option<(Machine, tempfile::TempDir)> {
    let machine = guarded(name)?;
    let folder = tempfile::tempdir().unwrap();
    let shipped = std::fs::read_to_string(support::root().join("redisguard.toml")).unwrap();
    let other = shipped.replace("external = \"drop\"", "external = \"reject\"");
    std::fs::write(folder.path().join("redisguard.toml"), other).unwrap();
    let mut render = std::process::Command::new(support::GEN);
    let docs = support::root().join("docs");
    let copied = std::process::Command::new("cp").arg("-r").arg(docs).arg(folder.path()).status();
    assert!(copied.unwrap().success());
    let rendered = render.current_dir(folder.path()).output().unwrap();
    assert!(rendered.status.success(), "{}", support::transcript(&rendered));
    let generated = folder.path().join("generated");
    let mut open = vec![generated.clone()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                open.push(entry);
                continue;
            }
            let name = entry.strip_prefix(&generated).unwrap().display().to_string();
            machine.write_file(&format!("/root/other/{name}"), std::fs::read(&entry).unwrap());
        }
    }
    machine.run(&["sh", "-c", &format!("cp {PROGRAM} {OTHER} && echo >>{OTHER}")]).ok();
    Some((machine, folder))
}

fn change(machine: &Machine, arguments: &[&str]) -> Output {
    machine.run(&[&[OTHER, "--bundle", "/root/other", "apply"], arguments].concat())
}

const SYSTEMCTL: &str = "/usr/local/bin/systemctl";

/// Has apply take some seconds behind its rules.
fn start_listener_after(machine: &Machine, seconds: u32) {
    let slow = format!(
        "#!/bin/sh\ncase \"$*\" in *start*port-notice*) sleep {seconds}; esac\n\
         exec /usr/bin/systemctl \"$@\"\n"
    );
    machine.write_file(SYSTEMCTL, slow);
    machine.run(&["chmod", "755", SYSTEMCTL]).ok();
}

#[test]
fn an_unconfirmed_change_restores_the_former_bundle() {
    let Some((mut machine, _folder)) = changeable("former") else { return };
    let before = look(&machine);
    let same = |from: &str, to: &str| machine.run(&["cmp", from, to]).code == 0;
    let installed = "/usr/local/sbin/redisguard-install";

    change(&machine, &["--confirm", "5s"]).ok();
    assert!(machine.iptables_save().contains("6379:reject") && same(OTHER, installed));
    taken_back(&machine);
    assert_same(&look(&machine), &before, "before it lapsed");
    assert!(same(PROGRAM, installed));
    assert_clean(&machine);

    // Killed when its rules are loaded: at what comes next.
    start_listener_after(&machine, 1000);
    let run = ["systemd-run", "--quiet", "--unit=operator", "--", OTHER];
    let apply = ["--bundle", "/root/other", "apply", "--confirm", "5s"];
    machine.run(&[&run[..], &apply].concat()).ok();
    wait_until("the rules are loaded", || machine.iptables_save().contains("6379:reject"));
    machine.run(&["systemctl", "kill", "--signal=KILL", "operator"]).ok();
    machine.run(&["rm", SYSTEMCTL]).ok();
    assert!(machine.iptables_save().contains("6379:reject"));
    taken_back(&machine);
    assert_same(&look(&machine), &before, "before it was killed");
    assert_clean(&machine);

    let read_only = || {
        machine.run(&["mount", "--bind", "/etc/redisguard", "/etc/redisguard"]).ok();
        machine.run(&["mount", "-o", "remount,bind,ro", "/etc/redisguard"]).ok();
    };
    read_only();
    let failed = change(&machine, &["--confirm", "1h"]);
    assert!(failed.code == 2 && failed.stderr.contains("as it was before"), "{failed:?}");
    machine.run(&["umount", "/etc/redisguard"]).ok();
    assert_same(&look(&machine), &before, "before it failed");

    // What is in the way of going back does not end it.
    change(&machine, &["--confirm", "5s"]).ok();
    read_only();
    wait_until("it tried", || {
        machine.run(&["journalctl", "-q", "-u", WAITS]).stdout.contains("ead-only")
    });
    let late = redisguard(&machine, &["confirm"]);
    assert!(late.code == 2 && late.stderr.contains("was not confirmed by"), "{late:?}");
    machine.run(&["umount", "/etc/redisguard"]).ok();
    taken_back(&machine);
    assert_same(&look(&machine), &before, "before it was hindered");

    change(&machine, &["--confirm", "1h"]).ok();
    machine.reboot();
    taken_back(&machine);
    assert_same(&look(&machine), &before, "before the reboot");
    assert_clean(&machine);
}

#[test]
fn a_confirmed_change_stays() {
    let Some((mut machine, _folder)) = changeable("confirmed") else { return };
    // The time begins when the change is done, however long that takes.
    start_listener_after(&machine, 6);
    let applied = change(&machine, &["--confirm", "5s", "--json"]).ok();
    machine.run(&["rm", SYSTEMCTL]).ok();
    let confirmed = json(&machine, 0, &["confirm"]);
    assert_eq!(confirmed["confirmed"], true);
    let applied: Value = serde_json::from_str(&applied).unwrap();
    assert_eq!(applied["bundle"], confirmed["bundle"]);
    let after = look(&machine);
    assert!(after.1.contains("6379:reject") && !after.0.keys().any(|path| path.contains("unconf")));

    // Its time, and a reboot, pass without a consequence.
    let by = applied["confirm_by"].as_str().unwrap();
    let clock = ["date", "-u", "+%Y-%m-%dT%H:%M:%SZ"];
    wait_until("its time is over", || machine.run(&clock).stdout.trim() > by);
    assert_same(&look(&machine), &after, "before");
    machine.reboot();
    assert_same(&look(&machine), &after, "before");

    // Nothing to change is nothing to confirm.
    let said = change(&machine, &["--confirm", "1h"]).ok();
    assert!(said.contains("nothing to confirm"), "{said}");
    assert_same(&look(&machine), &after, "before");
    assert_eq!(redisguard(&machine, &["confirm"]).code, 2);
    // A plain change needs no confirmation.
    redisguard(&machine, &["--bundle", "built-in", "apply"]).ok();
    assert_clean(&machine);
    assert_eq!(redisguard(&machine, &["confirm"]).code, 2);
}
