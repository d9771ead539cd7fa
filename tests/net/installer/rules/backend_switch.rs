//! A change of the backend or of the kind of iptables leaves one set of rules.

use super::{OTHER, able, bundle, status};
use crate::support::namespace::Host;
use crate::support::{INSTALL, told, tools};

fn able_with_nft() -> bool {
    able() && tools(&["nft"])
}

/// A host with the same bundle for both backends.
fn host_with_both() -> Host {
    let host = Host::new();
    for backend in ["iptables", "nftables"] {
        let rendered = bundle(&format!("{OTHER}backend = \"{backend}\"\n"));
        host.copy_in(&rendered.path().join("generated"), &format!("/run/{backend}"));
    }
    host
}

fn apply(host: &Host, backend: &str) {
    let output = host.install(&["--bundle", &format!("/run/{backend}"), "apply"]);
    assert_eq!(status(&output), 0, "{}", told(&output));
}

/// Who holds rules of ours.
fn guards(host: &Host) -> String {
    host.sh("iptables-save | grep -q REDISGUARD-IN && echo iptables
             nft list tables | grep redisguard || true")
}

#[test]
fn rules_that_another_backend_has_left_over_go_with_the_next_apply() {
    if !able_with_nft() {
        return;
    }
    let host = host_with_both();
    apply(&host, "nftables");
    host.sh("iptables-restore --noflush < /run/iptables/host/etc/redisguard/rules.v4");
    let output = host.install(&["status"]);
    assert!(told(&output).contains("iptables: rules of ours are left over"), "{}", told(&output));
    apply(&host, "nftables");
    assert_eq!(guards(&host), "table inet redisguard\n");
    assert_eq!(status(&host.install(&["status"])), 0);
}

#[test]
fn a_change_of_the_backend_that_was_killed_is_finished_by_the_next_load() {
    if !able_with_nft() {
        return;
    }
    let host = host_with_both();
    apply(&host, "iptables");
    // As it was killed when the new rules stood and the old ones had not gone yet.
    host.sh(r#"cat > /usr/local/bin/nft <<END
#!/bin/sh
$(command -v nft) "\$@"
status=\$?
[ "\$(readlink /proc/self/ns/net)" = "\$(readlink /proc/\$PPID/ns/net)" ] || exit \$status
case "\$*" in --file*) [ -e /run/once ] && kill -9 \$PPID || touch /run/once ;; esac
exit \$status
END
        chmod 755 /usr/local/bin/nft"#);
    let output = host.install(&["--bundle", "/run/nftables", "apply"]);
    assert_eq!(status(&output), -1, "{}", told(&output));
    host.sh("rm /usr/local/bin/nft");
    assert_eq!(guards(&host), "iptables\ntable inet redisguard\n");
    let output = host.install(&["rules", "load"]);
    assert_eq!(status(&output), 0, "{}", told(&output));
    assert_eq!(guards(&host), "table inet redisguard\n");
}

#[test]
fn an_iptables_that_does_not_say_its_kind_keeps_its_rules() {
    if !able_with_nft() {
        return;
    }
    // Behind a link, as the wrappers of container images are; and one that is no help at all.
    for version in ["exec /usr/sbin/${0##*/} \"$@\"", "exit 1"] {
        let host = host_with_both();
        host.sh(&format!(
            "printf '%s\\n' '#!/bin/sh' '[ \"$1\" = --version ] || exec /usr/sbin/${{0##*/}} \"$@\"' \
             '{version}' > /usr/local/sbin/wrapper; chmod 755 /usr/local/sbin/wrapper
             for program in iptables ip6tables; do ln -s wrapper /usr/local/sbin/$program; done"
        ));
        apply(&host, "nftables");
        apply(&host, "iptables");
        assert_eq!(guards(&host), "iptables\n");
        let output = host.install(&["status"]);
        assert_eq!(status(&output), 0, "{}", told(&output));
    }
}

#[test]
fn where_iptables_cannot_guard_any_more_nftables_does_until_it_can() {
    if !able_with_nft() {
        return;
    }
    let host = host_with_both();
    apply(&host, "iptables");
    // What nftables.service does with a configuration in which iptables finds no place.
    host.sh("nft flush ruleset; nft 'table ip filter { chain INPUT { type filter hook input priority 0; \
             ct state vmap { invalid : drop, established : accept }; }; }'");
    for _ in 0..2 {
        let output = host.install(&["rules", "load"]);
        assert_eq!(status(&output), 2, "{}", told(&output));
        assert!(told(&output).contains("nftables guards the ports meanwhile"), "{}", told(&output));
        assert_eq!(guards(&host), "table inet redisguard\n");
    }
    host.sh("nft delete table ip filter");
    let output = host.install(&["rules", "load"]);
    assert_eq!(status(&output), 0, "{}", told(&output));
    assert_eq!(guards(&host), "iptables\n");
    let output = host.run(INSTALL, &["status"]);
    assert_eq!(status(&output), 0, "{}", told(&output));
}

#[test]
fn tables_that_were_there_before_stay_and_those_that_were_not_go() {
    if !able_with_nft() {
        return;
    }
    let host = host_with_both();
    // Empty, but somebody's: their rules may be about to come.
    host.sh(
        "nft 'table ip filter { }
              table ip nat { chain mine { type nat hook prerouting priority dstnat; }; }
              table ip6 mangle { chain PREROUTING { type filter hook prerouting priority mangle; }; }'",
    );
    let tables = || host.sh("nft list ruleset | grep -oE '^table .* |chain mine' | sort");
    let before = tables();
    let all = ["ip filter", "ip mangle", "ip nat", "ip6 filter", "ip6 mangle", "ip6 nat"];
    let installs: [&[&str]; 4] =
        [&["apply"], &["rules", "unload"], &["apply"], &["--bundle", "/run/nftables", "apply"]];
    for arguments in [installs[0], installs[1], installs[2], installs[3], installs[2], &["remove"]]
    {
        let output = host.install(arguments);
        assert_eq!(status(&output), 0, "{arguments:?}: {}", told(&output));
        let now = tables();
        match arguments {
            ["apply"] => assert!(all.iter().all(|table| now.contains(table)), "{now}"),
            [_, _, "apply"] => {
                assert_eq!(now.replace("table inet redisguard \n", ""), before, "{arguments:?}");
            }
            _ => assert_eq!(now, before, "{arguments:?}"),
        }
    }
}
