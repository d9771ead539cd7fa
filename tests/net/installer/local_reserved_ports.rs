//! The kernel's list of reserved local ports is extended, restored, and reported if it is read-only.

use super::{OTHER, assert_contains, bundle, exit_status, install, json, new_host};
use crate::support::transcript;

const LIST: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";
const NAME: &str = "net.ipv4.ip_local_reserved_ports";
/// What most containers have.
const READ_ONLY: &str = "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys";

#[test]
fn a_read_only_list_of_ports_is_reported_and_the_host_is_guarded() {
    let Some(host) = new_host() else { return };
    host.sh(READ_ONLY);
    for changed in [true, false] {
        let output = install(&host, &["apply", "--json"], 0);
        assert_eq!(json(&output)["changed"], changed, "{}", transcript(&output));
        let warned = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(warned.contains("could not add 6379") && warned.contains(NAME), "{warned}");
    }
    assert!(host.rules().contains("REDISGUARD-IN"));
    install(&host, &["plan"], 0);
    let found = json(&host.install(&["status", "--json"]));
    assert_eq!(found["in_sync"], false, "{found:#}");
    assert_eq!(found["healthy"], true, "{found:#}");
    assert_eq!(found["findings"].as_array().unwrap().len(), 1, "{found:#}");
    assert_eq!(
        (&found["findings"][0]["kind"], &found["findings"][0]["target"]),
        (&"sysctl".into(), &NAME.into())
    );
    assert!(found["mend"].is_null(), "apply does not mend it: {found:#}");

    host.sh("umount /proc/sys");
    assert_eq!(json(&host.install(&["apply", "--json"]))["changed"], true);
    install(&host, &["status"], 0);
    // It is not what keeps a host from being removed either.
    host.sh(READ_ONLY);
    let removed = install(&host, &["remove"], 0);
    assert_contains(&removed, "cannot be written");
    assert!(!host.has("/etc/redisguard") && !host.rules().contains("REDISGUARD"));
}

#[test]
fn a_list_of_ports_that_fails_while_it_is_written_rolls_back_everything() {
    let Some(host) = new_host() else { return };
    install(&host, &["apply"], 0);
    let other = bundle(OTHER);
    host.copy_in(&other.path().join("generated"), "/run/other");
    let before = (host.rules(), host.changed_files());
    // It is looked at, found to be in order, and then cannot be written any more.
    host.sh(&format!(
        r#"cat > /usr/local/sbin/ip6tables-restore <<END
#!/bin/sh
mountpoint --quiet /proc/sys || {{ {READ_ONLY}; }}
exec $(command -v ip6tables-restore) "\$@"
END
        chmod 755 /usr/local/sbin/ip6tables-restore"#
    ));
    let output = host.install(&["--bundle", "/run/other", "apply"]);
    host.sh("umount /proc/sys; rm /usr/local/sbin/ip6tables-restore");
    assert_eq!(exit_status(&output), 2, "{}", transcript(&output));
    assert_contains(&output, LIST);
    assert_contains(&output, "everything is as it was before");
    crate::support::assert_same(&(host.rules(), host.changed_files()), &before, "before it");
}

#[test]
fn ports_that_were_listed_before_stay_listed() {
    let Some(host) = new_host() else { return };
    let kept_free = || host.sh(&format!("cat {LIST}"));
    // All reserved ports; all but some; and then the other bundle's as well.
    for (before, other) in [("6000-18000,63790", false), ("6000-7001", false), ("6000-7001", true)]
    {
        host.sh(&format!("echo {before} > {LIST}"));
        install(&host, &["apply"], 0);
        if other {
            let other = bundle(OTHER);
            host.copy_in(&other.path().join("generated"), "/run/other");
            install(&host, &["--bundle", "/run/other", "apply"], 0);
        }
        let removed = install(&host, &["remove"], 0);
        assert_eq!(kept_free().trim(), before, "{}", transcript(&removed));
    }
}

#[test]
fn ports_that_were_listed_at_boot_from_an_image_go_with_a_removal() {
    let Some(host) = new_host() else { return };
    // An offline tree that is this host later: its files lie below other directories meanwhile.
    host.sh("mkdir -p /run/tree/etc /run/tree/var /run/tree/usr/local
             for it in etc var usr/local; do mount --bind /$it /run/tree/$it; done");
    install(&host, &["--root", "/run/tree", "apply"], 0);
    host.sh(&format!(
        "umount /run/tree/*/local /run/tree/etc /run/tree/var
             echo 9100,$(sed -n 's/^net.*= *//p' /etc/sysctl.d/60-redisguard.conf) > {LIST}"
    ));
    install(&host, &["apply"], 0);
    install(&host, &["remove"], 0);
    assert_eq!(host.sh(&format!("cat {LIST}")), "9100\n");
}
