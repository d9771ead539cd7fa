//! The sandbox of the units lets iptables and nft work.

use super::*;

/// Puts a program in another's place that notes with what it was called.
fn note_calls(machine: &Machine, program: &str) {
    let path = format!("/usr/local/sbin/{program}");
    machine.write_file(&path, format!("#!/bin/sh\necho \"$@\" >>/run/{program}-calls\n"));
    machine.run(&["chmod", "755", &path]).ok();
}

/// What redisguard's units logged as errors since the boot.
fn complaints(machine: &Machine) -> String {
    let mut command = vec!["journalctl", "--boot", "--priority=warning", "--output=cat"];
    command.extend([BLOCK, CHECK, NOTICE].map(|name| ["--unit", name]).concat());
    machine.run(&command).stdout
}

#[test]
fn the_units_satisfy_systemd() {
    let Some(machine) = guarded("verify") else { return };
    let templates = ["redis-port-yield@.service", "redis-port-wait@.service"];
    let units = [BLOCK, NOTICE, CHECK, TIMER].into_iter().chain(templates);
    let paths: Vec<String> = units.map(|unit| format!("/etc/systemd/system/{unit}")).collect();
    let mut command = vec!["systemd-analyze", "verify"];
    command.extend(paths.iter().map(String::as_str));
    let said = machine.run(&command);
    assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), (0, "", ""));
}

#[test]
fn the_sandbox_lets_legacy_iptables_work_from_boot_on() {
    let Some(mut machine) = host("legacy") else { return };
    for (tool, legacy) in [("iptables", "iptables-legacy"), ("ip6tables", "ip6tables-legacy")] {
        let legacy = format!("/usr/sbin/{legacy}");
        machine.run(&["update-alternatives", "--set", tool, &legacy]).ok();
    }
    note_calls(&machine, "modprobe");
    redisguard(&machine, &["apply"]).ok();
    let rules = machine.iptables_save();
    assert!(rules.contains("iptables-legacy: ") && !rules.contains("iptables-nft: "), "{rules}");
    // The kernel of a machine in a container has no modules; that they are asked for can be seen.
    assert_eq!(machine.read_file("/run/modprobe-calls"), "-abq ip_tables ip6_tables\n");

    machine.reboot();
    assert_eq!(machine.iptables_save(), rules);
    machine.run(&["iptables", "-F", "INPUT"]).ok();
    machine.run(&["systemctl", "start", CHECK]).ok();
    assert_eq!(machine.iptables_save(), rules);
    assert_clean(&machine);
    assert_eq!(complaints(&machine), "");
}

#[test]
fn the_sandbox_lets_nft_work_and_loads_no_module_of_legacy_iptables() {
    let Some(mut machine) = host("shelter") else { return };
    note_calls(&machine, "modprobe");
    redisguard(&machine, &["apply"]).ok();
    machine.reboot();
    assert_clean(&machine);
    assert_eq!(complaints(&machine), "");
    machine.run(&["test", "!", "-e", "/run/modprobe-calls"]).ok();

    let table = "/usr/sbin/nft add table inet shelter";
    let drop_in = format!("[Service]\nExecStart=\nExecStart={table}\n");
    machine.write_file(&format!("/run/systemd/system/{CHECK}.d/nft.conf"), drop_in);
    machine.run(&["systemctl", "daemon-reload"]).ok();
    machine.run(&["systemctl", "start", CHECK]).ok();
    let tables = machine.run(&["nft", "list", "tables"]).stdout;
    assert!(tables.contains("table inet shelter"), "{tables}");
}
