//! Without `--bundle`, `plan` and `apply` use the bundle that the host has from where it came.

use super::*;

const KEPT: &str = "note: using the kept copy of the bundle applied on ";
const NAME_KEPT: &str = "redisguard-install --bundle /var/lib/redisguard/bundle apply";
const NAME_BUILT_IN: &str = "redisguard-install --bundle built-in apply";

fn guarded_by_another() -> Option<Host> {
    let host = new_host()?;
    host.copy_in(&bundle(OTHER).path().join("generated"), "/run/other");
    install(&host, &["--bundle", "/run/other", "apply"], 0);
    Some(host)
}

fn origin(host: &Host) -> String {
    host.sh("grep -o '\"origin\": \"[a-z]*\"' /var/lib/redisguard/receipt.json")
}

#[test]
fn a_bundle_of_a_directory_stays_applied() {
    let Some(host) = guarded_by_another() else { return };
    let rules = host.rules();
    assert_contains(&install(&host, &["plan"], 0), KEPT);
    host.sh("nft flush ruleset; echo >> /etc/redisguard/notice.toml; rm -r /run/other");
    assert_contains(&install(&host, &["apply"], 0), KEPT);
    assert_eq!(host.rules(), rules);
    assert_eq!(origin(&host), "\"origin\": \"directory\"\n");
    install(&host, &["status"], 0);

    let built_in = install(&host, &["--bundle", "built-in", "apply"], 0);
    assert!(!transcript(&built_in).contains(KEPT), "{}", transcript(&built_in));
    assert_eq!(origin(&host), "\"origin\": \"program\"\n");
    let again = install(&host, &["apply"], 0);
    assert!(!transcript(&again).contains(KEPT), "{}", transcript(&again));
    assert_contains(&again, "nothing to change");
}

#[test]
fn a_kept_copy_that_is_damaged_is_refused_with_both_ways_out() {
    let Some(host) = guarded_by_another() else { return };
    let rules = host.rules();
    host.sh("echo >> /var/lib/redisguard/bundle/host/etc/redisguard/rules.v4");
    for verb in ["plan", "apply"] {
        let refused = install(&host, &[verb], 2);
        assert_contains(&refused, "could not use the bundle /var/lib/redisguard/bundle: ");
        assert_contains(&refused, "fix: redisguard-install --bundle DIR apply");
        assert_contains(&refused, NAME_BUILT_IN);
    }
    assert_eq!(host.rules(), rules);
    install(&host, &["--bundle", "/run/other", "apply"], 0);
    install(&host, &["status"], 0);
}

#[test]
fn a_damaged_copy_of_the_built_in_bundle_needs_no_directory() {
    let Some(host) = new_host() else { return };
    let generated = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("generated");
    host.copy_in(&generated, "/run/same");
    install(&host, &["--bundle", "/run/same", "apply"], 0);
    host.sh("rm -r /var/lib/redisguard/bundle");
    install(&host, &["apply"], 0);
    install(&host, &["status"], 0);
}

#[test]
fn rules_whose_bundle_is_unknown_are_not_replaced_by_a_guess() {
    let Some(host) = guarded_by_another() else { return };
    let rules = host.rules();
    host.sh("rm /var/lib/redisguard/receipt.json");
    for verb in ["plan", "apply"] {
        let refused = install(&host, &[verb], 2);
        assert_contains(&refused, "redisguard's rules are loaded, but its record");
        assert_contains(&refused, NAME_KEPT);
        assert_contains(&refused, NAME_BUILT_IN);
    }
    assert_eq!(host.rules(), rules);
    // The lost record also had what the host declares.
    host.sh(&format!("{NAME_KEPT} --expect rules"));
    assert_eq!(host.rules(), rules);
    install(&host, &["status"], 0);
}

#[test]
fn an_offline_tree_keeps_its_bundle_too() {
    if !able() {
        return;
    }
    let other = bundle(OTHER);
    let tree = tempfile::tempdir().unwrap();
    let apply = |arguments: &[&str]| {
        let mut command = Command::new(INSTALL);
        command.arg("--root").arg(tree.path()).args(arguments).output().unwrap()
    };
    let generated = other.path().join("generated");
    let applied = apply(&["--bundle", generated.to_str().unwrap(), "apply"]);
    assert_eq!(exit_status(&applied), 0, "{}", transcript(&applied));
    let again = apply(&["apply"]);
    assert_eq!(exit_status(&again), 0, "{}", transcript(&again));
    assert_contains(&again, KEPT);
    assert_contains(&again, "nothing to change");
    std::fs::remove_file(tree.path().join("var/lib/redisguard/bundle/SHA256SUMS")).unwrap();
    let refused = apply(&["apply"]);
    assert_eq!(exit_status(&refused), 2);
    let root = tree.path().canonicalize().unwrap();
    assert_contains(
        &refused,
        &format!("redisguard-install --root {} --bundle DIR", root.display()),
    );
}
