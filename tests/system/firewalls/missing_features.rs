//! Hosts without IPv6, or without iptables, are guarded with what they have.

use super::*;
use support::machine::ADDRESSES;

/// What the neighbour meets over IPv4.
#[track_caller]
fn assert_shut_over_ipv4(machine: &Machine) {
    for port in [6379, 6380] {
        assert_eq!(machine.meets(port)[0], Outcome::Silence, "port {port}");
    }
    assert!(ping(machine, 6379).starts_with("PORTCLOSED 6379"), "{}", ping(machine, 6379));
}

#[test]
fn a_host_with_ipv6_switched_off_is_guarded_for_when_it_is_on() {
    let Some(mut machine) = host("ipv6-off") else { return };
    machine.write_file("/etc/sysctl.d/10-no-ipv6.conf", "net.ipv6.conf.all.disable_ipv6 = 1\n");
    sh(&machine, "sysctl -q -p /etc/sysctl.d/10-no-ipv6.conf");
    let before = look(&machine);
    redisguard(&machine, &["apply"]).ok();
    redisguard(&machine, &["status"]).ok();
    assert_shut_over_ipv4(&machine);
    machine.reboot();
    redisguard(&machine, &["status"]).ok();
    assert_shut_over_ipv4(&machine);
    assert_eq!(json(&machine, 0, &["apply"])["changed"], false);
    assert!(machine.iptables_save().contains("ip6tables-nft: -A REDISGUARD-IN"));

    // Nobody needs to do anything when it comes back.
    sh(
        &machine,
        &format!(
            "sysctl -q -w net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.eth0.disable_ipv6=0
             ip addr add {}/64 dev eth0 nodad",
            ADDRESSES[1]
        ),
    );
    assert_guards(&machine);
    sh(&machine, "sysctl -q -p /etc/sysctl.d/10-no-ipv6.conf");
    redisguard(&machine, &["remove"]).ok();
    assert_unchanged(&machine, &before);
}

/// How a service of systemd sees a kernel without IPv6: no sockets of that kind, no list of its
/// addresses. All else in that directory is missing too, which nothing here needs.
const KERNEL: [&str; 2] =
    ["RestrictAddressFamilies=~AF_INET6", "TemporaryFileSystem=/proc/self/net"];
/// What ip6tables says there.
const REFUSAL: &str = "#!/bin/sh
echo \"can't initialize ip6tables table: Address family not supported by protocol\" >&2
exit 3
";

/// Runs a verb as on a kernel without IPv6.
fn without_ipv6(machine: &Machine, arguments: &[&str]) -> Output {
    let mut command = vec!["systemd-run", "--quiet", "--wait", "--pipe"];
    for property in KERNEL {
        command.extend(["--property", property]);
    }
    command.push(PROGRAM);
    command.extend(arguments);
    machine.run(&command)
}

#[test]
fn a_kernel_without_ipv6_is_guarded_for_what_it_has() {
    let Some(mut machine) = host("no-ipv6") else { return };
    for name in [BLOCK, CHECK, NOTICE] {
        let settings = format!("[Service]\n{}\n", KERNEL.join("\n"));
        machine.write_file(&format!("/etc/systemd/system/{name}.d/kernel.conf"), settings);
    }
    for program in ["ip6tables", "ip6tables-save", "ip6tables-restore"] {
        machine.write_file(&format!("/usr/local/sbin/{program}"), REFUSAL);
        machine.run(&["chmod", "755", &format!("/usr/local/sbin/{program}")]).ok();
    }
    let before = look(&machine);
    let words = "this kernel has no IPv6";
    let applied = without_ipv6(&machine, &["apply"]).ok();
    assert!(applied.contains(words), "{applied}");
    for booted in [false, true] {
        if booted {
            machine.reboot();
        }
        let status = without_ipv6(&machine, &["status"]).ended(1);
        assert!(status.contains(words) && !status.contains("IPv6  "), "{status}");
        // What this test has made of the units, and no more.
        assert!(status.starts_with("BLOCKED: "), "{status}");
        let changed = status.matches(" is changed by").count();
        assert!(changed >= 3, "{status}");
        assert_eq!(changed, status.matches(".d/kernel.conf").count(), "{status}");
        assert_shut_over_ipv4(&machine);
        assert!(!machine.iptables_save().contains("ip6tables"));
    }
    sh(&machine, "iptables -F");
    check(&machine);
    assert_shut_over_ipv4(&machine);
    without_ipv6(&machine, &["remove"]).ok();
    assert_unchanged(&machine, &before);
}

/// Takes every program of iptables away, as on a host that never had them.
fn without_iptables(machine: &Machine) {
    sh(
        machine,
        "mkdir /root/away; mv /usr/sbin/ip*tables* /usr/sbin/xtables-* /root/away
         ! command -v iptables; ! command -v ip6tables-restore; command -v nft",
    );
}

#[test]
fn a_host_without_iptables_is_guarded_by_nft() {
    let Some(mut machine) = host("no-iptables") else { return };
    without_iptables(&machine);
    machine.write_file("/etc/nftables.conf", nftables_service::OWN);
    sh(&machine, "systemctl --quiet enable --now nftables");
    serve(&machine, 7000);
    let before = look(&machine);

    redisguard(&machine, &["apply"]).ok();
    assert_clean(&machine);
    assert_open(&machine, 7000);
    assert!(nft_rules(&machine).contains("table inet redisguard"));
    assert_eq!(machine.iptables_save(), "");
    for damage in [
        "nft -f /etc/nftables.conf",
        "nft delete table inet redisguard",
        "nft flush chain inet redisguard rg_input",
    ] {
        sh(&machine, damage);
        is_fixed(&machine, &["rules"]);
    }
    machine.reboot();
    assert_clean(&machine);
    redisguard(&machine, &["remove"]).ok();
    assert_unchanged(&machine, &before);

    for (external, wanted) in [("reject", Outcome::Refused), ("drop", Outcome::Silence)] {
        apply(&machine, external);
        assert_eq!(machine.meets(6379), [wanted.clone(), wanted], "{external}");
    }
    sh(&machine, "systemctl disable --now --quiet nftables");
    apply(&machine, "notice");
    assert_told(&machine);
    sh(&machine, "systemctl enable --now --quiet nftables");
    redisguard(&machine, &["remove"]).ok();
    assert_unchanged(&machine, &before);
}
