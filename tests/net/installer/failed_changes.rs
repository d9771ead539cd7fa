//! A step that fails is rolled back, and a damaged host stays blocked.

use super::{OTHER, able, bundle, status};
use crate::support::namespace::Host;
use crate::support::{INSTALL, assert_same, told};
use std::process::Command;

#[test]
fn whatever_is_damaged_a_host_boots_guarded_and_says_so() {
    if !able() {
        return;
    }
    for (damage, said) in [
        (": > /var/lib/redisguard/receipt.json", "the last good rules guard the ports"),
        ("echo '{' > /var/lib/redisguard/receipt.json", "move it away and apply again"),
        ("rm /var/lib/redisguard/receipt.json", "the last good rules guard the ports"),
        ("rm /etc/redisguard/rules.v4", "the last good rules guard the ports"),
        ("rm -r /var/lib/redisguard", "the installed rules guard the ports, unverified"),
    ] {
        let host = Host::new();
        host.install(&["apply"]);
        let good = host.rules();
        host.sh(&format!("{damage}; nft flush ruleset"));
        let output = host.install(&["rules", "load"]);
        assert_eq!(status(&output), 2, "{damage}: {}", told(&output));
        assert!(told(&output).contains(said), "{damage}: {}", told(&output));
        assert_eq!(host.rules(), good, "{damage}");
    }
    let host = Host::new();
    let output = host.install(&["rules", "load"]);
    assert!(told(&output).contains("nothing is installed"), "{}", told(&output));
}

#[test]
fn a_removal_that_fails_leaves_the_ports_shut_and_can_be_run_again() {
    if !able() {
        return;
    }
    let host = Host::new();
    host.install(&["apply"]);
    let before = host.rules();
    host.sh(
        "mount --bind /etc/redisguard /etc/redisguard; mount -o remount,ro,bind /etc/redisguard",
    );
    let output = host.install(&["remove"]);
    assert_eq!(status(&output), 2, "{}", told(&output));
    assert!(told(&output).contains("the rules still guard the ports"), "{}", told(&output));
    assert_eq!(host.rules(), before);
    host.sh("umount /etc/redisguard");
    assert_eq!(status(&host.install(&["remove"])), 0);
    assert!(!host.has("/etc/redisguard") && !host.has("/var/lib/redisguard"));
}

