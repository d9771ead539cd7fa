//! `remove` leaves the host as it was before `apply`.

use super::*;

#[test]
fn a_removal_leaves_the_host_as_it_was_before() {
    let Some(machine) = host("remove") else { return };
    // Things of others that we stand beside or in the place of.
    machine.run(&["iptables", "-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "ACCEPT"]).ok();
    machine.run(&["ip6tables", "-A", "FORWARD", "-j", "DROP"]).ok();
    machine.write_file("/etc/redisguard/of-somebody", "kept\n");
    machine.write_file("/etc/sysctl.d/60-redisguard.conf", "# of somebody\n");
    machine.write_file("/var/log/redis_port_notice.log", "old lines\n");
    machine.run(&["sysctl", "-q", "-w", "net.ipv4.ip_local_reserved_ports=8080"]).ok();
    let kept_free = || machine.read_file("/proc/sys/net/ipv4/ip_local_reserved_ports");
    let look = || (machine.changed_contents(), machine.iptables_save(), kept_free());
    let before = look();

    redisguard(&machine, &["apply"]).ok();
    assert_clean(&machine);
    ping(&machine, 6379);
    assert!(kept_free().contains("6379-6380"), "{}", kept_free());
    let dry = json(&machine, 1, &["remove", "--dry-run"]);
    assert_clean(&machine);

    let removed = json(&machine, 0, &["remove"]);
    assert_eq!(removed, dry);
    let mut after = look();
    // The logs stay.
    after.0.retain(|path, _| !path.starts_with("/var/log/"));
    let mut expected = before.clone();
    expected.0.retain(|path, _| !path.starts_with("/var/log/"));
    assert_eq!(after, expected);
    assert_eq!(machine.read_file("/var/log/redis_port_notice.log"), "old lines\n");
    for name in [BLOCK, NOTICE, CHECK, TIMER, YIELD] {
        assert_eq!(unit(&machine, name, "LoadState,ActiveState"), "not-found\ninactive", "{name}");
    }
    let open = machine.reaches(6379);
    assert_eq!(open, [Outcome::Refused, Outcome::Refused]);

    let before = machine.changed_files();
    let again = redisguard(&machine, &["remove"]).ok();
    assert!(again.starts_with("nothing to remove"), "{again}");
    assert_same(&machine.changed_files(), &before, "before");
    redisguard(&machine, &["status"]).ended(1);
}

#[test]
fn a_removed_guard_can_be_applied_again() {
    let Some(machine) = guarded("again") else { return };
    let rules = machine.iptables_save();
    redisguard(&machine, &["remove"]).ok();
    redisguard(&machine, &["apply"]).ok();
    assert_eq!(machine.iptables_save(), rules);
    assert_clean(&machine);
}
