//! However other units are ordered, systemd drops no job at boot, and what a firewall flushes comes back at once.

use super::*;
use std::fs;
use std::process::{Child, Stdio};

/// The firewalls that flush the rules when they start, and how each does it.
const FLUSHING: [(&str, &str); 3] = [
    ("nftables.service", "/usr/sbin/nft flush ruleset"),
    (
        "netfilter-persistent.service",
        "/bin/sh -c 'iptables-restore </root/empty; ip6tables-restore </root/empty'",
    ),
    ("ufw.service", "/bin/sh -c 'iptables -F; ip6tables -F'"),
];

/// Writes a unit that stays active, enables it, and has systemd read it.
fn add_unit(machine: &Machine, name: &str, unit: &str, command: &str, wanted_by: &str) {
    let text = format!(
        "[Unit]\n{unit}\n[Service]\nType=oneshot\nRemainAfterExit=yes\nTimeoutStartSec=60\n\
         ExecStart={command}\n[Install]\nWantedBy={wanted_by}\n"
    );
    machine.write_file(&format!("/etc/systemd/system/{name}"), text);
    machine.run(&["systemctl", "daemon-reload"]).ok();
    machine.run(&["systemctl", "--quiet", "enable", name]).ok();
}

/// Has the timer start no check for an hour: only what the firewalls pull in can have fixed the rules.
fn delay_timer(machine: &Machine) {
    let delayed = "[Timer]\nOnBootSec=\nOnBootSec=1h\n";
    machine.write_file(&format!("/etc/systemd/system/{TIMER}.d/later.conf"), delayed);
}

/// Whether systemd finds a cycle in the jobs of a boot. What it said at boot itself is lost in a container, which
/// has no kernel's log.
fn has_cycle(machine: &Machine) -> bool {
    let verified = machine.run(&["systemd-analyze", "--man=no", "verify", "default.target"]);
    verified.stderr.contains("ordering cycle")
}

/// The units that failed, and what they said.
fn failed(machine: &Machine) -> String {
    const SHOW: &str = "systemctl --failed --plain --no-legend | while read -r unit rest
                        do journalctl --boot --no-pager -o cat -u $unit; done";
    machine.run(&["sh", "-c", SHOW]).stdout
}

/// Whether the boot dropped no job.
#[track_caller]
fn assert_whole_boot(machine: &Machine, others: &[&str], when: &str) {
    assert!(!has_cycle(machine), "{when}");
    let state = machine.run(&["systemctl", "is-system-running"]).stdout;
    assert_eq!(state, "running\n", "{when}: {}", failed(machine));
    let network = ["network-pre.target", "network.target", "stand-in-network.service"];
    for name in [BLOCK, NOTICE, TIMER].iter().chain(&network).chain(others) {
        assert_eq!(unit(machine, name, "ActiveState"), "active", "{when}: {name}");
    }
}

/// A host with Docker's unit, and firewalls that flush the rules at boot.
fn with_firewalls(name: &str, backend: &str) -> Option<Machine> {
    let machine = host(name)?;
    let shipped = fs::read_to_string(support::root().join("redisguard.toml")).unwrap();
    let (shipped, _) = shipped.split_once("[docs]").unwrap();
    let folder = TempDir::new().unwrap();
    let spec = folder.path().join("redisguard.toml");
    let backend = format!("backend = \"{backend}\"");
    fs::write(&spec, shipped.replace("backend  = \"iptables\"", &backend)).unwrap();
    bring_bundle(&machine, &spec, "/root/bundle");
    let empty = "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n";
    machine.write_file("/root/empty", empty);
    redisguard(&machine, &["--bundle", "/root/bundle", "apply"]).ok();
    delay_timer(&machine);
    let docker = "After=network-online.target firewalld.service\nWants=network-online.target";
    add_unit(&machine, "docker.service", docker, "/bin/true", "multi-user.target");
    Some(machine)
}

/// Boots with every firewall ordered after one unit, `boots` times each.
fn boots_with_late_firewalls(name: &str, backend: &str, boots: usize) {
    let Some(mut machine) = with_firewalls(name, backend) else { return };
    for late in
        ["network-online.target", "network.target", "docker.service", "redis-server.service"]
    {
        for (firewall, command) in FLUSHING {
            let order = format!("After={late}\nWants=network-online.target");
            add_unit(&machine, firewall, &order, command, "multi-user.target");
        }
        for boot in 1..=boots {
            machine.reboot();
            let when = format!("{backend}, after {late}, boot {boot}");
            let [first, second, third] = FLUSHING.map(|(firewall, _)| firewall);
            assert_whole_boot(&machine, &[first, second, third, "docker.service"], &when);
            assert_guards(&machine);
        }
    }
}

#[test]
fn firewalls_that_start_late_drop_no_job_and_open_no_port_of_iptables() {
    boots_with_late_firewalls("late-iptables", "iptables", 2);
}

