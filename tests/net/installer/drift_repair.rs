//! `status` names each drift, and `apply` fixes it.

use super::{OTHER, able, bundle, json, status};
use crate::support::namespace::Host;
use crate::support::{INSTALL, assert_same, told};
use serde_json::Value;

/// What is done to a host, and the finding that names it: kind, target, detail.
const DAMAGES: [(&str, &str, &str, &str); 26] = [
    ("iptables -F INPUT", "rules", "IPv4", "the jump from INPUT is missing"),
    ("iptables -t nat -F PREROUTING", "rules", "IPv4", "nat: the jump from PREROUTING is missing"),
    ("ip6tables -I INPUT 1 -j ACCEPT", "rules", "IPv6", "stands at position 2"),
    (
        "ip6tables -I INPUT 2 -j ACCEPT",
        "rules",
        "IPv6",
        "second jump from INPUT stands at position 3",
    ),
    (
        "iptables -I INPUT 1 $(iptables -S INPUT | sed -n '2s/-A INPUT//p' | tr -d '\"')",
        "rules",
        "IPv4",
        "stands 2 times",
    ),
    ("iptables -A INPUT -j REDISGUARD-IN", "rules", "IPv4", "another jump into our chains"),
    ("iptables -F REDISGUARD-IN", "rules", "IPv4", "REDISGUARD-IN was flushed"),
    ("iptables -D REDISGUARD-IN 2", "rules", "IPv4", "REDISGUARD-IN was edited"),
    (
        "iptables -D FORWARD 1; iptables -D INPUT 2; iptables -F REDISGUARD-MARKED; iptables -X REDISGUARD-MARKED",
        "rules",
        "IPv4",
        "chain REDISGUARD-MARKED is missing",
    ),
    ("ip6tables -N REDISGUARD-OLD", "rules", "IPv6", "REDISGUARD-OLD is left over"),
    (
        "nft delete table ip6 filter; nft delete table ip6 mangle; nft delete table ip6 nat",
        "rules",
        "IPv6",
        "no rules of ours are loaded",
    ),
    ("nft flush ruleset", "rules", "IPv4", "no rules of ours are loaded"),
    ("echo x >> /etc/redisguard/notice.toml", "file", "/etc/redisguard/notice.toml", "was edited"),
    ("rm /etc/redisguard/rules.v6", "file", "/etc/redisguard/rules.v6", "is missing"),
    (
        "chmod 666 /etc/redisguard/rules.v4",
        "file",
        "/etc/redisguard/rules.v4",
        "must change mode 0666 to 0644",
    ),
    (
        "chown 1000 /etc/redisguard/rules.v4",
        "file",
        "/etc/redisguard/rules.v4",
        "must change owner 1000:0 to 0:0",
    ),
    (
        "ln -sf /etc/hostname /etc/redisguard/rules.v4",
        "file",
        "/etc/redisguard/rules.v4",
        "is a link to /etc/hostname",
    ),
    (
        "echo >> /usr/local/sbin/redisguard-install",
        "file",
        "/usr/local/sbin/redisguard-install",
        "was edited",
    ),
    (
        "chmod 4755 /usr/local/sbin/redisguard-install",
        "file",
        "/usr/local/sbin/redisguard-install",
        "must change mode 4755 to 0755",
    ),
    ("rm /var/log/redis_port_notice.log", "link", "/var/log/redis_port_notice.log", "is missing"),
    (
        "ln -sfn /dev/null /var/log/redis_port_notice.log",
        "link",
        "/var/log/redis_port_notice.log",
        "leads to /dev/null",
    ),
    (
        "rm /var/log/redis_port_notice.log; echo precious > /var/log/redis_port_notice.log",
        "link",
        "/var/log/redis_port_notice.log",
        "is a file",
    ),
    (
        "rm /etc/systemd/system/sysinit.target.wants/redis-ports-block.service",
        "unit",
        "redis-ports-block.service",
        "is not enabled: sysinit.target does not want it",
    ),
    (
        "cd /etc/systemd/system/timers.target.wants; rm redis-ports-check.timer; echo precious > redis-ports-check.timer",
        "unit",
        "redis-ports-check.timer",
        "is not enabled",
    ),
    (
        "echo > /proc/sys/net/ipv4/ip_local_reserved_ports",
        "sysctl",
        "net.ipv4.ip_local_reserved_ports",
        "lacks 6379",
    ),
    ("rm -r /var/lib/redisguard/bundle", "receipt", "/var/lib/redisguard/bundle", "is of no use"),
];

