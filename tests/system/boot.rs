//! What comes up by itself, and what a stopped or restarted unit leaves.

use super::*;

#[test]
fn a_rebooted_host_is_guarded_before_its_network() {
    let Some(mut machine) = guarded("reboot") else { return };
    machine.reboot();

    let entered = |name| {
        let time = unit(&machine, name, "ActiveEnterTimestampMonotonic");
        time.parse::<u64>().unwrap_or_else(|_| panic!("{name}: {time:?}"))
    };
    assert_ne!(entered(BLOCK), 0);
    assert!(entered(BLOCK) <= entered("network-pre.target"));
    assert!(entered("network-pre.target") <= entered("network.target"));
    assert_eq!(unit(&machine, NOTICE, "ActiveState"), "active");
    assert_eq!(unit(&machine, TIMER, "ActiveState"), "active");
    assert_eq!(machine.run(&["systemctl", "is-system-running"]).stdout, "running\n");
    let journal = machine.run(&["journalctl", "--boot", "--no-pager", "-o", "cat"]).stdout;
    assert!(!journal.contains("ordering cycle"), "{journal}");
    assert_clean(&machine);
    assert_eq!(json(&machine, 0, &["apply"])["changed"], false);
}

#[test]
fn a_redis_that_is_enabled_has_its_port_after_a_reboot() {
    let Some(mut machine) = guarded("redis-reboot") else { return };
    machine.run(&["sh", "-c", "echo port 6380 >>/etc/redis/redis.conf"]).ok();
    machine.run(&["systemctl", "enable", "redis-server"]).ok();
    machine.reboot();
    until("Redis answers", || ping(&machine, 6380) == "PONG\n");
    assert_eq!(machine.run(&["systemctl", "is-system-running"]).stdout, "running\n");
    assert_clean(&machine);
}

#[test]
fn a_stopped_or_restarted_unit_leaves_the_ports_shut() {
    let Some(machine) = guarded("stopped") else { return };
    let rules = machine.iptables_save();
    machine.run(&["systemctl", "stop", BLOCK]).ok();
    assert_eq!(machine.iptables_save(), rules);
    assert_guards(&machine);
    assert!(redisguard(&machine, &["status"]).ended(1).contains(BLOCK));

    machine.run(&["systemctl", "restart", BLOCK]).ok();
    assert_eq!(machine.iptables_save(), rules);
    assert_clean(&machine);

    // A dead listener leaves them shut too, and is named.
    machine.run(&["systemctl", "stop", NOTICE]).ok();
    assert_shut(&machine, &[6379, 6380]);
    assert!(redisguard(&machine, &["status"]).ended(1).contains(NOTICE));
    redisguard(&machine, &["apply"]).ok();
    assert_clean(&machine);
}