#[test]
fn firewalls_that_start_late_drop_no_job_and_open_no_port_of_nftables() {
    boots_with_late_firewalls("late-nftables", "nftables", 1);
}

#[test]
fn a_firewall_of_its_distribution_that_starts_early_drops_no_job() {
    let Some(mut machine) = with_firewalls("early-firewalls", "iptables") else { return };
    for order in [
        "DefaultDependencies=no\nWants=network-pre.target\nBefore=network-pre.target",
        // As some order it, so that the settings of connection tracking find their module.
        "DefaultDependencies=no\nBefore=network-pre.target systemd-sysctl.service",
        "DefaultDependencies=no\nAfter=local-fs.target\nBefore=sysinit.target network-pre.target",
    ] {
        for (firewall, command) in FLUSHING {
            add_unit(&machine, firewall, order, command, "multi-user.target");
        }
        machine.reboot();
        assert_whole_boot(&machine, &FLUSHING.map(|(firewall, _)| firewall), order);
        assert_guards(&machine);
    }
}

/// Connects to the reserved ports of a machine all the time, and prints who answers.
const CONNECT: &str = "
import socket, sys, time
print('ready', flush=True)
while True:
    for address in sys.argv[1:]:
        for port in (6379, 6380):
            try:
                client = socket.create_connection((address, port), timeout=0.05)
                client.sendall(b'PING\\r\\n')
                print(address, port, client.recv(100), flush=True)
            except OSError:
                pass
    time.sleep(0.005)
";

/// Such a client outside, which outlives a reboot of the machine.
fn connecting(machine: &Machine) -> Child {
    let mut command = machine.outside_command("python3");
    command.args(["-c", CONNECT]).args(machine.addresses().map(|address| address.to_string()));
    command.stdout(Stdio::piped()).spawn().unwrap()
}