#[test]
fn a_removal_that_fails_claims_no_guard_that_is_not_there() {
    if !able() {
        return;
    }
    let host = Host::new();
    host.install(&["apply"]);
    host.sh("nft flush ruleset; mount --bind /etc/redisguard /etc/redisguard
             mount -o remount,ro,bind /etc/redisguard");
    let said = told(&host.install(&["remove"]));
    assert!(said.contains("no rules guard the ports"), "{said}");
    // iptables cannot be asked: nobody knows.
    host.sh("printf '#!/bin/sh\\nexit 1\\n' > /usr/local/sbin/iptables-save
             chmod 755 /usr/local/sbin/iptables-save");
    let said = told(&host.install(&["remove"]));
    assert!(said.contains("error: ") && !said.contains("guard the ports"), "{said}");
    // An offline tree has no rules.
    host.sh("rm /usr/local/sbin/iptables-save; mkdir /run/tree");
    assert_eq!(status(&host.install(&["--root", "/run/tree", "apply"])), 0);
    host.sh("mount --bind /run/tree/etc/redisguard /run/tree/etc/redisguard
             mount -o remount,ro,bind /run/tree/etc/redisguard");
    let said = told(&host.install(&["--root", "/run/tree", "remove"]));
    assert!(said.contains("error: ") && !said.contains("guard the ports"), "{said}");
}

#[test]
fn what_a_kill_left_before_there_was_a_receipt_is_removed_whatever_it_is() {
    if !able() {
        return;
    }
    for left in ["", "touch /var/lib/redisguard/.receipt.json.Xy1.redisguard~"] {
        let host = Host::new();
        let before = host.changed_files();
        host.sh(&format!("mkdir /var/lib/redisguard; {left}"));
        assert_eq!(status(&host.install(&["remove", "--dry-run"])), 1, "{left}");
        let removed = host.install(&["remove"]);
        assert_eq!(status(&removed), 0, "{left}: {}", told(&removed));
        assert!(!host.has("/var/lib/redisguard"), "{left}: {}", told(&removed));
        assert_same(&host.changed_files(), &before, left);
        let again = told(&host.install(&["remove"]));
        assert!(again.contains("nothing to remove"), "{left}: {again}");
    }
    // What is somebody else's stays.
    let host = Host::new();
    host.sh("mkdir /var/lib/redisguard; touch /var/lib/redisguard/theirs");
    assert!(told(&host.install(&["remove"])).contains("nothing to remove"));
    assert!(host.has("/var/lib/redisguard/theirs"));
}

#[test]
fn installed_rules_that_were_tampered_with_are_not_loaded() {
    if !able() {
        return;
    }
    let host = Host::new();
    host.install(&["apply"]);
    let good = host.rules();
    host.sh("sed -i 's/-j DROP/-j ACCEPT/' /etc/redisguard/rules.v4; iptables -F; iptables -X; ip6tables -F");
    let output = host.install(&["rules", "load"]);
    assert_eq!(status(&output), 2);
    assert!(
        told(&output).contains("/etc/redisguard/rules.v4 is not what was applied"),
        "{}",
        told(&output)
    );
    assert!(told(&output).contains("the last good rules guard the ports"), "{}", told(&output));
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
        assert_eq!(status(&output), 2, "{what}: {}", told(&output));
        assert!(told(&output).contains(named), "{what}: {}", told(&output));
        assert_same(&(host.rules(), host.changed_files()), &before, what);
        assert!(!host.has("/var/lib/redisguard"), "{what}");
    }
}

#[test]
fn a_load_that_fails_between_two_tables_is_taken_back() {
    if !able() {
        return;
    }
    let host = Host::new();
    host.install(&["apply"]);
    let other = bundle(OTHER);
    host.copy_in(&other.path().join("generated"), "/run/other");
    let before = host.rules();
    // Loads the first table for real, and fails, once: not where the rules are only tried.
    host.sh(r#"real=$(command -v ip6tables-restore)
        cat > /usr/local/sbin/ip6tables-restore <<END
#!/bin/sh
[ "\$(readlink /proc/self/ns/net)" = "\$(readlink /proc/\$PPID/ns/net)" ] || exec $real "\$@"
[ -e /run/failed ] && exec $real "\$@"
touch /run/failed
sed '/^COMMIT/q' | $real "\$@"
echo 'no such target' >&2
exit 1
END
        chmod 755 /usr/local/sbin/ip6tables-restore"#);
    let output = host.install(&["--bundle", "/run/other", "rules", "load"]);
    assert_eq!(status(&output), 2, "{}", told(&output));
    assert!(
        told(&output).contains("no such target") && host.has("/run/failed"),
        "{}",
        told(&output)
    );
    assert_eq!(host.rules(), before);
}

#[test]
fn a_bundle_that_is_not_whole_is_refused() {
    let folder = bundle(OTHER);
    let generated = folder.path().join("generated");
    let refused = |named: &str| {
        let output =
            Command::new(INSTALL).arg("--bundle").arg(&generated).arg("plan").output().unwrap();
        assert_eq!(status(&output), 2);
        assert!(told(&output).contains(named), "{}", told(&output));
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
fn rules_that_are_not_those_that_were_reviewed_are_not_loaded() {
    if !able() {
        return;
    }
    let host = Host::new();
    let before = host.rules();
    host.copy_in(&bundle(OTHER).path().join("generated"), "/run/bundle");
    let load = || host.install(&["--bundle", "/run/bundle", "rules", "load"]);
    for (damage, named, mend) in [
        ("echo >> rules.v4", "host/etc/redisguard/rules.v4 was altered", "sed -i '$d' rules.v4"),
        ("mv guard.toml /run", "host/etc/redisguard/guard.toml is missing", "mv /run/guard.toml ."),
        ("touch more", "host/etc/redisguard/more is not listed in SHA256SUMS", "rm more"),
    ] {
        host.sh(&format!("cd /run/bundle/host/etc/redisguard; {damage}"));
        let output = load();
        assert_eq!(status(&output), 2, "{damage}: {}", told(&output));
        assert!(told(&output).contains(named), "{}", told(&output));
        assert_eq!(host.rules(), before, "{damage}");
        host.sh(&format!("cd /run/bundle/host/etc/redisguard; {mend}"));
    }
    // What loads no rules keeps none from being loaded.
    host.sh("rm -r /run/bundle/man");
    assert_eq!(status(&load()), 0, "{}", told(&load()));
    assert_ne!(host.rules(), before);
}

#[test]
fn a_host_without_iptables_and_a_user_without_rights_are_told_what_to_do() {
    if !able() {
        return;
    }
    let empty = tempfile::tempdir().unwrap();
    let path = format!("PATH={}", empty.path().display());
    let host = Host::new();
    let output = host.command("env").arg(path).args([INSTALL, "apply"]).output().unwrap();
    assert_eq!(status(&output), 2, "{}", told(&output));
    assert!(told(&output).contains("apt-get install iptables"), "{}", told(&output));
    let as_nobody =
        ["--reuid", "65534", "--regid", "65534", "--clear-groups", "/run/install", "apply"];
    host.sh(&format!("cp {INSTALL} /run/install && chmod 755 /run /run/install"));
    let output = host.run("setpriv", &as_nobody);
    assert_eq!(status(&output), 2, "{}", told(&output));
    assert!(told(&output).contains("run it as root"), "{}", told(&output));
    assert!(!host.has("/etc/redisguard") && !host.has("/var/lib/redisguard"));
}
