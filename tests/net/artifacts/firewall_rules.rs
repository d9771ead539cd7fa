//! The kernel loads the rules of every site and lists them as they were rendered.

use crate::support::corpus::{Case, for_every_bundle, text};
use crate::support::namespace::Host;
use crate::support::{can_make_namespaces, need, tools};
use redisguard::bundle::Bundle;
use redisguard::spec::Spec;
use std::path::Path;

/// Each kind of iptables for each family, with the rules that it loads.
const KINDS: [(&str, &str); 4] = [
    ("iptables-nft", "rules.v4"),
    ("ip6tables-nft", "rules.v6"),
    ("iptables-legacy", "rules.v4"),
    ("ip6tables-legacy", "rules.v6"),
];

/// Whether this machine can load rules.
pub fn able() -> bool {
    can_make_namespaces() && tools(&["iptables-nft-restore", "iptables-legacy-restore", "nft"])
}

/// Our rules as a listing has them, in the order of their text.
fn ours(listing: &str) -> Vec<String> {
    let ours = listing.lines().filter(|line| line.starts_with('-') && line.contains("REDISGUARD"));
    let mut lines: Vec<String> = ours
        .map(|line| match line.strip_prefix("-I ") {
            // A jump is inserted at a place and listed without one.
            Some(rest) => {
                let mut words = rest.splitn(3, ' ');
                let (chain, rule) = (words.next().unwrap(), words.nth(1).unwrap());
                format!("-A {chain} {rule}")
            }
            None => line.to_owned(),
        })
        .collect();
    lines.sort();
    lines
}

/// Loads all of a bundle's rules, in the place of what is there, and holds what the kernel has of them
/// against what was rendered.
pub fn loads(host: &Host, name: &str, spec: &Spec, bundle: &Bundle, folder: &Path) {
    let rules = folder.join("host/etc/redisguard");
    for (kind, file) in KINDS {
        let path = rules.join(file);
        // Without --noflush all goes that was there before.
        let listing = host.sh(&format!("{kind}-restore < {} && {kind}-save", path.display()));
        let rendered = text(bundle, &format!("host/etc/redisguard/{file}"));
        assert_eq!(ours(&listing), ours(rendered), "{name}: {kind}");
    }
    let path = rules.join("redisguard.nft");
    let listing = host
        .sh(&format!("nft -f {0} && nft -f {0} && nft list table inet redisguard", path.display()));
    for reserved in &spec.reserved {
        let external = reserved.external.as_str();
        let comment = format!(
            "{} comment \"redisguard:{}:{external} {}\" : \"port_",
            reserved.ports, reserved.ports, reserved.label
        );
        assert_eq!(listing.matches(&comment).count(), 2, "{name}: {comment} in\n{listing}");
    }
    let counters = listing.lines().filter(|line| line.starts_with("\tcounter port_")).count();
    assert_eq!(counters, 2 * spec.reserved.len(), "{name}");
}

#[test]
fn the_kernel_loads_every_ruleset_and_lists_it_as_it_was_rendered() {
    if !able() {
        return;
    }
    let host = Host::network_only();
    for_every_bundle(|case, folder| {
        loads(&host, &case.name, &case.spec, &case.bundle, folder);
    });
}

#[test]
fn the_kernels_reserved_local_ports_are_those_of_the_toml() {
    if !can_make_namespaces() || !tools(&["sysctl"]) {
        return;
    }
    let host = Host::network_only();
    let list = "/proc/sys/net/ipv4/ip_local_reserved_ports";
    let writable = host.run("test", &["-w", list]).status.success();
    // In most containers it is not.
    if !need("a list of reserved ports that can be written", writable) {
        return;
    }
    for_every_bundle(|Case { name, spec, .. }, folder| {
        let file = folder.join("host/etc/sysctl.d/60-redisguard.conf");
        let said = host.sh(&format!("sysctl -q -p {}", file.display()));
        assert_eq!(said, "", "{name}");
        let kept = host.sh(&format!("cat {list}"));
        let reserved = spec.reserved.iter().map(|reserved| reserved.ports);
        let bus = spec.cluster.bus_ports();
        let cluster = spec.cluster.ports.ranges().iter().chain(bus.ranges()).copied();
        let own = [Some(spec.notice.port), spec.metrics.scrape_port];
        let own = own.into_iter().flatten().map(redisguard::spec::PortRange::from);
        let wanted: redisguard::spec::PortSet = reserved.chain(cluster).chain(own).collect();
        assert_eq!(kept.trim(), wanted.joined(","), "{name}");
    });
}
