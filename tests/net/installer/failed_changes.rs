//! A step that fails is rolled back, and a damaged host stays blocked.

use super::{OTHER, able, assert_contains, bundle, exit_status, install, new_host};
use crate::support::namespace::Host;
use crate::support::{INSTALL, assert_same, transcript};
use std::process::Command;

#[test]
fn a_damaged_host_boots_guarded_and_reports_the_damage() {
    if !able() {
        return;
    }
    for (damage, said) in [
        (": > /var/lib/redisguard/receipt.json", "the last good rules guard the ports"),
        (
            "echo '{' > /var/lib/redisguard/receipt.json",
            "status prints the command that repairs it",
        ),
        ("rm /var/lib/redisguard/receipt.json", "the last good rules guard the ports"),
        ("rm /etc/redisguard/rules.v4", "the last good rules guard the ports"),
        ("rm -r /var/lib/redisguard", "the installed rules guard the ports, unverified"),
    ] {
        let host = Host::new();
        host.install(&["apply"]);
        let good = host.rules();
        host.sh(&format!("{damage}; nft flush ruleset"));
        let output = host.install(&["rules", "load"]);
        assert_eq!(exit_status(&output), 2, "{damage}: {}", transcript(&output));
        assert!(transcript(&output).contains(said), "{damage}: {}", transcript(&output));
        assert_eq!(host.rules(), good, "{damage}");
    }
    let host = Host::new();
    let output = host.install(&["rules", "load"]);
    assert_contains(&output, "nothing is installed");
}

#[test]
fn a_failed_removal_leaves_the_ports_blocked_and_can_be_repeated() {
    let Some(host) = new_host() else { return };
    host.install(&["apply"]);
    let before = host.rules();
    host.sh(
        "mount --bind /etc/redisguard /etc/redisguard; mount -o remount,ro,bind /etc/redisguard",
    );
    assert_contains(&install(&host, &["remove"], 2), "the rules still guard the ports");
    assert_eq!(host.rules(), before);
    host.sh("umount /etc/redisguard");
    install(&host, &["remove"], 0);
    assert!(!host.has("/etc/redisguard") && !host.has("/var/lib/redisguard"));
}

