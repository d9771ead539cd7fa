//! An `apply` that fails names the step and leaves the host as it was.

use super::*;
use std::collections::BTreeMap;
use std::process::Command;
use support::GEN;
use support::machine::Changed;

/// Another bundle: the same port met in another way.
pub(super) const OTHER: &str = "[contact]\nteam = \"Ops\"\nemail = \"ops@example.org\"\n\
    [cluster]\nports = 7000\n[[reserved]]\nport = 6379\nexternal = \"reject\"\nlisten = \"always\"\n";

/// Renders a bundle, and lays it down in a machine.
pub(super) fn give_bundle(machine: &Machine, toml: &str, to: &str) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("redisguard.toml"), toml).unwrap();
    let rendered = Command::new(GEN).current_dir(folder.path()).output().unwrap();
    assert!(rendered.status.success(), "{rendered:?}");
    let generated = folder.path().join("generated");
    let packed = Command::new("tar").arg("-C").arg(generated).args(["-c", "."]).output().unwrap();
    machine.write_file("/root/bundle.tar", packed.stdout);
    machine.run(&["mkdir", "-p", to]).ok();
    machine.run(&["tar", "-x", "-f", "/root/bundle.tar", "-C", to]).ok();
}

type Look = (BTreeMap<String, Changed>, String, Vec<String>, String);

/// Files, rules, units and the kernel's list of ports.
fn look(machine: &Machine) -> Look {
    let mut files = machine.changed_contents();
    files.retain(|path, _| !path.starts_with("/var/log/") && path != COUNTERS);
    let units = [BLOCK, NOTICE, CHECK, TIMER, YIELD].map(|name| at_rest(machine, name)).into();
    let kept_free = machine.read_file("/proc/sys/net/ipv4/ip_local_reserved_ports");
    (files, machine.iptables_save(), units, kept_free)
}

/// Says of a difference only what differs.
#[track_caller]
fn assert_as_before(what: &str, before: &Look, after: &Look) {
    let only = |one: &Look, other: &Look| {
        let files = one.0.iter().filter(|(path, changed)| other.0.get(*path) != Some(changed));
        let mut lines: Vec<String> = files.map(|file| format!("{file:?}")).collect();
        let rules = one.1.lines().filter(|line| !other.1.contains(line));
        lines.extend(rules.map(str::to_owned));
        lines
    };
    let (gone, new) = (only(before, after), only(after, before));
    assert!(after == before, "{what}:\n- {gone:#?}\n+ {new:#?}\n{:?}\n{:?}", before.2, after.2);
}

/// Applies, which must fail with one error that has all of `words`.
#[track_caller]
fn fails(machine: &Machine, words: &[&str]) {
    let said = redisguard(machine, &["apply"]);
    assert_eq!((said.code, said.stdout.contains("applied")), (2, false), "{said:?}");
    assert_eq!(said.stderr.matches("could not").count(), 1, "{}", said.stderr);
    for word in words {
        assert!(said.stderr.contains(word), "{word} is not in {}", said.stderr);
    }
}

/// Has every listener end as soon as it was started.
pub(super) fn end_listeners_at_once(machine: &Machine) {
    let gone = "[Service]\nType=exec\nRestart=no\nExecStart=\nExecStart=/bin/true\n";
    machine.write_file(&format!("/run/systemd/system/{NOTICE}.d/gone.conf"), gone);
}

