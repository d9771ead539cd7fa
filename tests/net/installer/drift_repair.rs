//! `status` names each drift, and `apply` fixes it.

use super::{OTHER, assert_contains, bundle, exit_status, install, json, new_host};
use crate::support::namespace::Host;
use crate::support::{INSTALL, assert_same, transcript};
use serde_json::Value;

/// What is done to a host, and the finding that names it.
struct Damage {
    script: &'static str,
    kind: &'static str,
    target: &'static str,
    /// A part of the finding's detail.
    detail: &'static str,
}

const DAMAGES: [Damage; 26] = [
    Damage {
        script: "iptables -F INPUT",
        kind: "rules",
        target: "IPv4",
        detail: "the jump from INPUT is missing",
    },
    Damage {
        script: "iptables -t nat -F PREROUTING",
        kind: "rules",
        target: "IPv4",
        detail: "nat: the jump from PREROUTING is missing",
    },
    Damage {
        script: "ip6tables -I INPUT 1 -j ACCEPT",
        kind: "rules",
        target: "IPv6",
        detail: "is at position 2",
    },
    Damage {
        script: "ip6tables -I INPUT 2 -j ACCEPT",
        kind: "rules",
        target: "IPv6",
        detail: "second jump from INPUT is at position 3",
    },
    Damage {
        script: "iptables -I INPUT 1 $(iptables -S INPUT | sed -n '2s/-A INPUT//p' | tr -d '\"')",
        kind: "rules",
        target: "IPv4",
        detail: "is there 2 times",
    },
    Damage {
        script: "iptables -A INPUT -j REDISGUARD-IN",
        kind: "rules",
        target: "IPv4",
        detail: "another jump into redisguard's chains",
    },
    Damage {
        script: "iptables -F REDISGUARD-IN",
        kind: "rules",
        target: "IPv4",
        detail: "REDISGUARD-IN was flushed",
    },
    Damage {
        script: "iptables -D REDISGUARD-IN 2",
        kind: "rules",
        target: "IPv4",
        detail: "REDISGUARD-IN was edited",
    },
    Damage {
        script: "iptables -D FORWARD 1; iptables -D INPUT 2; iptables -F REDISGUARD-MOVED; iptables -X REDISGUARD-MOVED",
        kind: "rules",
        target: "IPv4",
        detail: "chain REDISGUARD-MOVED is missing",
    },
    Damage {
        script: "ip6tables -N REDISGUARD-OLD",
        kind: "rules",
        target: "IPv6",
        detail: "REDISGUARD-OLD is left over",
    },
    Damage {
        script: "nft delete table ip6 filter; nft delete table ip6 mangle; nft delete table ip6 nat",
        kind: "rules",
        target: "IPv6",
        detail: "redisguard's rules are not loaded",
    },
    Damage {
        script: "nft flush ruleset",
        kind: "rules",
        target: "IPv4",
        detail: "redisguard's rules are not loaded",
    },
    Damage {
        script: "echo x >> /etc/redisguard/notice.toml",
        kind: "file",
        target: "/etc/redisguard/notice.toml",
        detail: "was edited",
    },
    Damage {
        script: "rm /etc/redisguard/rules.v6",
        kind: "file",
        target: "/etc/redisguard/rules.v6",
        detail: "is missing",
    },
    Damage {
        script: "chmod 666 /etc/redisguard/rules.v4",
        kind: "file",
        target: "/etc/redisguard/rules.v4",
        detail: "must change mode 0666 to 0644",
    },
    Damage {
        script: "chown 1000 /etc/redisguard/rules.v4",
        kind: "file",
        target: "/etc/redisguard/rules.v4",
        detail: "must change owner 1000:0 to 0:0",
    },
    Damage {
        script: "ln -sf /etc/hostname /etc/redisguard/rules.v4",
        kind: "file",
        target: "/etc/redisguard/rules.v4",
        detail: "is a link to /etc/hostname",
    },
    Damage {
        script: "echo >> /usr/local/sbin/redisguard-install",
        kind: "file",
        target: "/usr/local/sbin/redisguard-install",
        detail: "was edited",
    },
    Damage {
        script: "chmod 4755 /usr/local/sbin/redisguard-install",
        kind: "file",
        target: "/usr/local/sbin/redisguard-install",
        detail: "must change mode 4755 to 0755",
    },
    Damage {
        script: "rm /var/log/redis_port_notice.log",
        kind: "link",
        target: "/var/log/redis_port_notice.log",
        detail: "is missing",
    },
    Damage {
        script: "ln -sfn /dev/null /var/log/redis_port_notice.log",
        kind: "link",
        target: "/var/log/redis_port_notice.log",
        detail: "leads to /dev/null",
    },
    Damage {
        script: "rm /var/log/redis_port_notice.log; echo precious > /var/log/redis_port_notice.log",
        kind: "link",
        target: "/var/log/redis_port_notice.log",
        detail: "is a file",
    },
    Damage {
        script: "rm /etc/systemd/system/sysinit.target.wants/redis-ports-block.service",
        kind: "unit",
        target: "redis-ports-block.service",
        detail: "is not enabled: sysinit.target does not want it",
    },
    Damage {
        script: "cd /etc/systemd/system/sysinit.target.wants; rm redis-ports-block.service; echo precious > redis-ports-block.service",
        kind: "unit",
        target: "redis-ports-block.service",
        detail: "is not enabled",
    },
    Damage {
        script: "echo > /proc/sys/net/ipv4/ip_local_reserved_ports",
        kind: "sysctl",
        target: "net.ipv4.ip_local_reserved_ports",
        detail: "lacks 6379",
    },
    Damage {
        script: "rm -r /var/lib/redisguard/bundle",
        kind: "receipt",
        target: "/var/lib/redisguard/bundle",
        detail: "cannot be used",
    },
];

