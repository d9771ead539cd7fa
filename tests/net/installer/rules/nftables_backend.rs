//! The nftables backend fixes drift, rolls back, and keeps the ports in its sets during a change.

use super::*;

const BY_NFT: &str = "[contact]\nteam = \"Ops\"\nemail = \"ops@example.org\"\n[cluster]\nports = 7000\n\
    [[reserved]]\nport = 6381\nexternal = \"notice\"\nlisten = \"never\"\n\
    [[reserved]]\nport = \"6400-6410\"\nexternal = \"reject\"\nlisten = \"never\"\n\
    [firewall]\nbackend = \"nftables\"\nallow = [\"10.1.0.0/16\"]\n";

fn host_with_bundle() -> Option<Host> {
    let host = host_with_nft()?;
    host.copy_in(&bundle(BY_NFT).path().join("generated"), "/run/bundle");
    Some(host)
}

fn with_bundle(host: &Host, verb: &[&str]) -> Output {
    host.install(&[&["--bundle", "/run/bundle"], verb].concat())
}

#[test]
fn drift_of_nftables_is_named_and_apply_fixes_it() {
    let Some(host) = host_with_bundle() else { return };
    let output = with_bundle(&host, &["apply"]);
    assert_eq!(exit_status(&output), 0, "{}", transcript(&output));
    let whole = host.sh("nft list ruleset");
    for (damage, named) in [
        ("nft flush chain inet redisguard rg_input", "chain rg_input was flushed"),
        ("nft insert rule inet redisguard rg_input accept", "chain rg_input was edited"),
        (
            "nft flush chain inet redisguard rg_prerouting
             nft delete chain inet redisguard rg_prerouting",
            "chain rg_prerouting is missing",
        ),
        ("nft add chain inet redisguard more", "chain more is not redisguard's"),
        ("nft delete element inet redisguard rg_reserved { 6381 }", "set rg_reserved was edited"),
        (
            "nft insert rule inet redisguard rg_guard ip saddr 10.9.0.0/16 return",
            "rg_guard was edited",
        ),
        ("nft flush chain inet redisguard rg_seal", "were not sealed when they were loaded"),
        ("nft flush table inet redisguard", "table inet redisguard was flushed"),
        ("nft delete table inet redisguard", "redisguard's rules are not loaded"),
        ("nft flush ruleset", "redisguard's rules are not loaded"),
    ] {
        host.sh(damage);
        let output = host.install(&["status", "--json"]);
        assert_eq!(exit_status(&output), 1, "{damage}: {}", transcript(&output));
        let findings = json(&output)["findings"].clone();
        let found = findings.as_array().unwrap().iter().any(|finding| {
            finding["kind"] == "rules"
                && finding["target"] == "nftables"
                && finding["detail"].as_str().unwrap().contains(named)
        });
        assert!(found, "{damage}: {findings:#}");
        let fixed = host.install(&["rules", "load"]);
        assert_eq!(exit_status(&fixed), 0, "{damage}: {}", transcript(&fixed));
        assert_eq!(host.sh("nft list ruleset"), whole, "{damage}");
    }
}

#[test]
fn a_host_with_nft_alone_is_guarded_by_it() {
    let Some(host) = host_with_nft() else { return };
    let nft = host.sh("command -v nft");
    host.sh(&format!("mkdir /run/tools && ln -s {} /run/tools/nft", nft.trim()));
    let with_nft_alone = |verb: &str| {
        let declared = if verb == "status" { &[][..] } else { &["--expect", "rules"] };
        let mut command = host.command("env");
        command.args(["PATH=/run/tools", INSTALL, verb]).args(declared).output().unwrap()
    };
    let before = host.sh("nft list ruleset");
    for verb in ["plan", "apply", "status", "apply"] {
        let output = with_nft_alone(verb);
        assert_eq!(
            exit_status(&output),
            i32::from(verb == "plan"),
            "{verb}: {}",
            transcript(&output)
        );
        assert_contains(&output, "nftables guards the ports");
    }
    assert!(host.sh("nft list ruleset").contains("table inet redisguard"));
    // iptables was installed meanwhile: it is what the bundle asks for.
    assert_contains(&install(&host, &["status"], 1), "left over");
    install(&host, &["apply"], 0);
    assert!(!host.sh("nft list tables").contains("redisguard"));
    assert!(host.sh("iptables-save").contains("REDISGUARD-IN"));
    install(&host, &["remove"], 0);
    assert_eq!(host.sh("nft list ruleset"), before);
}

