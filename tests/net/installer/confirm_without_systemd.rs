//! `apply --confirm` rolls back where no systemd runs, also on a full disk.

use super::failure_at_every_step::{Scene, difference, without_times};
use super::{OTHER, able, assert_contains, bundle, exit_status, install, new_host};
use crate::support::namespace::Host;
use crate::support::{INSTALL, assert_same, tools, transcript};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn a_change_is_rolled_back_without_systemd_when_its_terminal_is_gone() {
    if !able() || !tools(&["script"]) {
        return;
    }
    let host = Host::new();
    let before = (host.rules(), host.changed_files());
    let apply = format!("{INSTALL} apply --confirm 5s");
    // What is left in the session of a terminal goes with it.
    let said = host.run("script", &["--quiet", "--return", "--command", &apply, "/dev/null"]);
    assert_eq!(exit_status(&said), 0, "{}", transcript(&said));
    assert_contains(&said, "redisguard-install confirm");
    assert!(host.rules().contains("REDISGUARD-IN"));
    install(&host, &["apply"], 2);

    let started = Instant::now();
    while host.has("/var/lib/redisguard") || host.has("/etc/redisguard") {
        assert!(started.elapsed() < Duration::from_secs(90), "it is not taken back");
        thread::sleep(Duration::from_millis(50));
    }
    assert_same(&(host.rules(), host.changed_files()), &before, "before");
}

#[test]
fn nothing_is_changed_if_a_rollback_cannot_be_prepared() {
    let Some(host) = new_host() else { return };
    let refused = |said: &str| {
        let before = (host.rules(), host.changed_files());
        let output = install(&host, &["apply", "--confirm", "5s"], 2);
        assert!(transcript(&output).contains(said), "{said}: {}", transcript(&output));
        assert_same(&(host.rules(), host.changed_files()), &before, said);
        assert!(!host.has("/var/lib/redisguard/unconfirmed"), "{said}");
        assert!(!host.has("/run/redisguard.unconfirmed"), "{said}");
    };
    host.sh("mkdir /var/lib/redisguard; mount -t tmpfs -o noexec tmpfs /var/lib/redisguard");
    refused("noexec");
    host.sh("umount /var/lib/redisguard; mount -t tmpfs -o size=64k tmpfs /var/lib/redisguard");
    refused("free some space");
    host.sh("umount /var/lib/redisguard; rmdir /var/lib/redisguard");

    // The bundle that was applied, damaged, and another one to change to.
    let other = bundle(OTHER);
    host.copy_in(&other.path().join("generated"), "/run/other");
    install(&host, &["--bundle", "/run/other", "apply"], 0);
    host.sh("rm /var/lib/redisguard/bundle/SHA256SUMS");
    refused("SHA256SUMS");
    host.sh("rm -r /var/lib/redisguard");
    refused("redisguard's rules are loaded");

    let tree = tempfile::tempdir().unwrap();
    let offline = ["apply", "--confirm", "1h", "--root"];
    let output = Command::new(INSTALL).args(offline).arg(tree.path()).output().unwrap();
    assert!(
        exit_status(&output) == 2 && transcript(&output).contains("offline"),
        "{}",
        transcript(&output)
    );
    assert!(std::fs::read_dir(tree.path()).unwrap().next().is_none());
}

#[test]
fn a_killed_change_cannot_be_confirmed() {
    let Some(host) = new_host() else { return };
    let before = (host.rules(), host.changed_files());
    host.sh(r#"cat > /usr/local/bin/iptables-restore <<END
#!/bin/sh
[ "\$(readlink /proc/self/ns/net)" = "\$(readlink /proc/\$PPID/ns/net)" ] || exec $(command -v iptables-restore) "\$@"
kill -9 \$PPID
END
        chmod 755 /usr/local/bin/iptables-restore"#);
    let killed = host.install(&["apply", "--confirm", "1h"]);
    assert_eq!(exit_status(&killed), -1, "{}", transcript(&killed));
    host.sh("rm /usr/local/bin/iptables-restore");
    let said = install(&host, &["confirm"], 2);
    assert_contains(&said, "half-way");
    install(&host, &["revert"], 0);
    assert_same(&(host.rules(), host.changed_files()), &before, "before");
}

#[test]
fn a_rollback_needs_no_space_on_a_disk_that_filled_up_meanwhile() {
    if !able() {
        return;
    }
    for guarded in [false, true] {
        // Files, program and memory are on one disk.
        let scene = Scene::new(guarded);
        let host = &scene.host;
        // A program that is not stripped is there five times meanwhile.
        host.sh("mount -o remount,size=512m /mnt");
        host.sh(&format!("cp {INSTALL} /run/other-build && echo >> /run/other-build"));
        if guarded {
            let former = ["--bundle", "/run/other", "apply", "--expect", "rules"];
            assert_eq!(exit_status(&host.run("/run/other-build", &former)), 0);
        }
        let before = without_times(&scene.look());
        install(host, &["apply", "--confirm", "1h"], 0);
        host.sh("cat /dev/zero > /mnt/filler 2> /dev/null || true");
        let reverted = host.install(&["revert"]);
        host.sh("rm /mnt/filler");
        assert_eq!(exit_status(&reverted), 0, "{guarded}: {}", transcript(&reverted));
        assert!(!host.has("/var/lib/redisguard/unconfirmed"), "{guarded}");
        if guarded {
            // Directories that were made stay known, and go with all else.
            install(host, &["--bundle", "/run/other", "status"], 0);
            host.sh("cmp /run/other-build /usr/local/sbin/redisguard-install");
        } else {
            let after = without_times(&scene.look());
            assert!(after == before, "{}", difference(&before, &after));
        }
    }
}
