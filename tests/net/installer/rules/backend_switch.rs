//! A change of the backend or of the kind of iptables leaves one set of rules.

use super::{OTHER, assert_contains, bundle, exit_status, host_with_nft, install};
use crate::support::namespace::Host;
use crate::support::{INSTALL, transcript};

/// A host with the same bundle for both backends.
fn host_with_both() -> Option<Host> {
    let host = host_with_nft()?;
    for backend in ["iptables", "nftables"] {
        let rendered = bundle(&format!("{OTHER}backend = \"{backend}\"\n"));
        host.copy_in(&rendered.path().join("generated"), &format!("/run/{backend}"));
    }
    Some(host)
}

fn apply(host: &Host, backend: &str) {
    install(host, &["--bundle", &format!("/run/{backend}"), "apply"], 0);
}

/// The programs that list rules of redisguard's.
fn guards(host: &Host) -> String {
    host.sh("iptables-save | grep -q REDISGUARD-IN && echo iptables
             nft list tables | grep redisguard || true")
}

#[test]
fn leftover_rules_of_another_backend_go_with_the_next_apply() {
    let Some(host) = host_with_both() else { return };
    apply(&host, "nftables");
    host.sh("iptables-restore --noflush < /run/iptables/host/etc/redisguard/rules.v4");
    let output = host.install(&["status"]);
    assert_contains(&output, "redisguard's rules are left over");
    apply(&host, "nftables");
    assert_eq!(guards(&host), "table inet redisguard\n");
    install(&host, &["status"], 0);
}

#[test]
fn a_killed_change_of_the_backend_is_finished_by_the_next_load() {
    let Some(host) = host_with_both() else { return };
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
    assert_eq!(exit_status(&output), -1, "{}", transcript(&output));
    host.sh("rm /usr/local/bin/nft");
    assert_eq!(guards(&host), "iptables\ntable inet redisguard\n");
    install(&host, &["rules", "load"], 0);
    assert_eq!(guards(&host), "table inet redisguard\n");
}

#[test]
fn an_iptables_of_an_unknown_variant_keeps_its_rules() {
    // Behind a link, as the wrappers of container images are; and one that is no help at all.
    for version in ["exec /usr/sbin/${0##*/} \"$@\"", "exit 1"] {
        let Some(host) = host_with_both() else { return };
        host.sh(&format!(
            "printf '%s\\n' '#!/bin/sh' '[ \"$1\" = --version ] || exec /usr/sbin/${{0##*/}} \"$@\"' \
             '{version}' > /usr/local/sbin/wrapper; chmod 755 /usr/local/sbin/wrapper
             for program in iptables ip6tables; do ln -s wrapper /usr/local/sbin/$program; done"
        ));
        apply(&host, "nftables");
        apply(&host, "iptables");
        assert_eq!(guards(&host), "iptables\n");
        install(&host, &["status"], 0);
    }
}

#[test]
fn nftables_guards_while_iptables_cannot() {
    let Some(host) = host_with_both() else { return };
    apply(&host, "iptables");
    // What nftables.service does with a configuration in which iptables finds no place.
    host.sh("nft flush ruleset; nft 'table ip filter { chain INPUT { type filter hook input priority 0; \
             ct state vmap { invalid : drop, established : accept }; }; }'");
    for _ in 0..2 {
        let output = install(&host, &["rules", "load"], 2);
        assert_contains(&output, "nftables guards the ports meanwhile");
        assert_eq!(guards(&host), "table inet redisguard\n");
    }
    host.sh("nft delete table ip filter");
    install(&host, &["rules", "load"], 0);
    assert_eq!(guards(&host), "iptables\n");
    let output = host.run(INSTALL, &["status"]);
    assert_eq!(exit_status(&output), 0, "{}", transcript(&output));
}

#[test]
fn tables_that_existed_before_stay_and_others_go() {
    let Some(host) = host_with_both() else { return };
    // Empty, but somebody's: their rules may be about to come.
    host.sh(
        "nft 'table ip filter { }
              table ip nat { chain mine { type nat hook prerouting priority dstnat; }; }
              table ip6 mangle { chain PREROUTING { type filter hook prerouting priority mangle; }; }'",
    );
    let tables = || host.sh("nft list ruleset | grep -oE '^table .* |chain mine' | sort");
    let before = tables();
    let all = ["ip filter", "ip mangle", "ip nat", "ip6 filter", "ip6 mangle", "ip6 nat"];
    let built_in: &[&str] = &["--bundle", "built-in", "apply"];
    let nftables = &["--bundle", "/run/nftables", "apply"];
    for arguments in [built_in, &["rules", "unload"], built_in, nftables, built_in, &["remove"]] {
        let output = host.install(arguments);
        assert_eq!(exit_status(&output), 0, "{arguments:?}: {}", transcript(&output));
        let now = tables();
        match arguments {
            [_, "built-in", _] => assert!(all.iter().all(|table| now.contains(table)), "{now}"),
            [_, _, "apply"] => {
                assert_eq!(now.replace("table inet redisguard \n", ""), before, "{arguments:?}");
            }
            _ => assert_eq!(now, before, "{arguments:?}"),
        }
    }
}
