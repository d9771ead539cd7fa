//! A verb that a unit of the boot runs ends, and systemd finishes what waits for that unit.

use super::*;
use std::fs;

/// The unit that runs the program while the host boots.
const CALLER: &str = "caller.service";

/// Orders of units that run while a host boots, and what wants them.
const EARLY: (&str, &str) =
    ("DefaultDependencies=no\nAfter=local-fs.target\nBefore=sysinit.target", "sysinit.target");
const CALLERS: [(&str, &str); 4] = [
    EARLY,
    ("Before=redis-server.service multi-user.target", "multi-user.target"),
    // As cloud-init.service and cloud-final.service are ordered.
    (
        "DefaultDependencies=no\nAfter=systemd-tmpfiles-setup.service network.target\n\
         Before=network-online.target ssh.service",
        "multi-user.target",
    ),
    ("After=multi-user.target", "graphical.target"),
];

/// Has a unit run the program at the next boot.
fn call_at_boot(machine: &Machine, (order, wanted_by): (&str, &str), arguments: &str) {
    machine.run(&["systemctl", "--quiet", "disable", CALLER]);
    let script = format!("{{ {PROGRAM} {arguments}\n}} >/root/said 2>&1; echo $? >/root/code");
    machine.write_file("/root/call", script);
    machine.run(&["rm", "-f", "/root/code", "/root/said"]).ok();
    let text = format!(
        "[Unit]\n{order}\n[Service]\nType=oneshot\nTimeoutStartSec=60\nExecStart=/bin/sh /root/call\n\
         [Install]\nWantedBy={wanted_by}\n"
    );
    machine.write_file(&format!("/etc/systemd/system/{CALLER}"), text);
    machine.run(&["systemctl", "daemon-reload"]).ok();
    machine.run(&["systemctl", "--quiet", "enable", CALLER]).ok();
}

/// What the program said at the last boot; it must have succeeded.
#[track_caller]
fn said(machine: &Machine, when: &str) -> String {
    let code = machine.run(&["cat", "/root/code"]).stdout;
    let said = machine.run(&["cat", "/root/said"]).stdout;
    let journal = || machine.run(&["journalctl", "--boot", "--no-pager", "-o", "cat"]).stdout;
    assert_eq!(code, "0\n", "{when}: {said}\n{}", journal());
    assert_eq!(
        machine.run(&["systemctl", "is-system-running"]).stdout,
        "running\n",
        "{when}: {said}"
    );
    said
}

/// Brings a bundle that rejects what the built-in one drops.
fn bring_other(machine: &Machine) {
    let shipped = fs::read_to_string(support::root().join("redisguard.toml")).unwrap();
    let (shipped, _) = shipped.split_once("[docs]").unwrap();
    let folder = TempDir::new().unwrap();
    let spec = folder.path().join("redisguard.toml");
    fs::write(&spec, shipped.replace("external = \"drop\"", "external = \"reject\"")).unwrap();
    bring_bundle(machine, &spec, "/root/other");
}

#[track_caller]
fn assert_rejects(machine: &Machine, when: &str) {
    assert_eq!(machine.meets(6379), [Outcome::Refused, Outcome::Refused], "{when}");
    wait_until("the listener answers", || ping(machine, 6379).starts_with("PORTCLOSED 6379"));
    redisguard(machine, &["status"]).ok();
}

/// A host with a Redis on another port, which starts at boot.
fn with_redis(name: &str) -> Option<Machine> {
    let machine = host(name)?;
    machine.run(&["sh", "-c", "echo port 7001 >>/etc/redis/redis.conf"]).ok();
    machine.run(&["systemctl", "--quiet", "enable", "redis-server"]).ok();
    bring_other(&machine);
    Some(machine)
}

