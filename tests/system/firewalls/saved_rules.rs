//! Copies of redisguard's rules that somebody saved are named before they come back at boot, with a fix that fixes.

use super::*;

/// Saves all rules of iptables where netfilter-persistent loads them at boot.
fn save_by_iptables(machine: &Machine) {
    write_stand_in_for_netfilter_persistent(machine);
    sh(
        machine,
        "systemctl --quiet enable netfilter-persistent; mkdir -p /etc/iptables
         iptables-save >/etc/iptables/rules.v4; ip6tables-save >/etc/iptables/rules.v6",
    );
}

/// The printed fixes for these files, of which there are so many; each file must be named.
#[track_caller]
fn fixes(text: &str, files: &[&str], count: usize) -> Vec<String> {
    for file in files {
        assert!(
            text.contains(&format!("{file} holds ")) || text.contains(&format!("{file}:\n")),
            "{text}"
        );
    }
    let fixes = text.lines().filter_map(|line| line.trim().strip_prefix("fix: "));
    let fixes: Vec<String> = fixes.map(str::to_owned).collect();
    assert_eq!(fixes.len(), count, "{text}");
    fixes
}

/// Removes redisguard, which names the files. They close the ports again at boot until the printed fixes are followed.
#[track_caller]
fn comes_back_until_fixed(machine: &mut Machine, files: &[&str]) {
    let said = redisguard(machine, &["remove", "--dry-run"]);
    assert_eq!(said.code, 1, "{said:?}");
    fixes(&said.stderr, files, files.len());
    let said = redisguard(machine, &["remove"]);
    assert_eq!(said.code, 0, "{said:?}");
    fixes(&said.stderr, files, files.len());
    serve(machine, 6379);
    assert_open(machine, 6379);
    machine.reboot();
    serve(machine, 6379);
    assert_shut(machine, &[6379, 6380]);
    let status = redisguard(machine, &["status"]).ended(1);
    // One command for all of them.
    for fix in fixes(&status, files, 1) {
        sh(machine, &fix);
    }
    // What the file has loaded is redisguard's, too.
    redisguard(machine, &["remove"]).ok();
    assert_open(machine, 6379);
    machine.reboot();
    serve(machine, 6379);
    assert_open(machine, 6379);
    let said = redisguard(machine, &["remove"]);
    assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{said:?}");
    assert_eq!(redisguard(machine, &["status"]).stderr, "");
}

#[test]
fn rules_that_iptables_persistent_has_saved_are_named_and_the_fix_takes_them_out() {
    let Some(mut machine) = host("saved-iptables") else { return };
    sh(&machine, "iptables -A INPUT -p udp --dport 9 -j DROP");
    redisguard(&machine, &["apply"]).ok();
    save_by_iptables(&machine);
    let files = ["/etc/iptables/rules.v4", "/etc/iptables/rules.v6"];
    // Of the applied bundle they change nothing, also at boot.
    for verb in [&["status"][..], &["plan"], &["apply"]] {
        let said = redisguard(&machine, verb);
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(said.stderr.matches("note: /etc/iptables/rules.v").count(), 2, "{said:?}");
    }
    machine.reboot();
    check(&machine);
    assert_clean(&machine);
    // Of another one they are a finding.
    apply_by(&machine, "iptables", "reject");
    let status = json(&machine, 1, &["status"]);
    let findings = status["findings"].as_array().unwrap();
    assert_eq!(
        (findings.len(), &status["healthy"], &status["in_sync"]),
        (2, &true.into(), &true.into())
    );
    for (finding, file) in findings.iter().zip(files) {
        assert_eq!(
            (&finding["kind"], &finding["target"]),
            (&"others".into(), &file.into()),
            "{status:#}"
        );
        assert!(finding["detail"].as_str().unwrap().starts_with("holds a copy"), "{status:#}");
    }
    redisguard(&machine, &["apply"]).ok();
    comes_back_until_fixed(&mut machine, &files);
    assert!(machine.iptables_save().contains("--dport 9 -j DROP"));
}

#[test]
fn a_saved_ruleset_of_nft_is_named_and_the_fix_takes_redisguards_table_out() {
    let Some(mut machine) = host("saved-nft") else { return };
    sh(&machine, "nft add table inet mine; systemctl --quiet enable nftables");
    apply_by(&machine, "nftables", "drop");
    sh(
        &machine,
        "{ echo 'flush ruleset'; nft list ruleset; } >/etc/nftables.d.all
                  printf 'include \"/etc/nftables.d.*\"\n' >/etc/nftables.conf",
    );
    redisguard(&machine, &["status"]).ok();
    comes_back_until_fixed(&mut machine, &["/etc/nftables.d.all"]);
    assert!(
        nft_rules(&machine).is_empty()
            && machine.beside(&["nft", "list", "table", "inet", "mine"]).code == 0
    );
    machine.run(&["systemctl", "is-active", "nftables"]).ok();
}

#[test]
fn rules_of_iptables_in_a_ruleset_of_nft_are_named_and_the_file_can_be_loaded_again() {
    let Some(mut machine) = host("saved-mixed") else { return };
    sh(&machine, "nft add table inet mine; systemctl --quiet enable nftables");
    redisguard(&machine, &["apply"]).ok();
    sh(&machine, "{ echo 'flush ruleset'; nft list ruleset; } >/etc/nftables.conf");
    let load = ["nft", "--check", "--file", "/etc/nftables.conf"];
    assert_eq!(machine.run(&load).code, 1);
    let status = json(&machine, 1, &["status"]);
    assert_eq!(status["findings"][0]["target"], "/etc/nftables.conf", "{status:#}");
    let detail = status["findings"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("the whole file may not be loaded at boot"), "{detail}");
    for fix in fixes(&redisguard(&machine, &["remove"]).stderr, &["/etc/nftables.conf"], 1) {
        sh(&machine, &fix);
    }
    machine.run(&load).ok();
    machine.reboot();
    machine.run(&["systemctl", "is-active", "nftables"]).ok();
    assert!(machine.beside(&["nft", "list", "table", "inet", "mine"]).code == 0);
    assert!(!nft_rules(&machine).contains("REDISGUARD"));
}

#[test]
fn rules_in_files_of_ufw_are_named_and_taken_out() {
    let Some(mut machine) = host("saved-ufw") else { return };
    sh(&machine, "ufw --force enable; ufw allow 6379; systemctl --quiet enable --now ufw");
    redisguard(&machine, &["apply"]).ok();
    let rules = ":REDISGUARD-IN - [0:0]\n\
         -A REDISGUARD-IN -p tcp -m comment --comment \"redisguard:6379:drop x\" -j DROP\n\
         -I INPUT -p tcp -m multiport --dports 6379,6380 -m comment --comment \"redisguard:0123456789ab\" \
         -j REDISGUARD-IN\n";
    machine.write_file("/root/rules", rules);
    sh(
        &machine,
        "sed -i '/^COMMIT/e cat /root/rules' /etc/ufw/before.rules /etc/ufw/before6.rules",
    );
    comes_back_until_fixed(&mut machine, &["/etc/ufw/before.rules", "/etc/ufw/before6.rules"]);
    assert!(sh(&machine, "ufw status").contains("Status: active"));
}