/// What it got.
fn answers(mut client: Child) -> String {
    client.kill().unwrap();
    String::from_utf8(client.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn a_service_that_does_not_wait_for_the_network_is_blocked_while_the_host_boots() {
    let Some(mut machine) = guarded("early-service") else { return };
    const SERVER: &str = "
import socket
server = socket.create_server(('', 6380), family=socket.AF_INET6, dualstack_ipv6=True)
while True:
    client, _ = server.accept()
    client.sendall(b'+HERE\\r\\n')
    client.close()
";
    machine.write_file("/root/server.py", SERVER);
    let text = "[Service]\nExecStart=/usr/bin/python3 /root/server.py\n[Install]\nWantedBy=sysinit.target\n";
    machine.write_file("/etc/systemd/system/served.service", text);
    machine.run(&["systemctl", "--quiet", "enable", "served"]).ok();
    for guarded in [true, false] {
        if !guarded {
            // The control: the client sees what the rules do not stop.
            redisguard(&machine, &["remove"]).ok();
        }
        for _ in 0..if guarded { 3 } else { 1 } {
            let client = connecting(&machine);
            machine.reboot();
            wait_until("it serves", || {
                !machine.run(&["ss", "-Hltn", "sport = :6380"]).stdout.is_empty()
            });
            if !guarded {
                assert_open(&machine, 6380);
            }
            let answers = answers(client);
            assert!(answers.starts_with("ready\n"), "{answers}");
            assert_eq!(answers.contains("HERE"), !guarded, "{answers}");
        }
    }
}

#[test]
fn a_redis_that_starts_late_or_early_drops_no_job() {
    let Some(mut machine) = guarded("ordered-redis") else { return };
    machine.run(&["sh", "-c", "echo port 6380 >>/etc/redis/redis.conf"]).ok();
    let served = "/usr/bin/redis-server /etc/redis/redis.conf --supervised systemd --daemonize no";
    for (order, wanted_by) in [
        ("After=multi-user.target", "graphical.target"),
        (
            "DefaultDependencies=no\nBefore=sysinit.target\nAfter=systemd-tmpfiles-setup.service",
            "sysinit.target",
        ),
    ] {
        machine.run(&["systemctl", "--quiet", "disable", "redis-server"]);
        let text = format!(
            "[Unit]\n{order}\n[Service]\nType=notify\nUser=redis\nRuntimeDirectory=redis\n\
             ExecStart={served}\n[Install]\nWantedBy={wanted_by}\n"
        );
        machine.write_file("/etc/systemd/system/redis-server.service", text);
        machine.run(&["systemctl", "daemon-reload"]).ok();
        machine.run(&["systemctl", "--quiet", "enable", "redis-server"]).ok();
        machine.reboot();
        assert_whole_boot(&machine, &["redis-server"], order);
        assert_eq!(ping(&machine, 6380), "PONG\n", "{order}");
        assert_guards(&machine);
    }
}

/// Something that the boot waits for online.
fn want_online(machine: &Machine) {
    let order = "Wants=network-online.target\nAfter=network-online.target";
    add_unit(machine, "online.service", order, "/bin/true", "multi-user.target");
}

/// What status says of a cycle.
fn named_cycle(machine: &Machine) -> String {
    let status = json(machine, 1, &["status"]);
    let findings = status["findings"].as_array().unwrap().iter();
    let units = findings.filter(|finding| finding["kind"] == "unit");
    let details = units.map(|finding| finding["detail"].as_str().unwrap().to_owned());
    let details = details.filter(|detail| detail.contains("a cycle"));
    let fixes =
        status["fix"].as_array().unwrap().iter().map(|fix| fix.as_str().unwrap().to_owned());
    let fixes = fixes.filter(|fix| fix.contains("of that cycle"));
    details.chain(fixes).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_drop_in_that_closes_a_cycle_is_refused_by_plan_and_named_by_status() {
    let Some(mut machine) = guarded("own-order") else { return };
    want_online(&machine);
    let directory = format!("/etc/systemd/system/{BLOCK}.d");
    let (late, harmless) = (format!("{directory}/late.conf"), format!("{directory}/harmless.conf"));
    machine.write_file(&harmless, "[Unit]\nAfter=systemd-journald.service\n");
    machine.run(&["systemctl", "daemon-reload"]).ok();
    redisguard(&machine, &["plan"]).ok();
    assert_eq!(named_cycle(&machine), "");

    machine.write_file(&late, "[Unit]\nAfter=network-online.target\n");
    machine.run(&["systemctl", "daemon-reload"]).ok();
    for verb in ["plan", "apply"] {
        let said = redisguard(&machine, &[verb]);
        assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{verb}: {said:?}");
        for words in [&late, "redis-ports-block.service after network-online.target"] {
            assert!(said.stderr.contains(words), "{words} is not in {}", said.stderr);
        }
        assert!(!said.stderr.contains(&harmless), "{}", said.stderr);
    }
    let fix = format!("remove the After= and Before= of that cycle from {late}");
    assert!(named_cycle(&machine).contains(&fix), "{}", named_cycle(&machine));
    // It is true: systemd breaks that cycle at boot.
    assert!(has_cycle(&machine));
    machine.reboot();
    let cycle = [BLOCK, "network-pre.target", "network.target", "online.service", "sysinit.target"];
    let cycle = cycle.into_iter().chain(["network-online.target", "stand-in-network.service"]);
    let mut states = cycle.map(|name| unit(&machine, name, "ActiveState"));
    assert!(states.any(|state| state != "active"));
    assert!(named_cycle(&machine).contains(&fix), "{}", named_cycle(&machine));

    // The fix.
    machine.run(&["rm", &late]).ok();
    machine.run(&["systemctl", "daemon-reload"]).ok();
    redisguard(&machine, &["apply"]).ok();
    assert_eq!(named_cycle(&machine), "");
    machine.reboot();
    assert_whole_boot(&machine, &["online.service"], "fixed");
    redisguard(&machine, &["apply"]).ok();
    let findings = json(&machine, 1, &["status"])["findings"].to_string();
    assert!(findings.contains(&harmless) && !findings.contains("a cycle"), "{findings}");
}

#[test]
fn a_cycle_that_the_journal_has_is_named_although_its_cause_is_gone() {
    let Some(machine) = guarded("logged-cycle") else { return };
    want_online(&machine);
    let late = format!("/etc/systemd/system/{BLOCK}.d/late.conf");
    machine.write_file(&late, "[Unit]\nAfter=network-online.target\n");
    // As at boot, but with a journal: all that is in the cycle starts in one transaction.
    let wants = format!("[Unit]\nWants=stand-in-network.service online.service {BLOCK}\n");
    machine.write_file("/etc/systemd/system/again.target", wants);
    let again = format!(
        "systemctl daemon-reload
         systemctl stop network-online.target network.target network-pre.target stand-in-network {BLOCK}
         systemctl start again.target || true
         rm {late}; systemctl daemon-reload; systemctl start {BLOCK}"
    );
    machine.run(&["sh", "-euc", &again]).ok();
    let named = named_cycle(&machine);
    for words in
        ["at this boot", BLOCK, "network-online.target", "systemd-analyze verify default.target"]
    {
        assert!(named.contains(words), "{words} is not in {named}");
    }
    redisguard(&machine, &["plan"]).ok();
}

#[test]
fn a_unit_that_orders_the_guard_into_a_cycle_is_refused_before_the_first_apply() {
    let Some(machine) = host("others-order") else { return };
    want_online(&machine);
    let order = format!("After=network-online.target\nBefore={BLOCK}");
    add_unit(&machine, "site-firewall.service", &order, "/bin/true", "multi-user.target");
    let said = redisguard(&machine, &["plan"]);
    let file = "/etc/systemd/system/site-firewall.service";
    assert!(said.code == 2 && said.stderr.contains(file), "{said:?}");
    machine.run(&["sed", "-i", "/^Before=/d", file]).ok();
    machine.run(&["systemctl", "daemon-reload"]).ok();
    redisguard(&machine, &["plan"]).ended(1);
}
