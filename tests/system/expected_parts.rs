//! A host that declares the parts of the guard that it runs has no other part started or enabled, also after a boot.

use super::*;

#[test]
fn parts_that_are_not_expected_are_stopped_and_started_again() {
    let Some(mut machine) = host("expected") else { return };
    let states = |machine: &Machine, verb: &str| {
        [BLOCK, NOTICE, TIMER].map(|name| machine.run(&["systemctl", verb, name]).stdout)
    };
    let active = |machine: &Machine| states(machine, "is-active").map(|said| said == "active\n");
    let enabled = |machine: &Machine| states(machine, "is-enabled").map(|said| said == "enabled\n");
    redisguard(&machine, &["apply", "--expect", "rules"]).ok();
    assert_eq!((active(&machine), enabled(&machine)), ([true, false, false], [true, false, false]));
    assert_shut(&machine, &[6379]);
    let status = redisguard(&machine, &["status"]).ok();
    assert!(
        status.contains("expected on this host: rules (declared by apply --expect)"),
        "{status}"
    );

    machine.reboot();
    assert_eq!((active(&machine), enabled(&machine)), ([true, false, false], [true, false, false]));
    assert_shut(&machine, &[6379]);
    redisguard(&machine, &["status"]).ok();
    // Somebody starts the listener: that is said, and undone.
    machine.run(&["systemctl", "start", NOTICE]).ok();
    let found = json(&machine, 1, &["status"]);
    assert_eq!(
        (&found["healthy"], &found["findings"][0]["target"]),
        (&true.into(), &NOTICE.into())
    );
    redisguard(&machine, &["apply"]).ok();
    assert_eq!(active(&machine), [true, false, false]);
    redisguard(&machine, &["status"]).ok();

    redisguard(&machine, &["apply", "--expect", "bundle"]).ok();
    assert_eq!((active(&machine), enabled(&machine)), ([true; 3], [true; 3]));
    assert_clean(&machine);

    // What a change stops runs again when that change fails.
    machine.run(&["systemctl", "stop", TIMER]).ok();
    let empty =
        "[Timer]\nOnBootSec=\nOnActiveSec=\nOnUnitActiveSec=\nOnUnitInactiveSec=\nOnCalendar=\n";
    machine.write_file(&format!("/etc/systemd/system/{TIMER}.d/empty.conf"), empty);
    machine.run(&["systemctl", "daemon-reload"]).ok();
    let said = redisguard(&machine, &["apply", "--expect", "rules,timer"]).ended(2);
    assert_eq!((active(&machine), enabled(&machine)), ([true, true, false], [true; 3]), "{said}");
}
