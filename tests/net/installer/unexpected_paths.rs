//! Special files and directories with unsafe permissions at redisguard's paths are refused.

use super::drift_repair::{findings, names};
use super::{assert_contains, install, json, new_host};

#[test]
fn special_files_are_named_and_refused() {
    let Some(host) = new_host() else { return };
    host.install(&["apply"]);
    let (rules, log) = ("/etc/redisguard/rules.v4", "/var/log/redis_port_notice.log");
    host.sh(&format!("rm {rules} {log}; mkdir {rules}; mkfifo {log}; rm /etc/redisguard/rules.v6"));
    let found = findings(&host, &[]);
    assert!(names(&found, "file", rules, "is a directory"), "{found:#?}");
    assert!(names(&found, "file", log, "is neither a file nor a link"), "{found:#?}");
    // Whatever else there is to find is found as well.
    assert!(names(&found, "file", "/etc/redisguard/rules.v6", "is missing"), "{found:#?}");
    assert_eq!(found.len(), 3, "{found:#?}");
    for verb in ["plan", "apply"] {
        let refused = install(&host, &[verb], 2);
        assert_contains(&refused, "neither a file nor a link");
    }
    host.sh(&format!("rmdir {rules}; rm {log}"));
    install(&host, &["apply"], 0);
    assert_eq!(findings(&host, &[]).len(), 0);
}

#[test]
fn a_directory_that_others_may_write_to_is_named_with_a_fix() {
    let Some(host) = new_host() else { return };
    host.install(&["apply"]);
    let (rules, state) = ("/etc/redisguard", "/var/lib/redisguard");
    let kept = "/var/lib/redisguard/bundle";
    host.sh(&format!("chmod 777 {rules} {state}; chmod g+w {kept}; chown 1000 {kept}/host"));
    let output = host.install(&["status", "--json"]);
    let answer = json(&output);
    let found = answer["findings"].as_array().unwrap();
    for (target, detail) in [
        (rules, "can be written by others than root (mode 0777)"),
        (state, "can be written by others than root (mode 0777)"),
        (kept, "can be written by others than root (mode 0775)"),
        ("/var/lib/redisguard/bundle/host", "belongs to user 1000, not to root"),
    ] {
        assert!(names(found, "file", target, detail), "{target}: {found:#?}");
    }
    assert_eq!(found.len(), 4, "{found:#?}");
    assert_eq!((&answer["in_sync"], &answer["healthy"]), (&false.into(), &true.into()));
    assert!(!answer["mend"].to_string().contains("apply"), "{answer:#}");
    host.sh(answer["mend"].as_str().unwrap());
    assert_eq!(findings(&host, &[]).len(), 0);
}