#[test]
fn a_failed_removal_claims_no_missing_guard() {
    let Some(host) = new_host() else { return };
    host.install(&["apply"]);
    host.sh("nft flush ruleset; mount --bind /etc/redisguard /etc/redisguard
             mount -o remount,ro,bind /etc/redisguard");
    let said = transcript(&host.install(&["remove"]));
    assert!(said.contains("no rules guard the ports"), "{said}");
    // iptables cannot be asked, but there is no table.
    host.sh("printf '#!/bin/sh\\nexit 1\\n' > /usr/local/sbin/iptables-save
             chmod 755 /usr/local/sbin/iptables-save");
    let said = transcript(&host.install(&["remove"]));
    assert!(said.contains("no rules guard the ports"), "{said}");
    // There is one, and nft cannot be asked either: nobody knows.
    host.sh("nft 'add table ip filter; add chain ip filter REDISGUARD-IN'
             cp /usr/local/sbin/iptables-save /usr/local/sbin/nft");
    let said = transcript(&host.install(&["remove"]));
    assert!(said.contains("error: ") && !said.contains("guard the ports"), "{said}");
    // An offline tree has no rules.
    host.sh("rm /usr/local/sbin/iptables-save /usr/local/sbin/nft; mkdir /run/tree");
    install(&host, &["--root", "/run/tree", "apply"], 0);
    host.sh("mount --bind /run/tree/etc/redisguard /run/tree/etc/redisguard
             mount -o remount,ro,bind /run/tree/etc/redisguard");
    let said = transcript(&host.install(&["--root", "/run/tree", "remove"]));
    assert!(said.contains("error: ") && !said.contains("guard the ports"), "{said}");
}

#[test]
fn leftovers_of_an_apply_killed_before_its_receipt_are_removed() {
    if !able() {
        return;
    }
    for left in ["", "touch /var/lib/redisguard/.receipt.json.Xy1.redisguard~"] {
        let host = Host::new();
        let before = host.changed_files();
        host.sh(&format!("mkdir /var/lib/redisguard; {left}"));
        assert_eq!(exit_status(&host.install(&["remove", "--dry-run"])), 1, "{left}");
        let removed = host.install(&["remove"]);
        assert_eq!(exit_status(&removed), 0, "{left}: {}", transcript(&removed));
        assert!(!host.has("/var/lib/redisguard"), "{left}: {}", transcript(&removed));
        assert_same(&host.changed_files(), &before, left);
        let again = transcript(&host.install(&["remove"]));
        assert!(again.contains("nothing to remove"), "{left}: {again}");
    }
    // What is somebody else's stays.
    let host = Host::new();
    host.sh("mkdir /var/lib/redisguard; touch /var/lib/redisguard/theirs");
    assert!(transcript(&host.install(&["remove"])).contains("nothing to remove"));
    assert!(host.has("/var/lib/redisguard/theirs"));
}

#[test]
fn installed_rules_that_were_tampered_with_are_not_loaded() {
    let Some(host) = new_host() else { return };
    host.install(&["apply"]);
    let good = host.rules();
    host.sh("sed -i 's/-j DROP/-j ACCEPT/' /etc/redisguard/rules.v4; iptables -F; iptables -X; ip6tables -F");
    let output = install(&host, &["rules", "load"], 2);
    assert_contains(&output, "/etc/redisguard/rules.v4 is not what was applied");
    assert_contains(&output, "the last good rules guard the ports");
    assert_eq!(host.rules(), good);
}

#[test]
fn a_failing_step_leaves_everything_as_it_was() {
    if !able() {
        return;
    }
    for (what, damage, named) in [
        (
            "a read-only folder",
            "mount --bind /etc/logrotate.d /etc/logrotate.d; mount -o remount,ro,bind /etc/logrotate.d",
            "Read-only file system",
        ),
        (
            "a full disk",
            "mount -t tmpfs -o size=16k tmpfs /etc/sysctl.d; head -c 16384 /dev/zero > /etc/sysctl.d/full || true",
            "free some space",
        ),
        (
            "no restore",
            "cd /usr/local/sbin && printf '#!/bin/sh\\necho broken >&2\\nexit 4\\n' > ip6tables-restore && chmod 755 ip6tables-restore",
            "check the IPv6 rules",
        ),
        (
            "a folder in a file's place",
            "mkdir -p /etc/redisguard/rules.v4",
            "neither a file nor a link",
        ),
    ] {
        let host = Host::new();
        host.sh(damage);
        let before = (host.rules(), host.changed_files());
        let output = host.install(&["apply"]);
        assert_eq!(exit_status(&output), 2, "{what}: {}", transcript(&output));
        assert!(transcript(&output).contains(named), "{what}: {}", transcript(&output));
        assert_same(&(host.rules(), host.changed_files()), &before, what);
        assert!(!host.has("/var/lib/redisguard"), "{what}");
    }
}

#[test]
fn a_load_that_fails_between_two_tables_is_rolled_back() {
    let Some(host) = new_host() else { return };
    host.install(&["apply"]);
    let other = bundle(OTHER);
    host.copy_in(&other.path().join("generated"), "/run/other");
    let before = host.rules();
    // Loads the first table of the other bundle for real, and fails; not where the rules are only tried.
    host.sh(r#"real=$(command -v ip6tables-restore)
        digest=$(sed -n 's/^bundle *= "\(.*\)"/\1/p' /run/other/host/etc/redisguard/guard.toml)
        cat > /usr/local/sbin/ip6tables-restore <<END
#!/bin/sh
[ "\$(readlink /proc/self/ns/net)" = "\$(readlink /proc/\$PPID/ns/net)" ] || exec $real "\$@"
cat > /run/transaction.\$\$
grep -q "^-I.*redisguard:$digest" /run/transaction.\$\$ || exec $real "\$@" < /run/transaction.\$\$
touch /run/failed
sed '/^COMMIT/q' /run/transaction.\$\$ | $real "\$@"
echo 'no such target' >&2
exit 1
END
        chmod 755 /usr/local/sbin/ip6tables-restore"#);
    let output = install(&host, &["--bundle", "/run/other", "rules", "load"], 2);
    assert!(
        transcript(&output).contains("no such target") && host.has("/run/failed"),
        "{}",
        transcript(&output)
    );
    assert_eq!(host.rules(), before);
}

#[test]
fn an_incomplete_bundle_is_refused() {
    let folder = bundle(OTHER);
    let generated = folder.path().join("generated");
    let refused = |named: &str| {
        let output =
            Command::new(INSTALL).arg("--bundle").arg(&generated).arg("plan").output().unwrap();
        assert_eq!(exit_status(&output), 2);
        assert_contains(&output, named);
    };
    std::fs::write(generated.join("host/etc/redisguard/rules.v4"), "*filter\nCOMMIT\n").unwrap();
    refused("host/etc/redisguard/rules.v4 was altered");
    std::fs::write(generated.join("extra"), "").unwrap();
    refused("extra is not listed in SHA256SUMS");
    std::fs::remove_file(generated.join("SHA256SUMS")).unwrap();
    refused("it has no SHA256SUMS");
    std::fs::remove_dir_all(&generated).unwrap();
    refused("there is no such directory");
}

#[test]
fn rules_that_differ_from_the_reviewed_bundle_are_not_loaded() {
    let Some(host) = new_host() else { return };
    let before = host.rules();
    host.copy_in(&bundle(OTHER).path().join("generated"), "/run/bundle");
    let load = || host.install(&["--bundle", "/run/bundle", "rules", "load"]);
    struct Damage {
        script: &'static str,
        error: &'static str,
        undo: &'static str,
    }
    for Damage { script, error, undo } in [
        Damage {
            script: "echo >> rules.v4",
            error: "host/etc/redisguard/rules.v4 was altered",
            undo: "sed -i '$d' rules.v4",
        },
        Damage {
            script: "mv guard.toml /run",
            error: "host/etc/redisguard/guard.toml is missing",
            undo: "mv /run/guard.toml .",
        },
        Damage {
            script: "touch more",
            error: "host/etc/redisguard/more is not listed in SHA256SUMS",
            undo: "rm more",
        },
    ] {
        host.sh(&format!("cd /run/bundle/host/etc/redisguard; {script}"));
        let output = load();
        assert_eq!(exit_status(&output), 2, "{script}: {}", transcript(&output));
        assert_contains(&output, error);
        assert_eq!(host.rules(), before, "{script}");
        host.sh(&format!("cd /run/bundle/host/etc/redisguard; {undo}"));
    }
    // What loads no rules keeps none from being loaded.
    host.sh("rm -r /run/bundle/grafana");
    assert_eq!(exit_status(&load()), 0, "{}", transcript(&load()));
    assert_ne!(host.rules(), before);
}

#[test]
fn a_missing_iptables_and_missing_rights_are_reported_with_a_fix() {
    if !able() {
        return;
    }
    let empty = tempfile::tempdir().unwrap();
    let path = format!("PATH={}", empty.path().display());
    let host = Host::new();
    let output = host.command("env").arg(path).args([INSTALL, "apply"]).output().unwrap();
    assert_eq!(exit_status(&output), 2, "{}", transcript(&output));
    assert_contains(&output, "apt-get install iptables");
    let as_nobody =
        ["--reuid", "65534", "--regid", "65534", "--clear-groups", "/run/install", "apply"];
    host.sh(&format!("cp {INSTALL} /run/install && chmod 755 /run /run/install"));
    let output = host.run("setpriv", &as_nobody);
    assert_eq!(exit_status(&output), 2, "{}", transcript(&output));
    assert_contains(&output, "run it as root");
    assert!(!host.has("/etc/redisguard") && !host.has("/var/lib/redisguard"));
}