/// What status finds.
pub(super) fn findings(host: &Host, arguments: &[&str]) -> Vec<Value> {
    let output = host.install(&[arguments, &["status", "--json"]].concat());
    let found = json(&output)["findings"].as_array().unwrap().clone();
    assert_eq!(exit_status(&output), i32::from(!found.is_empty()), "{}", transcript(&output));
    found
}

pub(super) fn names(found: &[Value], kind: &str, target: &str, detail: &str) -> bool {
    found.iter().any(|finding| {
        finding["kind"] == kind
            && finding["target"] == target
            && finding["detail"].as_str().unwrap().contains(detail)
    })
}

#[test]
fn drift_is_named_and_apply_fixes_it() {
    let Some(host) = new_host() else { return };
    host.install(&["apply"]);
    let good = host.rules();
    for Damage { script, kind, target, detail } in DAMAGES {
        host.sh(script);
        let found = findings(&host, &[]);
        assert!(names(&found, kind, target, detail), "{script}: {found:#?}");
        // One family's drift is not the other's.
        let families = found.iter().filter(|finding| finding["kind"] == "rules");
        let others = families.filter(|finding| finding["target"] != target).count();
        assert_eq!(others > 0, script.contains("ruleset"), "{script}: {found:#?}");
        let fixed = host.install(&["apply"]);
        assert_eq!(exit_status(&fixed), 0, "{script}: {}", transcript(&fixed));
        assert_eq!(findings(&host, &[]), [] as [Value; 0], "{script}");
        host.sh("ip6tables -D INPUT -j ACCEPT 2>&1 || true");
        assert_eq!(host.rules(), good, "{script}");
    }
    host.sh("nft flush ruleset; rm -r /etc/redisguard /etc/systemd/system/*.wants/redis-port*.service; echo > /proc/sys/net/ipv4/ip_local_reserved_ports");
    let shown = transcript(&host.install(&["status"]));
    assert!(shown.contains("sysinit.target does not want it"), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    let kept = "cat /var/log/redis_port_notice.log.before-redisguard \
                /etc/systemd/system/sysinit.target.wants/redis-ports-block.service.before-redisguard";
    assert_eq!(host.sh(kept), "precious\nprecious\n");
    assert_eq!(host.sh("cat /etc/hostname"), std::fs::read_to_string("/etc/hostname").unwrap());
}

#[test]
fn edited_files_are_shown_before_they_are_replaced_and_copies_are_kept() {
    let Some(host) = new_host() else { return };
    host.install(&["apply"]);
    host.sh("echo '# by hand' >> /etc/redisguard/rules.v4");
    let said = String::from_utf8(host.install(&["apply"]).stdout).unwrap();
    let (diff, done) = said.split_once("applied bundle").unwrap();
    assert!(diff.contains("\n-# by hand\n") && !done.contains("by hand"), "{said}");
    let kept = "/var/lib/redisguard/edited/etc/redisguard/rules.v4";
    assert!(host.sh(&format!("tail -n 1 {kept}")) == "# by hand\n");
    // A host that cannot be fixed shows it too, and the edit is still there.
    host.sh("echo '# by hand' >> /etc/redisguard/rules.v4
         mount --bind /etc/redisguard/rules.v4 /etc/redisguard/rules.v4");
    assert_contains(&install(&host, &["apply"], 2), "\n-# by hand\n");
    assert_eq!(host.sh("tail -n 1 /etc/redisguard/rules.v4"), "# by hand\n");
}

#[test]
fn a_masked_unit_stays_masked_until_its_administrator_unmasks_it() {
    let Some(host) = new_host() else { return };
    host.sh("ln -s /dev/null /etc/systemd/system/redis-port-notice.service");
    let before = (host.rules(), host.changed_files());
    let planned = transcript(&host.install(&["plan"]));
    assert!(planned.contains("redis-port-notice.service: masked"), "{planned}");
    assert_contains(&install(&host, &["apply"], 2), "systemctl unmask redis-port-notice.service");
    assert_same(&(host.rules(), host.changed_files()), &before, "before");
}

#[test]
fn a_bundle_that_is_newer_than_the_host_is_named() {
    let Some(host) = new_host() else { return };
    let other = bundle(OTHER);
    host.copy_in(&other.path().join("generated"), "/run/other");
    let other = ["--bundle", "/run/other"];

    // A program's own bundle is held against what a program applied; a directory only when named.
    host.install(&["apply"]);
    assert!(names(&findings(&host, &other), "bundle", "/run/other", "is applied"));
    assert_eq!(findings(&host, &[]).len(), 0);

    host.install(&[&other[..], &["apply"]].concat());
    assert_eq!(findings(&host, &[]).len(), 0);
    assert_eq!(findings(&host, &other).len(), 0);
    // Fixed from the kept bundle, the host is still recorded as applied from its source.
    host.sh("iptables -F REDISGUARD-IN");
    host.install(&["--bundle", "/var/lib/redisguard/bundle", "apply"]);
    assert_eq!(findings(&host, &[]).len(), 0);

    // As an older program would have left it.
    host.sh("sed -i 's/\"origin\": \"directory\"/\"origin\": \"program\"/' /var/lib/redisguard/receipt.json");
    let found = findings(&host, &[]);
    assert!(names(&found, "bundle", "redisguard-install", "is applied"), "{found:?}");
    assert_eq!(found.len(), 1, "{found:?}");
    let said = transcript(&host.install(&["status"]));
    assert!(said.contains("fix: redisguard-install apply\n"), "{said}");
}

#[test]
fn a_host_is_fixed_with_the_bundle_that_was_applied_to_it() {
    let Some(host) = new_host() else { return };
    let other = bundle(OTHER);
    host.copy_in(&other.path().join("generated"), "/run/other");
    host.install(&["--bundle", "/run/other", "apply"]);
    let good = host.rules();
    host.sh("iptables -F REDISGUARD-IN");
    let said = transcript(&host.install(&["status"]));
    let fix = said.lines().find_map(|line| line.strip_prefix("fix: ")).unwrap();
    host.sh(fix);
    assert_eq!(host.rules(), good, "{fix}");
}

#[test]
fn status_from_another_build_finds_the_installed_program_unchanged() {
    let Some(host) = new_host() else { return };
    host.install(&["apply"]);
    host.sh(&format!("cp {INSTALL} /run/other-build && echo >> /run/other-build"));
    assert_eq!(exit_status(&host.run("/run/other-build", &["status"])), 0);
    assert_eq!(exit_status(&host.run("/run/other-build", &["plan"])), 1);
}
