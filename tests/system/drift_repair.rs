//! Rules and units that others changed are named, and fixed by `apply` or the timer.

use super::*;

#[test]
fn a_flushed_chain_is_named_and_fixed() {
    let Some(machine) = guarded("flushed") else { return };
    let rules = machine.iptables_save();
    serve(&machine, 7000);
    machine.run(&["iptables", "-F", "INPUT"]).ok();
    // New connections are dropped before that.
    assert_eq!(machine.reaches(6379)[0], Outcome::Silence);
    let flush = "iptables -F INPUT; iptables -t mangle -F PREROUTING";
    machine.run(&["sh", "-c", flush]).ok();
    // It is open now, which the test must be able to see.
    assert!(matches!(machine.reaches(6379)[0], Outcome::Notice(_) | Outcome::Refused));

    let status = json(&machine, 1, &["status"]);
    assert_eq!((&status["in_sync"], &status["healthy"]), (&false.into(), &false.into()));
    let named = status["findings"].to_string();
    assert!(named.contains("IPv4") && named.contains("INPUT"), "{named}");
    assert!(!named.contains("IPv6"), "{named}");

    machine.run(&["systemctl", "start", CHECK]).ok();
    assert_eq!(machine.iptables_save(), rules);
    assert_clean(&machine);
    assert_open(&machine, 7000);
}

#[test]
fn no_other_user_can_keep_the_rules_from_being_fixed() {
    let Some(machine) = guarded("locks") else { return };
    let hold = "setpriv --reuid=65534 --regid=65534 --clear-groups sh -c '
        for file in /proc/self/ns/net /run/redisguard-rules.lock /run/xtables.lock; do
            (flock -n 9 && exec sleep 300) 9<$file >/dev/null 2>&1 &
        done'";
    machine.run(&["sh", "-c", hold]).ok();
    machine.run(&["iptables", "-t", "mangle", "-F", "PREROUTING"]).ok();
    machine.run(&["iptables", "-F", "INPUT"]).ok();
    machine.run(&["timeout", "30", "systemctl", "start", CHECK]).ok();
    assert_clean(&machine);
    redisguard(&machine, &["apply"]).ok();
    let left = machine.run(&["sh", "-c", "ls /run | grep 'redisguard.*lock'"]);
    assert_eq!(left.stdout, "", "{left:?}");
}

#[test]
fn every_way_of_losing_the_rules_is_fixed_in_place() {
    let Some(machine) = guarded("lost") else { return };
    machine.run(&["iptables", "-A", "INPUT", "-p", "udp", "--dport", "9", "-j", "DROP"]).ok();
    let rules = machine.iptables_save();
    let damages: [&[&str]; 5] = [
        &["iptables", "-I", "INPUT", "1", "-p", "tcp", "--dport", "6379", "-j", "ACCEPT"],
        &["ip6tables", "-F", "REDISGUARD-IN"],
        &["ip6tables", "-D", "REDISGUARD-IN", "2"],
        &["iptables", "-D", "FORWARD", "1"],
        &["nft", "flush", "ruleset"],
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        machine.run(damage).ok();
        redisguard(&machine, &["status"]).ended(1);
        machine.run(&["systemctl", "start", CHECK]).ok();
        let fixed = machine.iptables_save();
        match number {
            // What somebody put before us stays, behind us.
            0 => {
                machine.run(&["iptables", "-D", "INPUT", "3"]).ok();
                assert_eq!(machine.iptables_save(), rules);
            }
            4 => assert!(!fixed.contains("9 -j DROP") && fixed.contains("REDISGUARD-MOVED")),
            _ => assert_eq!(fixed, rules, "{damage:?}"),
        }
        assert_clean(&machine);
    }
}

