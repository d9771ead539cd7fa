//! A step that fails: one error that names it, and everything is as it was.

use super::*;
use std::collections::BTreeMap;
use support::machine::Changed;

type Look = (BTreeMap<String, Changed>, String, Vec<String>, String);

/// Files, rules, units and the kernel's list of ports.
fn look(machine: &Machine) -> Look {
    const STATES: &str = "LoadState,ActiveState";
    let mut files = machine.changed_contents();
    files.retain(|path, _| !path.starts_with("/var/log/"));
    let units = [BLOCK, NOTICE, CHECK, TIMER, YIELD].map(|name| unit(machine, name, STATES)).into();
    let kept_free = machine.read_file("/proc/sys/net/ipv4/ip_local_reserved_ports");
    (files, machine.iptables_save(), units, kept_free)
}

/// Applies, which must fail with one error that has all of `words`.
#[track_caller]
fn fails(machine: &Machine, words: &[&str]) {
    let said = redisguard(machine, &["apply"]);
    assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{said:?}");
    assert_eq!(said.stderr.matches("could not").count(), 1, "{}", said.stderr);
    for word in words {
        assert!(said.stderr.contains(word), "{word} is not in {}", said.stderr);
    }
}

#[test]
fn a_listener_that_cannot_start_takes_everything_back() {
    let Some(machine) = host("taken") else { return };
    machine.run(&["iptables", "-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "ACCEPT"]).ok();
    serve(&machine, 6379);
    let before = look(&machine);
    fails(&machine, &[NOTICE, "6379", "as it was before"]);
    assert_eq!(look(&machine), before);
    assert_open(&machine, 6379);
    redisguard(&machine, &["status"]).ended(1);

    stop_serving(&machine, 6379);
    redisguard(&machine, &["apply"]).ok();
    assert_clean(&machine);
}

#[test]
fn a_directory_that_cannot_be_written_takes_everything_back() {
    let Some(machine) = host("read-only") else { return };
    let before = look(&machine);
    machine.run(&["mount", "--bind", "/etc/logrotate.d", "/etc/logrotate.d"]).ok();
    machine.run(&["mount", "-o", "remount,bind,ro", "/etc/logrotate.d"]).ok();
    fails(&machine, &["/etc/logrotate.d/redis-port-notice", "ead-only", "as it was before"]);
    machine.run(&["umount", "/etc/logrotate.d"]).ok();
    assert_eq!(look(&machine), before);
}

#[test]
fn a_broken_systemctl_takes_everything_back() {
    let Some(machine) = host("systemctl") else { return };
    let before = look(&machine);
    // It works until it has to start something.
    let broken = "#!/bin/sh\ncase \"$*\" in *start*) echo 'it is broken' >&2; exit 1;; esac\n\
                  exec /usr/bin/systemctl \"$@\"\n";
    machine.write_file("/run/broken", broken);
    machine.run(&["chmod", "755", "/run/broken"]).ok();
    machine.run(&["mv", "/run/broken", "/usr/local/bin/systemctl"]).ok();
    fails(&machine, &["systemctl start redis-ports-block.service", "it is broken"]);
    machine.run(&["rm", "/usr/local/bin/systemctl"]).ok();
    assert_eq!(look(&machine), before);
}

#[test]
fn a_full_disk_takes_everything_back() {
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
    assert_eq!(look(&machine), before);
}

#[test]
fn a_change_that_fails_on_a_guarded_host_keeps_it_guarded() {
    let Some(machine) = guarded("keeps") else { return };
    // Drift that apply mends on its way to the step that fails.
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
    assert_eq!(look(&machine), before);
    assert_shut(&machine, &[6379, 6380]);
    redisguard(&machine, &["apply"]).ok();
    assert_clean(&machine);
}