/// What status finds.
pub(super) fn findings(host: &Host, arguments: &[&str]) -> Vec<Value> {
    let output = host.install(&[arguments, &["status", "--json"]].concat());
    let found = json(&output)["findings"].as_array().unwrap().clone();
    assert_eq!(status(&output), i32::from(!found.is_empty()), "{}", told(&output));
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
fn drift_is_named_and_apply_mends_it() {
    if !able() {
        return;
    }
    let host = Host::new();
    host.install(&["apply"]);
    let good = host.rules();
    for (damage, kind, target, detail) in DAMAGES {
        host.sh(damage);
        let found = findings(&host, &[]);
        assert!(names(&found, kind, target, detail), "{damage}: {found:#?}");
        // One family's drift is not the other's.
        let families = found.iter().filter(|finding| finding["kind"] == "rules");
        let others = families.filter(|finding| finding["target"] != target).count();
        assert_eq!(others > 0, damage.contains("ruleset"), "{damage}: {found:#?}");
        let mended = host.install(&["apply"]);
        assert_eq!(status(&mended), 0, "{damage}: {}", told(&mended));
        assert_eq!(findings(&host, &[]), [] as [Value; 0], "{damage}");
        host.sh("ip6tables -D INPUT -j ACCEPT 2>&1 || true");
        assert_eq!(host.rules(), good, "{damage}");
    }
    host.sh("nft flush ruleset; rm -r /etc/redisguard /etc/systemd/system/*.wants/redis-port*.service; echo > /proc/sys/net/ipv4/ip_local_reserved_ports");
    let shown = told(&host.install(&["status"]));
    assert!(shown.contains("sysinit.target does not want it"), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    let kept = "cat /var/log/redis_port_notice.log.before-redisguard \
                /etc/systemd/system/timers.target.wants/redis-ports-check.timer.before-redisguard";
    assert_eq!(host.sh(kept), "precious\nprecious\n");
    assert_eq!(host.sh("cat /etc/hostname"), std::fs::read_to_string("/etc/hostname").unwrap());
}

#[test]
fn what_was_edited_is_shown_before_it_is_mended_and_kept() {
    if !able() {
        return;
    }
    let host = Host::new();
    host.install(&["apply"]);
    host.sh("echo '# by hand' >> /etc/redisguard/rules.v4");
    let said = String::from_utf8(host.install(&["apply"]).stdout).unwrap();
    let (diff, done) = said.split_once("applied bundle").unwrap();
    assert!(diff.contains("\n-# by hand\n") && !done.contains("by hand"), "{said}");
    let kept = "/var/lib/redisguard/edited/etc/redisguard/rules.v4";
    assert!(host.sh(&format!("tail -n 1 {kept}")) == "# by hand\n");
    // One that cannot be mended shows it too, and it is still there.
    host.sh("echo '# by hand' >> /etc/redisguard/rules.v4
         mount --bind /etc/redisguard/rules.v4 /etc/redisguard/rules.v4");
    let output = host.install(&["apply"]);
    assert_eq!(status(&output), 2, "{}", told(&output));
    assert!(told(&output).contains("\n-# by hand\n"), "{}", told(&output));
    assert_eq!(host.sh("tail -n 1 /etc/redisguard/rules.v4"), "# by hand\n");
}

#[test]
fn a_masked_unit_stays_so_until_its_administrator_unmasks_it() {
    if !able() {
        return;
    }
    let host = Host::new();
    host.sh("ln -s /dev/null /etc/systemd/system/redis-port-notice.service");
    let before = (host.rules(), host.changed_files());
    let planned = told(&host.install(&["plan"]));
    assert!(planned.contains("redis-port-notice.service: masked"), "{planned}");
    let output = host.install(&["apply"]);
    assert_eq!(status(&output), 2, "{}", told(&output));
    assert!(
        told(&output).contains("systemctl unmask redis-port-notice.service"),
        "{}",
        told(&output)
    );
    assert_same(&(host.rules(), host.changed_files()), &before, "before");
}

#[test]
fn a_bundle_that_is_newer_than_the_host_is_named() {
    if !able() {
        return;
    }
    let host = Host::new();
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
    // Mended from what is kept of it, it is still from there.
    host.sh("iptables -F REDISGUARD-IN");
    host.install(&["--bundle", "/var/lib/redisguard/bundle", "apply"]);
    assert_eq!(findings(&host, &[]).len(), 0);

    // As an older program would have left it.
    host.sh("sed -i 's/\"origin\": \"directory\"/\"origin\": \"program\"/' /var/lib/redisguard/receipt.json");
    let found = findings(&host, &[]);
    assert!(names(&found, "bundle", "redisguard-install", "is applied"), "{found:?}");
    assert_eq!(found.len(), 1, "{found:?}");
    let said = told(&host.install(&["status"]));
    assert!(said.contains("mend with: redisguard-install apply\n"), "{said}");
}

#[test]
fn what_mends_a_host_is_the_bundle_that_was_applied_to_it() {
    if !able() {
        return;
    }
    let host = Host::new();
    let other = bundle(OTHER);
    host.copy_in(&other.path().join("generated"), "/run/other");
    host.install(&["--bundle", "/run/other", "apply"]);
    let good = host.rules();
    host.sh("iptables -F REDISGUARD-IN");
    let said = told(&host.install(&["status"]));
    let mend = said.lines().find_map(|line| line.strip_prefix("mend with: ")).unwrap();
    host.sh(mend);
    assert_eq!(host.rules(), good, "{mend}");
}

#[test]
fn another_build_that_asks_for_the_status_finds_the_program_as_it_was_applied() {
    if !able() {
        return;
    }
    let host = Host::new();
    host.install(&["apply"]);
    host.sh(&format!("cp {INSTALL} /run/other-build && echo >> /run/other-build"));
    assert_eq!(status(&host.run("/run/other-build", &["status"])), 0);
    assert_eq!(status(&host.run("/run/other-build", &["plan"])), 1);
}
