//! A kernel that cannot log is guarded, and the error names the line that turns the log off.

use super::*;

/// Has a program refuse what would write to the kernel's log, as on a kernel without its modules.
fn without_modules(host: &Host, program: &str, word: &str) {
    host.sh(&format!(
        "real=$(command -v {program})
         cat > /usr/local/sbin/{program} <<END
#!/bin/sh
case \"\\$*\" in *--noflush*|*--file*) ;; *) exec $real \"\\$@\" ;; esac
cat > /run/read.\\$\\$
if grep -q -e '{word}' /run/read.\\$\\$; then
    echo 'No chain/target/match by that name.' >&2; exit 1
fi
exec $real \"\\$@\" < /run/read.\\$\\$
END
         chmod 755 /usr/local/sbin/{program}"
    ));
}

#[test]
fn a_kernel_that_cannot_log_is_guarded_and_the_line_that_turns_the_log_off_is_named() {
    if !able() {
        return;
    }
    for backend in ["iptables", "nftables"] {
        let host = Host::new();
        let toml = format!(
            "[contact]\nteam = \"Ops\"\nemail = \"ops@example.org\"\n[cluster]\nports = 7000\n\
             [[reserved]]\nport = 6379\n[firewall]\nbackend = \"{backend}\"\n"
        );
        host.copy_in(&bundle(&toml).path().join("generated"), "/run/bundle");
        let from = ["--bundle", "/run/bundle"];
        let rules = || host.sh("iptables-save; ip6tables-save; nft list ruleset");
        let lacks = || {
            if backend == "iptables" {
                without_modules(&host, "iptables-restore", "-j LOG ");
                without_modules(&host, "ip6tables-restore", "-j LOG ");
            } else {
                without_modules(&host, "nft", "log prefix");
            }
        };
        // What was not guarded stays as it was.
        let before = host.changed_files();
        lacks();
        let output = host.install(&[&from[..], &["apply"]].concat());
        assert_eq!(exit_status(&output), 2, "{backend}: {}", transcript(&output));
        let named = transcript(&output).contains("set log-per-source = 0 in [firewall]");
        assert!(named, "{backend}: {}", transcript(&output));
        assert!(!rules().contains("edisguard"), "{backend}: {}", rules());
        host.sh("rm /usr/local/sbin/*restore /usr/local/sbin/nft || true");
        crate::support::assert_same(&host.changed_files(), &before, backend);
        // What was, boots guarded.
        let output = host.install(&[&from[..], &["apply"]].concat());
        assert_eq!(exit_status(&output), 0, "{backend}: {}", transcript(&output));
        assert!(rules().contains("redisguard drop: "), "{backend}");
        host.sh("nft flush ruleset");
        lacks();
        for _ in 0..2 {
            let output = host.install(&["rules", "load"]);
            assert_eq!(exit_status(&output), 2, "{backend}: {}", transcript(&output));
            assert!(
                transcript(&output).contains("guarded, but nobody"),
                "{backend}: {}",
                transcript(&output)
            );
            assert!(!rules().contains("redisguard drop: "), "{backend}");
            let guards = if backend == "iptables" { "-j DROP" } else { "drop comment" };
            assert!(rules().contains(guards), "{backend}: {}", rules());
            assert!(!host.has("/run/redisguard.meanwhile"), "{backend}");
        }
        let found = transcript(&host.install(&["status"]));
        let word = if backend == "iptables" { "LOGGED is missing" } else { "without its log" };
        assert!(found.contains(word), "{backend}: {found}");
        // Once the modules are there, it logs.
        host.sh("rm /usr/local/sbin/*restore /usr/local/sbin/nft || true");
        install(&host, &["rules", "load"], 0);
        assert!(rules().contains("redisguard drop: "), "{backend}");
        assert_eq!(exit_status(&host.install(&[&from[..], &["plan"]].concat())), 0, "{backend}");
    }
}