#[test]
fn a_listener_that_cannot_start_rolls_back_everything() {
    let Some(machine) = host("taken") else { return };
    machine.run(&["iptables", "-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "ACCEPT"]).ok();
    let before = look(&machine);
    // One that starts, and is gone at once.
    end_listeners_at_once(&machine);
    fails(&machine, &[NOTICE, "6379", "as it was before"]);
    assert_as_before("", &before, &look(&machine));

    machine.run(&["rm", "-r", &format!("/run/systemd/system/{NOTICE}.d")]).ok();
    redisguard(&machine, &["apply"]).ok();
    assert_clean(&machine);
}

#[test]
fn a_directory_that_cannot_be_written_rolls_back_everything() {
    let Some(machine) = host("read-only") else { return };
    let before = look(&machine);
    machine.run(&["mount", "--bind", "/etc/logrotate.d", "/etc/logrotate.d"]).ok();
    machine.run(&["mount", "-o", "remount,bind,ro", "/etc/logrotate.d"]).ok();
    fails(&machine, &["/etc/logrotate.d/redis-port-notice", "ead-only", "as it was before"]);
    machine.run(&["umount", "/etc/logrotate.d"]).ok();
    assert_as_before("", &before, &look(&machine));
}

/// systemctl that counts its calls, and fails at one of them: before or after it does its work. The calls of units
/// do not count (systemd.exec(5), INVOCATION_ID): how many there are depends on when systemd runs them.
const BROKEN_SYSTEMCTL: &str = r#"#!/bin/sh
[ -e /run/fail ] && [ -z "$INVOCATION_ID" ] || exec /usr/bin/systemctl "$@"
read number when </run/fail
echo "$((number - 1)) $when" >/run/fail
[ $number = 1 ] || exec /usr/bin/systemctl "$@"
[ $when = before ] || /usr/bin/systemctl "$@"
echo 'broken for once' >&2
exit 1
"#;

#[test]
fn every_failing_call_of_systemctl_rolls_back_everything() {
    let Some(machine) = host("systemctl") else { return };
    give_bundle(&machine, OTHER, "/root/other");
    machine.write_file("/usr/local/bin/systemctl", BROKEN_SYSTEMCTL);
    machine.run(&["chmod", "755", "/usr/local/bin/systemctl"]).ok();
    let apply_other = ["--bundle", "/root/other", "apply"];
    for (guarded, when) in [(false, "before"), (true, "before"), (true, "after")] {
        let go_back =
            || redisguard(&machine, if guarded { &apply_other } else { &["remove"] }).ok();
        go_back();
        let (mut before, mut failed) = (look(&machine), 0);
        for number in 1.. {
            machine.write_file("/run/fail", format!("{number} {when}\n"));
            let said = redisguard(&machine, &["--bundle", "built-in", "apply"]);
            let left = machine.read_file("/run/fail");
            machine.run(&["rm", "/run/fail"]).ok();
            if said.code == 0 {
                // It got along without that call, or was done before it came.
                json(&machine, 0, &["status"]);
                go_back();
                if !left.starts_with('-') && !left.starts_with("0 ") {
                    break;
                }
                before = look(&machine);
                continue;
            }
            failed += 1;
            assert_eq!(
                (said.code, said.stderr.lines().count()),
                (2, 2),
                "{number} {when}: {said:?}"
            );
            let words = ["systemctl", "broken for once"];
            let all = words.iter().all(|word| said.stderr.contains(word));
            assert!(
                all && said.stderr.matches("could not").count() == 1,
                "{number} {when}: {said:?}"
            );
            assert_as_before(&format!("{number} {when}"), &before, &look(&machine));
        }
        assert!(failed > 4, "{failed} calls failed {when} their work");
    }
}

#[test]
fn a_full_disk_rolls_back_everything() {
    let Some(machine) = host("full") else { return };
    let before = look(&machine);
    machine.run(&[
        "sh",
        "-c",
        "cat /dev/zero >/filler 2>/dev/null; head -c 40000 /filler >/dev/null",
    ]);
    machine.run(&["truncate", "-s", "-200K", "/filler"]).ok();
    fails(&machine, &["write", "pace", "as it was before"]);
    machine.run(&["rm", "/filler"]).ok();
    assert_as_before("", &before, &look(&machine));
}

#[test]
fn a_change_that_fails_on_a_guarded_host_keeps_it_guarded() {
    let Some(machine) = guarded("keeps") else { return };
    // Drift that apply fixes before the step that fails.
    machine.write_file("/etc/redisguard/notice.toml", "# of somebody\n");
    machine.write_file("/etc/logrotate.d/redis-port-notice", "# of somebody\n");
    let before = look(&machine);
    machine.run(&["systemctl", "mask", "--runtime", "--now", TIMER]).ok();
    machine.run(&["mount", "--bind", "/etc/logrotate.d", "/etc/logrotate.d"]).ok();
    machine.run(&["mount", "-o", "remount,bind,ro", "/etc/logrotate.d"]).ok();
    fails(&machine, &["/etc/logrotate.d/redis-port-notice"]);
    machine.run(&["umount", "/etc/logrotate.d"]).ok();
    machine.run(&["systemctl", "unmask", "--runtime", TIMER]).ok();
    machine.run(&["systemctl", "start", TIMER]).ok();
    assert_as_before("", &before, &look(&machine));
    assert_shut(&machine, &[6379, 6380]);
    redisguard(&machine, &["apply"]).ok();
    assert_clean(&machine);
}