#[test]
fn an_apply_that_the_boot_waits_for_ends_and_the_host_is_guarded() {
    for (number, caller) in CALLERS.into_iter().enumerate() {
        let Some(mut machine) = with_redis(&format!("boot-apply-{number}")) else { return };
        call_at_boot(&machine, caller, "apply");
        machine.reboot();
        let first = said(&machine, caller.0);
        wait_until("the listener answers", || ping(&machine, 6379).starts_with("PORTCLOSED 6379"));
        assert_clean(&machine);
        // Only where systemd waits for the caller are units started later.
        assert_eq!(first.contains("is queued"), number < 2, "{}: {first}", caller.0);
        let waits = format!("{NOTICE} is queued: systemd starts it after redis-server.service\n");
        assert_eq!(first.contains(&waits), number == 1, "{first}");

        call_at_boot(&machine, caller, "--bundle /root/other apply");
        machine.reboot();
        said(&machine, caller.0);
        assert_rejects(&machine, caller.0);
    }
}

#[test]
fn an_apply_before_the_block_unit_can_start_guards_the_host_itself() {
    let Some(mut machine) = with_redis("boot-apply-first") else { return };
    // It is there when the caller has ended.
    let seen = "apply; iptables-save >/root/rules; true";
    let order = "DefaultDependencies=no\nBefore=local-fs.target systemd-sysctl.service";
    call_at_boot(&machine, (order, "sysinit.target"), seen);
    machine.reboot();
    let said = said(&machine, order);
    assert!(said.contains(&format!("{BLOCK} is queued")), "{said}");
    assert!(machine.read_file("/root/rules").contains("REDISGUARD-IN"));
    wait_until("the listener answers", || ping(&machine, 6379).starts_with("PORTCLOSED 6379"));
    assert_clean(&machine);
}

#[test]
fn a_change_of_the_boot_can_be_confirmed_or_goes_back() {
    let Some(mut machine) = with_redis("boot-confirm") else { return };
    call_at_boot(&machine, EARLY, "apply --confirm 1h");
    machine.reboot();
    said(&machine, "confirm");
    assert!(redisguard(&machine, &["confirm"]).ok().contains("confirmed"));
    wait_until("the listener answers", || ping(&machine, 6379).starts_with("PORTCLOSED 6379"));
    assert_clean(&machine);

    call_at_boot(&machine, EARLY, "--bundle /root/other apply --confirm 5s");
    machine.reboot();
    said(&machine, "not confirmed");
    let record = "/var/lib/redisguard/unconfirmed/record.json";
    wait_until("it goes back", || machine.run(&["test", "-e", record]).code != 0);
    wait_until("the listener answers", || ping(&machine, 6379).starts_with("PORTCLOSED 6379"));
    wait_until("nothing is queued", || {
        machine.run(&["systemctl", "list-jobs"]).stdout.contains("No jobs")
    });
    assert_clean(&machine);

    // After a restart it is too late to confirm: the caller goes back before the unit that would.
    redisguard(&machine, &["--bundle", "/root/other", "apply", "--confirm", "1h"]).ok();
    call_at_boot(&machine, EARLY, "revert");
    machine.reboot();
    let reverted = said(&machine, "reverted");
    assert!(reverted.contains("went back to bundle"), "{reverted}");
    wait_until("the listener answers", || ping(&machine, 6379).starts_with("PORTCLOSED 6379"));
    assert_clean(&machine);
}

#[test]
fn a_removal_that_the_boot_waits_for_leaves_nothing() {
    for (number, caller) in CALLERS.into_iter().enumerate() {
        let Some(mut machine) = with_redis(&format!("boot-remove-{number}")) else { return };
        machine.run(&["systemctl", "--quiet", "enable", "nftables"]).ok();
        redisguard(&machine, &["apply"]).ok();
        call_at_boot(&machine, caller, "remove");
        machine.reboot();
        said(&machine, caller.0);
        assert!(!machine.iptables_save().contains("REDISGUARD"), "{}", caller.0);
        let units = ["systemctl", "list-units", "--all", "--plain", "--no-legend", "redis-port*"];
        assert_eq!(machine.run(&units).stdout, "", "{}", caller.0);
        assert_eq!(machine.run(&["ls", "/var/lib/redisguard"]).code, 2);
        serve(&machine, 6379);
        assert_open(&machine, 6379);
    }
}
