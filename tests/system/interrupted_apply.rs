//! An `apply` killed while systemd loads rules leaves old or new rules, also after a reboot.

use super::failed_apply::{OTHER, give_bundle};
use super::*;

const BUILT_IN: &str = "/root/redisguard-install --bundle built-in apply";
const OTHERS: &str = "/root/redisguard-install --bundle /root/other apply";

/// Kills an apply after so many thousandths of a second, and waits for what systemd does for it.
fn kill(machine: &Machine, apply: &str, after: u32) {
    let script = format!(
        "{apply} >/dev/null 2>&1 & sleep {}.{:03}; kill -KILL $!; wait; true",
        after / 1000,
        after % 1000
    );
    machine.run(&["sh", "-c", &script]).ok();
    wait_until("systemd has nothing left to do", || {
        machine.run(&["systemctl", "list-jobs", "--no-legend"]).stdout.is_empty()
    });
}

/// The rules of each family.
fn families(machine: &Machine) -> [String; 2] {
    let rules = machine.iptables_save();
    ["iptables", "ip6tables"].map(|tool| {
        let lines = rules.lines().filter(|line| line.starts_with(tool));
        lines.map(|line| format!("{line}\n")).collect()
    })
}

#[test]
fn a_killed_apply_leaves_old_or_new_rules_also_over_a_reboot() {
    let Some(mut machine) = host("killed") else { return };
    give_bundle(&machine, OTHER, "/root/other");
    let timed = |machine: &Machine, apply: &str| {
        let started = Instant::now();
        machine.run(&["sh", "-c", apply]).ok();
        (started.elapsed().as_millis() as u32, families(machine))
    };
    timed(&machine, OTHERS);
    let (length, built_in) = timed(&machine, BUILT_IN);
    let (_, other) = timed(&machine, OTHERS);
    // From one to the other and back, a little later each time.
    const ROUNDS: u32 = 12;
    for round in 1..=ROUNDS {
        let apply = if round % 2 == 1 { BUILT_IN } else { OTHERS };
        kill(&machine, apply, length * round / ROUNDS);
        let now = families(&machine);
        for (number, family) in now.iter().enumerate() {
            let whole = *family == other[number] || *family == built_in[number];
            assert!(whole, "round {round} of {length} ms: neither old nor new:\n{family}");
        }
        if round % 6 == 0 {
            machine.reboot();
            let booted = families(&machine);
            assert!(booted == other || booted == built_in, "round {round}: {booted:#?}");
        }
        // What the timer does.
        machine.run(&["systemctl", "start", CHECK]);
        let checked = families(&machine);
        assert!(checked == other || checked == built_in, "round {round}: {checked:#?}");
        assert_shut_or_refused(&machine, round);
    }
    assert_eq!(timed(&machine, BUILT_IN).1, built_in);
    assert_clean(&machine);
}

/// Both bundles keep outsiders off 6379, each in its way.
#[track_caller]
fn assert_shut_or_refused(machine: &Machine, round: u32) {
    for outcome in machine.meets(6379) {
        assert!(
            matches!(outcome, Outcome::Silence | Outcome::Refused),
            "round {round}: {outcome:?}"
        );
    }
}
