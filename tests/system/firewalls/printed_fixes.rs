//! A printed fix is followed as it is, and fixes: outsiders are told, now and after a restart, and every table can
//! still be listed by what loads it.

use super::*;
use nftables_service::OWN;

/// The fixes that `status` prints, which must be whole lines; `plan` prints the same.
#[track_caller]
fn printed(machine: &Machine) -> Vec<String> {
    let fixes = |text: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.trim().strip_prefix("fix: "));
        lines.map(str::to_owned).collect()
    };
    let status = redisguard(machine, &["status"]).ended(1);
    assert_says(&status, &["outsiders are stopped before they are told"]);
    let plan = redisguard(machine, &["--bundle", BUNDLE, "plan"]);
    // In one line, for all tables.
    assert_eq!(fixes(&status), [fixes(&plan.stderr).join(" && ")], "{status}\n{}", plan.stderr);
    fixes(&status)
}

/// Pastes each printed fix into a shell. Returns them.
#[track_caller]
fn follow(machine: &Machine) -> String {
    let fixes = printed(machine);
    for fix in &fixes {
        sh(machine, fix);
    }
    fixes.join("\n")
}

/// Outsiders are told, at no other port than before, and nothing is found.
#[track_caller]
fn assert_fixed(machine: &Machine) {
    assert_told(machine);
    assert_shut(machine, &[9]);
    for met in machine.meets(63790) {
        assert!(!matches!(met, Outcome::Served(_) | Outcome::Notice(_)), "{met:?}");
    }
    redisguard(machine, &["status"]).ok();
    let plan = redisguard(machine, &["--bundle", BUNDLE, "plan"]);
    assert_eq!(plan.code, 0, "{plan:?}");
    assert!(!plan.stderr.contains("outsiders are stopped"), "{}", plan.stderr);
}

/// What iptables-save lists of both families, which must be all that was there, and the fix.
#[track_caller]
fn assert_listed(machine: &Machine, before: &str) {
    let now = machine.iptables_save();
    assert!(!now.contains("incompatible"), "{now}");
    let gone: Vec<&str> = before.lines().filter(|line| !now.contains(line)).collect();
    assert!(gone.is_empty(), "gone: {gone:#?}\n{now}");
}

/// Rules of iptables that drop what they do not name.
const DROPS: &str = "for tool in iptables ip6tables; do
        $tool -A INPUT -i lo -j ACCEPT
        $tool -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
        $tool -A INPUT -p tcp -m multiport --dports 22,7000 -j ACCEPT
        $tool -P INPUT DROP
    done
    ip6tables -I INPUT -p ipv6-icmp -j ACCEPT";

#[test]
fn rules_of_iptables_stay_listed_when_the_fix_is_followed() {
    let Some(mut machine) = host("fix-iptables") else { return };
    sh(&machine, DROPS);
    // As iptables-persistent does: neither saves what is added later.
    sh(
        &machine,
        "mkdir -p /etc/iptables; iptables-save >/etc/iptables/rules.v4
                  ip6tables-save >/etc/iptables/rules.v6",
    );
    write_stand_in_for_netfilter_persistent(&machine);
    sh(&machine, "systemctl --quiet enable --now netfilter-persistent");
    apply_by(&machine, "nftables", "notice");
    assert_shut(&machine, &[6379, 6380]);
    let before = machine.iptables_save();
    let fixes = follow(&machine);
    assert!(fixes.contains("iptables -I INPUT ") && fixes.contains("rules.v6"), "{fixes}");
    assert_listed(&machine, &before);
    assert_fixed(&machine);
    sh(&machine, "systemctl restart netfilter-persistent");
    check(&machine);
    assert_listed(&machine, &before);
    assert_fixed(&machine);
    machine.reboot();
    assert_listed(&machine, &before);
    assert_fixed(&machine);
}

#[test]
fn rules_of_legacy_iptables_that_stop_outsiders_are_seen_and_fixed() {
    let Some(machine) = host("fix-legacy") else { return };
    sh(
        &machine,
        &DROPS.replace("$tool", "$tool-legacy").replace("ip6tables -I", "ip6tables-legacy -I"),
    );
    apply_by(&machine, "nftables", "notice");
    assert_shut(&machine, &[6379, 6380]);
    let before = machine.iptables_save();
    let fixes = follow(&machine);
    assert!(fixes.contains("ip6tables-legacy -I INPUT "), "{fixes}");
    assert_listed(&machine, &before);
    assert_fixed(&machine);
}