#[test]
fn a_unit_that_is_stopped_disabled_or_replaced_is_named_and_fixed() {
    let Some(machine) = guarded("units") else { return };
    let unlimited = "[Service]\nRestart=no\n";
    let lifted = format!("/run/systemd/system/{NOTICE}.d/once.conf");
    machine.write_file(&lifted, unlimited);
    machine.run(&["systemctl", "daemon-reload"]).ok();
    let damages: [(&[&str], &str, &str, &str); 6] = [
        (&["systemctl", "disable", BLOCK], "unit", BLOCK, "is not enabled"),
        (&["systemctl", "disable", "--now", TIMER], "unit", TIMER, "does not run"),
        (&["systemctl", "stop", NOTICE], "unit", NOTICE, "does not run"),
        (&["systemctl", "kill", "--signal=KILL", NOTICE], "unit", NOTICE, "has failed"),
        (&["systemctl", "kill", "--signal=STOP", NOTICE], "listener", NOTICE, "is stopped"),
        (&["systemctl", "kill", "--signal=STOP", NOTICE], "listener", NOTICE, "6379 over IPv4"),
    ];
    for (damage, kind, target, detail) in damages {
        machine.run(damage).ok();
        // A signal takes its time.
        wait_until(detail, || {
            let status: Value =
                serde_json::from_str(&redisguard(&machine, &["--json", "status"]).stdout).unwrap();
            status["findings"].as_array().unwrap().iter().any(|finding| {
                let said = finding["detail"].as_str().unwrap();
                finding["kind"] == kind && finding["target"] == target && said.contains(detail)
            })
        });
        redisguard(&machine, &["apply"]).ok();
        assert_only_changed(&machine, NOTICE, &[&lifted]);
    }
    machine.run(&["rm", &lifted]).ok();
    machine.run(&["systemctl", "daemon-reload"]).ok();
    json(&machine, 0, &["status"]);

    // What an administrator masked stays so until they say otherwise.
    let masked = format!("rm {0} && ln -s /dev/null {0}", "/etc/systemd/system/$0");
    machine.run(&["sh", "-c", &masked, NOTICE]).ok();
    machine.run(&["systemctl", "daemon-reload"]).ok();
    let look = || {
        // Who asks for the status is logged.
        let mut files = machine.changed_files();
        files.retain(|path, _| !path.starts_with("/var/log/") && path != COUNTERS);
        (files, machine.iptables_save(), runs(&machine))
    };
    let before = look();
    let said = redisguard(&machine, &["status"]).ended(1);
    assert_eq!(said.matches("is masked by an administrator").count(), 1, "{said}");
    let refused = redisguard(&machine, &["apply"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.stderr.contains(&format!("systemctl unmask {NOTICE}")), "{refused:?}");
    assert_same(&look(), &before, "before");
    machine.run(&["systemctl", "unmask", NOTICE]).ok();
    redisguard(&machine, &["apply"]).ok();
    assert_clean(&machine);
}

/// In place and well, and all that is found are these drop-ins of a unit.
#[track_caller]
fn assert_only_changed(machine: &Machine, name: &str, drop_ins: &[&str]) {
    let status = json(machine, 1, &["status"]);
    let found = status["findings"].as_array().unwrap();
    assert_eq!(found.len(), drop_ins.len(), "{status:#}");
    for (finding, drop_in) in found.iter().zip(drop_ins) {
        let detail = finding["detail"].as_str().unwrap();
        assert_eq!((&finding["kind"], &finding["target"]), (&"unit".into(), &name.into()));
        assert!(detail.starts_with(&format!("is changed by {drop_in}")), "{status:#}");
    }
    assert_eq!((&status["in_sync"], &status["healthy"]), (&true.into(), &true.into()));
    assert!(status["mend"].is_null(), "{status:#}");
}

#[test]
fn overrides_of_redisguards_units_are_named_and_overrides_of_all_units_are_not() {
    let Some(machine) = guarded("overrides") else { return };
    let reload = || machine.run(&["systemctl", "daemon-reload"]).ok();
    let for_all = "/usr/lib/systemd/system/service.d/10-all.conf";
    machine.write_file(for_all, "[Service]\nTimeoutStopSec=80s\n");
    reload();
    json(&machine, 0, &["status"]);

    // What opens the ports when the unit is stopped, before and after systemd knows of it.
    let stop = "ExecStop=/usr/local/sbin/redisguard-install rules unload";
    let drop_in = format!("/etc/systemd/system/{BLOCK}.d/x.conf");
    machine.write_file(&drop_in, format!("[Service]\n{stop}\n"));
    // Long lines are folded.
    let status = || {
        let said = redisguard(&machine, &["status"]).ended(1);
        said.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let said = status();
    assert!(said.contains("was changed after systemd read it"), "{said}");
    assert!(said.contains(&format!("systemctl cat {BLOCK}")), "{said}");
    reload();
    let wide = "/run/systemd/system/redis-ports-.service.d/y.conf";
    machine.write_file(wide, "[Service]\nNice=1\n");
    machine.write_file(&format!("/etc/systemd/system/{YIELD}.d/z.conf"), "[Service]\nNice=1\n");
    reload();
    let said = status();
    assert!(
        said.starts_with("BLOCKED: outsiders are blocked, but a unit is not as it was applied "),
        "{said}"
    );
    assert!(!said.contains("10-all.conf") && !said.contains(" fix: "), "{said}");
    for named in [&drop_in, wide, &format!("{YIELD}.d/z.conf")] {
        assert!(said.contains(named), "{named}: {said}");
    }
    let orphans = ["rm", "-r", wide, &format!("/etc/systemd/system/{YIELD}.d")];
    machine.run(&orphans).ok();
    reload();
    assert_only_changed(&machine, BLOCK, &[&drop_in]);
    // The next apply goes by what it has brought, and has nothing to do.
    assert_eq!(json(&machine, 0, &["plan"])["changed"], false);

    machine.run(&["rm", "-r", &format!("/etc/systemd/system/{BLOCK}.d")]).ok();
    let other = format!("/run/systemd/system.control/{BLOCK}");
    machine.run(&["mkdir", "-p", "/run/systemd/system.control"]).ok();
    machine.run(&["cp", &format!("/etc/systemd/system/{BLOCK}"), &other]).ok();
    reload();
    let status = json(&machine, 1, &["status"]);
    assert!(
        status["findings"].to_string().contains(&format!("is read from {other}")),
        "{status:#}"
    );
    assert_eq!(status["healthy"], false, "{status:#}");
    machine.run(&["rm", &other]).ok();
    reload();
    assert_clean(&machine);
}

#[test]
fn the_timer_fixes_the_rules_and_its_journal_says_what_it_found() {
    let Some(machine) = guarded("timer") else { return };
    let rules = machine.iptables_save();
    // As it is installed it comes within a minute.
    let timer = |property| unit(&machine, TIMER, property);
    let seconds = |text: &str| {
        let text = text.split("OnUnitActiveUSec=").last().unwrap();
        let number = text.split("s").next().unwrap();
        number.parse::<u32>().unwrap_or_else(|_| panic!("{text}"))
    };
    let waits = seconds(&timer("TimersMonotonic")) + seconds(&timer("AccuracyUSec"));
    assert!((1..60).contains(&waits), "{waits} s");

    // Who opens the ports by hand is told of it, as long as it is so.
    let unloaded = redisguard(&machine, &["rules", "unload"]).ok();
    assert!(
        unloaded.contains(&format!("within a minute {TIMER} loads the rules again")),
        "{unloaded}"
    );
    machine.run(&["systemctl", "stop", TIMER]).ok();
    redisguard(&machine, &["rules", "load"]).ok();
    let unloaded = redisguard(&machine, &["rules", "unload"]).ok();
    assert_eq!(unloaded, "unloaded: the ports are open\n");
    redisguard(&machine, &["rules", "load"]).ok();

    // The test does not wait that long; it is still the timer that comes.
    let sooner = "[Timer]\nOnActiveSec=1s\nOnUnitActiveSec=3s\nAccuracySec=100ms\n";
    let drop_in = format!("/run/systemd/system/{TIMER}.d/sooner.conf");
    machine.write_file(&drop_in, sooner);
    machine.run(&["systemctl", "daemon-reload"]).ok();
    machine.run(&["systemctl", "restart", TIMER]).ok();
    machine.run(&["iptables", "-I", "INPUT", "1", "-j", "ACCEPT"]).ok();
    machine.run(&["ip6tables", "-F", "REDISGUARD-IN"]).ok();
    wait_until("the guard is back", || {
        machine.run(&["iptables", "-D", "INPUT", "-j", "ACCEPT"]);
        machine.iptables_save() == rules
    });
    // The rules stand before the check says so, and what it says takes its way to the journal.
    wait_until("the journal names what was mended", || {
        let journal = machine.run(&["journalctl", "-u", CHECK, "-o", "cat", "--no-pager"]).stdout;
        journal.contains("IPv6: filter: chain REDISGUARD-IN was flushed")
    });
    assert_only_changed(&machine, TIMER, &[&drop_in]);
    assert_guards(&machine);
}

#[test]
fn tampered_rules_fail_visibly_and_the_last_good_ones_guard() {
    let Some(machine) = guarded("tampered") else { return };
    let (file, rules) = ("/etc/redisguard/rules.v4", machine.iptables_save());
    let harmless = machine.read_file(file).replace("-j DROP", "-j ACCEPT");
    machine.write_file(file, harmless);

    for loaded in [true, false] {
        if !loaded {
            redisguard(&machine, &["rules", "unload"]).ok();
        }
        let said = redisguard(&machine, &["rules", "load"]);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.stderr.contains(file) && said.stderr.contains("last good"), "{said:?}");
        assert_eq!(machine.iptables_save(), rules);
    }
    assert_ne!(machine.run(&["systemctl", "start", CHECK]).code, 0);
    assert_guards(&machine);
    let status = redisguard(&machine, &["status"]).ended(1);
    assert!(status.contains(file) && status.contains(CHECK), "{status}");

    redisguard(&machine, &["apply"]).ok();
    machine.run(&["systemctl", "start", CHECK]).ok();
    assert_clean(&machine);
}

#[test]
fn tampered_rules_do_not_open_a_rebooted_host() {
    let Some(mut machine) = guarded("tampered-reboot") else { return };
    let file = "/etc/redisguard/rules.v6";
    machine.write_file(file, "*filter\n-A INPUT -j ACCEPT\nCOMMIT\n");
    machine.reboot();
    assert_guards(&machine);
    assert_eq!(unit(&machine, BLOCK, "ActiveState"), "failed");
}

#[test]
fn status_shows_the_most_recent_attempts() {
    let Some(machine) = host("knocks") else { return };
    failed_apply::give_bundle(
        &machine,
        &failed_apply::OTHER.replace("reject", "notice"),
        "/root/notice",
    );
    redisguard(&machine, &["--bundle", "/root/notice", "apply"]).ok();
    let status = || json(&machine, 0, &["--bundle", "/root/notice", "status"]);
    assert_eq!(
        status()["knocks"].as_array().unwrap().len(),
        0,
        "nobody came, but the status itself"
    );
    let met = machine.meets(6379);
    assert!(met.iter().all(|outcome| matches!(outcome, Outcome::Notice(_))), "{met:?}");
    wait_until("both families are shown", || status()["knocks"].as_array().unwrap().len() == 2);
    for knock in status()["knocks"].as_array().unwrap() {
        assert_eq!((&knock["port"], &knock["answer"]), (&6379.into(), &"told".into()), "{knock}");
    }
    let said = redisguard(&machine, &["--bundle", "/root/notice", "status"]).ok();
    assert!(said.contains("latest attempts ("), "{said}");
    assert!(said.lines().all(|line| line.chars().count() <= 80), "{said}");
}
