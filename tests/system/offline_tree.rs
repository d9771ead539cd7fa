//! A tree that `--root` changed is guarded when it boots.

use super::*;
use std::path::Path;
use support::machine::What;

#[test]
fn an_offline_tree_is_guarded_when_it_boots() {
    let Some(mut machine) = Machine::switched_off("offline") else { return };
    let program = INSTALL;
    let install = |arguments: &[&str]| {
        let command = [&[program, "--root", "/run/machine/root", "--json"], arguments].concat();
        machine.beside(&command)
    };
    let live = || {
        let kept_free = machine.beside(&["cat", "/proc/sys/net/ipv4/ip_local_reserved_ports"]);
        (machine.iptables_save(), kept_free.stdout)
    };
    let before = (machine.changed_contents(), live());
    install(&["plan"]).ended(1);
    assert_eq!((machine.changed_contents(), live()), before);

    install(&["apply"]).ok();

    assert_eq!(live(), before.1);
    let files = machine.changed_files();
    for (link, target) in [
        ("sysinit.target.wants/redis-ports-block.service", BLOCK),
        ("multi-user.target.wants/redis-port-notice.service", NOTICE),
        ("timers.target.wants/redis-ports-check.timer", TIMER),
    ] {
        let link = &files[&format!("/etc/systemd/system/{link}")];
        assert_eq!(link.what, What::Link(format!("/etc/systemd/system/{target}")));
    }
    assert!(matches!(files["/usr/local/sbin/redisguard-install"].what, What::File(_)));
    let again: Value = serde_json::from_str(&install(&["apply"]).ok()).unwrap();
    assert_eq!(again["changed"], false);
    assert_same(&machine.changed_files(), &files, "before");
    let status: Value = serde_json::from_str(&install(&["status"]).ok()).unwrap();
    assert_eq!(status["in_sync"], true, "{status:#}");

    machine.switch_on();
    machine.install(Path::new(program), PROGRAM);
    assert_clean(&machine);
}

#[test]
fn a_removal_from_an_offline_tree_leaves_it_as_it_was() {
    let Some(machine) = Machine::switched_off("offline-remove") else { return };
    let before = machine.changed_files();
    for verb in ["apply", "remove"] {
        let program = INSTALL;
        machine.beside(&[program, "--root", "/run/machine/root", verb]).ok();
    }
    assert_same(&machine.changed_files(), &before, "before");
}