#[test]
fn a_table_that_redisguard_shares_is_no_obstacle_but_one_behind_it_is() {
    let Some(machine) = host("fix-mangle") else { return };
    sh(&machine, DROPS);
    apply(&machine, "notice");
    assert_told(&machine);
    redisguard(&machine, &["status"]).ok();
    for tool in ["iptables", "ip6tables"] {
        sh(
            &machine,
            &format!(
                "{tool} -t mangle -A INPUT ! -i lo -p tcp --dport 1024: -m conntrack --ctstate NEW -j DROP"
            ),
        );
    }
    for met in [machine.meets(6379), machine.meets(6380)].concat() {
        assert_eq!(met, Outcome::Silence);
    }
    let before = machine.iptables_save();
    let fixes = follow(&machine);
    assert!(fixes.contains("iptables -t mangle -I INPUT "), "{fixes}");
    assert_listed(&machine, &before);
    assert_fixed(&machine);
}

#[test]
fn ufw_keeps_the_fix_over_reloads_and_reboots() {
    let Some(mut machine) = host("fix-ufw") else { return };
    sh(
        &machine,
        "ufw --force enable; ufw deny proto tcp from any; systemctl --quiet enable --now ufw",
    );
    apply_by(&machine, "nftables", "notice");
    assert_shut(&machine, &[6379, 6380]);
    let before = machine.iptables_save();
    let fixes = follow(&machine);
    assert_eq!(fixes, "ufw prepend allow 63790/tcp");
    assert_listed(&machine, &before);
    for act in ["true", "ufw reload", "systemctl restart ufw"] {
        sh(&machine, act);
        assert_fixed(&machine);
    }
    machine.reboot();
    assert_fixed(&machine);
}

#[test]
fn nftables_service_keeps_the_fix_over_reloads_and_reboots() {
    let Some(mut machine) = host("fix-nftables") else { return };
    // In a file that another one includes, and without an end of the last line.
    machine.write_file("/etc/nftables.d/own.nft", OWN.replace("flush ruleset\n", ""));
    let main =
        "#!/usr/sbin/nft -f\nflush ruleset\ninclude \"/etc/nftables.d/*.nft\"\ntable inet mine { }";
    machine.write_file("/etc/nftables.conf", main);
    sh(&machine, "systemctl --quiet enable --now nftables");
    apply(&machine, "notice");
    assert_shut(&machine, &[6379, 6380]);
    let fixes = follow(&machine);
    assert!(fixes.contains("nft insert rule inet filter input ct status dnat"), "{fixes}");
    assert_fixed(&machine);
    for act in ["systemctl reload nftables", "systemctl restart nftables"] {
        sh(&machine, act);
        check(&machine);
        assert_fixed(&machine);
    }
    machine.reboot();
    assert_fixed(&machine);
}

#[test]
fn a_table_of_nft_by_the_name_of_iptables_stays_listed() {
    let Some(mut machine) = host("fix-shared-name") else { return };
    let chain = "chain INPUT {\n type filter hook input priority filter; policy drop;\n iifname \"lo\" accept\n\
                 icmpv6 type != 1 accept\n }\n}\n";
    let text = format!("flush ruleset\ntable ip filter {{\n {chain}table ip6 filter {{\n {chain}")
        .replacen("icmpv6 type != 1 accept\n", "", 1);
    machine.write_file("/etc/nftables.conf", text);
    sh(&machine, "systemctl --quiet enable --now nftables");
    apply_by(&machine, "nftables", "notice");
    let readable = !machine.iptables_save().contains("incompatible");
    follow(&machine);
    assert_told(&machine);
    redisguard(&machine, &["status"]).ok();
    assert_eq!(!machine.iptables_save().contains("incompatible"), readable);
    machine.reboot();
    assert_eq!(!machine.iptables_save().contains("incompatible"), readable);
}

#[test]
fn firewalld_keeps_the_fix_in_every_zone_over_reloads_and_reboots() {
    let Some(mut machine) = host("fix-firewalld") else { return };
    sh(
        &machine,
        "systemctl --quiet enable --now firewalld
         firewall-cmd --quiet --permanent --zone=internal --add-interface=eth0
         firewall-cmd --quiet --permanent --zone=internal --remove-forward
         firewall-cmd --quiet --reload",
    );
    apply_by(&machine, "nftables", "notice");
    // What later versions leave out with StrictForwardPorts=yes; this one does not know it yet.
    let strict = "chain='inet firewalld filter_INPUT'
         handle=$(nft --handle list chain $chain | sed -n 's/.*ct status dnat accept # handle //p')
         nft delete rule $chain handle $handle";
    sh(&machine, strict);
    let fixes = follow(&machine);
    assert!(fixes.contains("--zone=internal") && fixes.contains("--zone=public"), "{fixes}");
    let holds = |machine: &Machine| {
        assert_told(machine);
        redisguard(machine, &["status"]).ok();
    };
    holds(&machine);
    sh(&machine, "firewall-cmd --reload");
    sh(&machine, strict);
    holds(&machine);
    machine.reboot();
    sh(&machine, strict);
    holds(&machine);
}