#[test]
fn a_refusal_of_nft_leaves_everything_as_it_was() {
    let Some(host) = host_with_bundle() else { return };
    let nft = host.sh("command -v nft");
    let nft = nft.trim();
    // Where the rules are only tried, and on the host itself.
    for place in ["!=", "="] {
        let broken = format!(
            "#!/bin/sh\n\
             case \"$*\" in *--file*)\n\
                 [ $(readlink /proc/self/ns/net) {place} $(readlink /proc/$PPID/ns/net) ] &&\n\
                     {{ echo it is broken >&2; exit 1; }} ;;\n\
             esac\nexec {nft} \"$@\"\n"
        );
        host.sh(&format!(
            "cat > /usr/local/bin/nft <<'END'\n{broken}END\nchmod 755 /usr/local/bin/nft"
        ));
        let output = with_bundle(&host, &["apply"]);
        assert_eq!(exit_status(&output), 2, "{place}: {}", transcript(&output));
        assert_contains(&output, "it is broken");
        host.sh("rm /usr/local/bin/nft");
        assert!(!host.has("/etc/redisguard") && !host.has("/var/lib/redisguard"), "{place}");
        assert_eq!(host.sh("nft list ruleset"), "", "{place}");
    }
    // The same on a guarded host: the former rules stay.
    install(&host, &["apply"], 0);
    let before = host.sh("nft list ruleset 2>/dev/null; iptables-save | grep -v '^#'");
    host.sh("printf '#!/bin/sh\\nexit 1\\n' > /usr/local/bin/nft; chmod 755 /usr/local/bin/nft");
    assert_eq!(exit_status(&with_bundle(&host, &["apply"])), 2);
    // A broken nft is no reason for iptables not to guard.
    host.sh("iptables -F INPUT");
    install(&host, &["rules", "load"], 0);
    host.sh("rm /usr/local/bin/nft");
    assert_eq!(host.sh("nft list ruleset 2>/dev/null; iptables-save | grep -v '^#'"), before);
    install(&host, &["status"], 0);
}

#[test]
fn ports_that_stay_reserved_stay_in_their_sets_while_the_rules_change() {
    let Some(host) = host_with_bundle() else { return };
    assert_eq!(exit_status(&with_bundle(&host, &["apply"])), 0);
    let _monitor = host.start("sh", &["-c", "exec nft monitor > /run/heard"]);
    // Until what is done is heard.
    let heard = |mark: &str| {
        host.sh(&format!(
            "until grep -q '{mark}' /run/heard; do
                nft add table inet {mark}; nft delete table inet {mark}; sleep 0.1
            done"
        ));
    };
    heard("begun");
    let next = BY_NFT.replace("6400-6410", "6401-6411").replace("\"notice\"", "\"drop\"");
    host.copy_in(&bundle(&next).path().join("generated"), "/run/bundle");
    let output = with_bundle(&host, &["apply"]);
    assert_eq!(exit_status(&output), 0, "{}", transcript(&output));
    heard("done");
    // nft knows no name any more for the set of an element that goes.
    let changes = host.sh("grep 'element.*rg_reserved' /run/heard");
    assert_eq!(changes, "add element inet redisguard rg_reserved { 6411 }\n");
    let ports = host.sh("nft list set inet redisguard rg_reserved");
    assert!(!ports.contains("6400") && ports.contains("6401"), "{ports}");
    install(&host, &["status"], 0);
}
