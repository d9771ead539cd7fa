//! `apply` guards a running host, and a second `apply` changes nothing.

use super::*;

#[test]
fn a_fresh_apply_guards_the_host() {
    let Some(machine) = host("fresh") else { return };
    // They can be reached before, so that silence afterwards says something.
    for port in [6379, 6380, 7000] {
        serve(&machine, port);
        assert_open(&machine, port);
    }
    for port in [6379, 6380] {
        stop_serving(&machine, port);
    }

    let applied = json(&machine, 0, &["apply"]);
    assert_eq!(applied["changed"], true, "{applied:#}");

    for name in [BLOCK, NOTICE, TIMER] {
        assert_eq!(machine.run(&["systemctl", "is-active", name]).stdout, "active\n", "{name}");
        assert_eq!(machine.run(&["systemctl", "is-enabled", name]).stdout, "enabled\n", "{name}");
    }
    assert_clean(&machine);
    assert!(ping(&machine, 6380).starts_with("PORTCLOSED 6380"));
    assert_open(&machine, 7000);
    let status = redisguard(&machine, &["status"]).ok();
    assert!(status.starts_with("OK: "), "{status}");

    let log = "/var/log/redis_port_notice.log";
    machine.run(&["redis-cli", "-p", "6379", "set", "the-key", "the-secret"]);
    wait_until("the client is logged", || machine.read_file(log).contains("command=SET"));
    assert!(!machine.read_file(log).contains("the-"), "{}", machine.read_file(log));
}

#[test]
fn later_commands_use_the_installed_program() {
    let Some(machine) = guarded("place") else { return };
    machine.run(&["rm", PROGRAM]).ok();
    machine.run(&["redisguard-install", "status"]).ok();
    machine.run(&["systemctl", "restart", BLOCK, NOTICE]).ok();
    assert_guards(&machine);
}

#[test]
fn a_second_apply_changes_nothing() {
    let Some(machine) = guarded("second") else { return };
    let look = || (machine.changed_files(), machine.iptables_save_counted(), runs(&machine));
    // Packets that were stopped: their count must stay.
    assert_shut(&machine, &[6379]);
    // What they come to is saved, so that the timer's turn has nothing to write.
    machine.run(&["systemctl", "start", CHECK]).ok();
    let before = look();
    let dropped = |line: &&str| line.contains("6379:drop") && !line.starts_with("[0:");
    assert_eq!(before.1.lines().filter(dropped).count(), 2, "{}", before.1);

    let again = json(&machine, 0, &["apply"]);

    assert_eq!((&again["changed"], again["steps"].as_array().unwrap().len()), (&false.into(), 0));
    assert_same(&look(), &before, "before");
    assert_eq!(json(&machine, 0, &["plan"])["changed"], false);
    assert_same(&look(), &before, "before");
}

#[test]
fn a_real_redis_keeps_its_port() {
    let Some(machine) = host("redis") else { return };
    let settings = "port 6380\nbind * -::*\nprotected-mode no\n";
    machine.run(&["sh", "-c", &format!("printf '{settings}' >>/etc/redis/redis.conf")]).ok();
    machine.run(&["systemctl", "start", "redis-server"]).ok();
    assert_eq!(ping(&machine, 6380), "PONG\n");
    let pong = Outcome::Served("+PONG".to_owned());
    assert_eq!(machine.reaches(6380), [pong.clone(), pong]);
    let redis = unit(&machine, "redis-server.service", "InvocationID");

    redisguard(&machine, &["apply"]).ok();

    assert_clean(&machine);
    assert_eq!(ping(&machine, 6380), "PONG\n");
    assert_eq!(unit(&machine, "redis-server.service", "InvocationID"), redis);
}

#[test]
fn a_redis_that_starts_later_gets_its_port() {
    let Some(machine) = guarded("later") else { return };
    assert!(ping(&machine, 6380).starts_with("PORTCLOSED 6380"));
    machine.run(&["sh", "-c", "echo port 6380 >>/etc/redis/redis.conf"]).ok();
    let started = machine.run(&["systemctl", "start", "redis-server"]);
    assert_eq!(started.code, 0, "{started:?}");
    wait_until("Redis answers", || ping(&machine, 6380) == "PONG\n");
    wait_until("the listener is back", || ping(&machine, 6379).starts_with("PORTCLOSED 6379"));
    assert_clean(&machine);

    // However often: it is no fault of the listener's.
    for _ in 0..6 {
        machine.run(&["systemctl", "reset-failed", "redis-server"]).ok();
        machine.run(&["systemctl", "restart", "redis-server"]).ok();
    }
    wait_until("Redis answers", || ping(&machine, 6380) == "PONG\n");
    wait_until("the listener is back", || ping(&machine, 6379).starts_with("PORTCLOSED 6379"));
    assert_clean(&machine);
}

#[test]
fn a_rotated_log_goes_on_in_a_new_file() {
    let Some(machine) = guarded("rotate") else { return };
    let file = "/var/log/redisguard/redis_port_notice.log";
    let inode = || machine.run(&["stat", "-L", "-c", "%i", file]).stdout;
    ping(&machine, 6379);
    wait_until("a line is written", || machine.read_file(file).contains("6379"));
    let (before, listener) = (inode(), unit(&machine, NOTICE, "MainPID"));

    let rotated = machine.run(&["logrotate", "-v", "-f", "/etc/logrotate.d/redis-port-notice"]);
    assert_eq!(rotated.code, 0, "{rotated:?}");
    assert!(!rotated.stderr.contains("error"), "{rotated:?}");

    machine.run(&["redis-cli", "-p", "6379", "incr", "x"]);
    wait_until("a line is in the new file", || {
        machine.run(&["cat", file]).stdout.contains("command=INCR")
    });
    assert_ne!(inode(), before);
    assert!(!machine.read_file(&format!("{file}.1")).contains("command=INCR"));
    assert_eq!(unit(&machine, NOTICE, "MainPID"), listener);
    assert_clean(&machine);
}
