//! A port that another program has is refused before a change, silences no other, and is taken once it is free.

use super::failed_apply::give_bundle;
use super::*;

const REDIS: &str = "redis-server.service";

/// A site where outsiders of 6380 are told, with this for the listener on 6379.
fn spec(listen: &str) -> String {
    format!(
        "[contact]\nteam = \"Ops\"\nemail = \"ops@example.org\"\n[cluster]\nports = 7000\n\
         [[reserved]]\nport = 6379\nexternal = \"drop\"\nlisten = \"{listen}\"\n\
         [[reserved]]\nport = 6380\nexternal = \"notice\"\nlisten = \"if-free\"\n"
    )
}

/// Redis as a line of redisguard's names it.
fn holder(machine: &Machine) -> String {
    format!("redis-server (pid {}, {REDIS})", unit(machine, REDIS, "MainPID"))
}

/// What an outsider of 6380 gets, over both families.
#[track_caller]
fn assert_told_outside(machine: &Machine) {
    let met = machine.reaches(6380);
    let told =
        |outcome: &Outcome| matches!(outcome, Outcome::Notice(text) if text.contains("6380"));
    assert!(met.iter().all(told), "{met:?}");
}

#[test]
fn a_redis_on_the_port_is_refused_before_anything_changes_and_each_way_out_works() {
    let Some(machine) = host("busy") else { return };
    machine.run(&["systemctl", "enable", "--now", REDIS]).ok();
    let look = || (machine.changed_contents(), machine.iptables_save());
    let before = look();
    for verb in ["plan", "apply"] {
        let refused = redisguard(&machine, &[verb]);
        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{verb}: {refused:?}");
        for words in [
            "port 6379 (listen = \"always\") is taken: ",
            &holder(&machine),
            "127.0.0.1:6379",
            "nothing was changed\n  fix: systemctl disable --now redis-server.service\n",
            "listen = \"if-free\" for 6379 in the TOML",
        ] {
            assert!(refused.stderr.contains(words), "{verb}: {words}: {}", refused.stderr);
        }
    }
    let after = look();
    assert!(after == before, "something was changed");
    assert_eq!(ping(&machine, 6379), "PONG\n");

    give_bundle(&machine, &spec("if-free"), "/root/free");
    redisguard(&machine, &["--bundle", "/root/free", "apply"]).ok();
    assert_eq!(ping(&machine, 6379), "PONG\n");
    assert_told_outside(&machine);
    redisguard(&machine, &["remove"]).ok();

    machine.run(&["systemctl", "disable", "--now", REDIS]).ok();
    redisguard(&machine, &["apply"]).ok();
    assert_clean(&machine);
}

#[test]
fn a_listener_without_one_port_serves_the_others_and_takes_it_once_it_is_free() {
    let Some(machine) = host("others") else { return };
    give_bundle(&machine, &spec("always"), "/root/site");
    redisguard(&machine, &["--bundle", "/root/site", "apply"]).ok();
    assert_told_outside(&machine);

    machine.run(&["systemctl", "stop", NOTICE]).ok();
    machine.run(&["systemctl", "start", REDIS]).ok();
    machine.run(&["systemctl", "restart", NOTICE]).ok();
    assert_eq!(ping(&machine, 6379), "PONG\n");
    assert_told_outside(&machine);
    assert!(ping(&machine, 6380).starts_with("PORTCLOSED 6380"), "{}", ping(&machine, 6380));
    let says = unit(&machine, NOTICE, "StatusText");
    assert!(says.contains("0.0.0.0:6379 is in use by another program"), "{says}");

    let status = json(&machine, 1, &["status"]);
    // The listener says that it lacks the port, and root sees who has it: one finding.
    let [finding] = status["findings"].as_array().unwrap().as_slice() else { panic!("{status:#}") };
    assert_eq!(finding["kind"], "listener", "{status:#}");
    assert!(finding["detail"].as_str().unwrap().contains(&holder(&machine)), "{status:#}");
    let first = status["fix"][0].as_str().unwrap();
    assert!(first.contains("disable --now redis-server.service"), "{status:#}");
    // What status calls wrong, apply does not call right.
    let refused = redisguard(&machine, &["--bundle", "/root/site", "apply"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.stderr.contains(&holder(&machine)), "{refused:?}");

    machine.run(&["systemctl", "stop", REDIS]).ok();
    wait_until("the port is taken", || ping(&machine, 6379).starts_with("PORTCLOSED 6379"));
    assert!(!unit(&machine, NOTICE, "StatusText").contains("6379 is in use"));
    assert_told_outside(&machine);
    json(&machine, 0, &["status"]);
}
