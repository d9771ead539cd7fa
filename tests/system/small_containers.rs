//! Where systemd may make no namespaces, the ports are blocked all the same, and each unit that cannot run is
//! named with its fix.

use super::*;

/// A machine as a container without nesting: systemd, and what it starts, may make no mount namespace.
fn without_namespaces(name: &str) -> Option<Machine> {
    let mut machine = Machine::switched_off(name)?;
    machine.make_small();
    machine.switch_on();
    machine.install(Path::new(INSTALL), PROGRAM);
    let refused = machine.run(&["unshare", "--mount", "true"]);
    assert!(refused.code != 0, "it may make a namespace: {refused:?}");
    Some(machine)
}

/// What status says of each unit that systemd cannot confine.
fn named(machine: &Machine) -> Vec<String> {
    let status = json(machine, 1, &["status"]);
    let fix = status["fix"].as_array().unwrap();
    assert!(fix[0].as_str().unwrap().contains("security.nesting"), "{status:#}");
    assert_eq!(fix[1..], ["redisguard-install apply"], "{status:#}");
    assert_eq!(status["in_sync"], true, "{status:#}");
    let findings = status["findings"].as_array().unwrap().clone();
    let detail = |finding: &Value| finding["detail"].as_str().unwrap().to_owned();
    assert!(
        findings.iter().all(|one| detail(one).contains("may not make the namespaces")),
        "{findings:#?}"
    );
    findings.iter().map(|one| one["target"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_container_that_may_make_no_namespaces_is_blocked_now_and_after_a_reboot() {
    let Some(mut machine) = without_namespaces("small") else { return };
    serve(&machine, 6380);
    assert_open(&machine, 6380);

    let applied = redisguard(&machine, &["apply"]);

    assert_eq!(applied.code, 0, "{applied:?}");
    assert!(applied.stderr.contains("security.nesting"), "{applied:?}");
    assert_shut(&machine, &[6379, 6380]);
    assert_eq!(named(&machine), [NOTICE, BLOCK]);

    machine.run(&["iptables", "-F", "INPUT"]).ok();
    let check = machine.run(&["systemctl", "start", CHECK]);
    assert!(check.code != 0, "{check:?}");
    wait_until("the fallback loads the rules", || {
        machine.run(&["iptables", "-S", "INPUT"]).stdout.contains("REDISGUARD")
    });
    assert_shut(&machine, &[6380]);

    machine.reboot();
    serve(&machine, 6380);
    assert_shut(&machine, &[6379, 6380]);
    assert!(named(&machine).contains(&BLOCK.to_owned()));
    // Before the network came up, as the block unit itself would have done it.
    let at = |unit_name: &str, property: &str| -> u64 {
        unit(&machine, unit_name, property).parse().unwrap()
    };
    let loaded = at("redis-ports-fallback.service", "ExecMainExitTimestampMonotonic");
    let network = at("network-pre.target", "ActiveEnterTimestampMonotonic");
    assert!(loaded > 0 && loaded <= network, "{loaded} {network}");

    // The fix, as the host of a container would allow it.
    machine.limit_namespaces(1000);
    redisguard(&machine, &["apply"]).ok();
    assert_clean(&machine);
    redisguard(&machine, &["remove"]).ok();
    assert_open(&machine, 6380);
    assert_eq!(machine.run(&["systemctl", "--failed", "--no-legend", "redis-port*"]).stdout, "");
}
