//! Each refusal has one line with its cause, and one with the fix.

use super::{OTHER, bundle, exit_status, install, new_host};
use crate::support::{INSTALL, transcript};
use std::process::{Command, Output};

/// A refusal with one cause and one cure, which says this.
#[track_caller]
fn cured(output: &Output, cause: &str, cure: &str) {
    let text = transcript(output);
    assert_eq!(exit_status(output), 2, "{text}");
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().collect();
    let [first, second] = lines[..] else { panic!("no cause and one cure: {text}") };
    assert!(first.starts_with("error: could not ") && first.contains(cause), "{cause}: {text}");
    assert_eq!(first.matches(cause).count(), 1, "{text}");
    assert!(second.starts_with("  ") && second.contains(cure), "{cure}: {text}");
}

#[test]
fn a_directory_or_a_dangling_link_in_the_way_is_refused_with_a_fix() {
    let Some(host) = new_host() else { return };
    host.sh("mkdir -p /var/lib/redisguard/receipt.json");
    for verb in ["plan", "apply", "remove"] {
        cured(&host.install(&[verb]), "receipt.json", "status prints the command");
    }
    let status = transcript(&install(&host, &["status"], 1));
    let words = status.split_whitespace().collect::<Vec<_>>().join(" ");
    let away = "mv /var/lib/redisguard/receipt.json /var/lib/redisguard/receipt.json.damaged";
    assert!(words.contains(&format!("run: {away};")), "{status}");
    host.sh(away);
    install(&host, &["apply"], 0);
    install(&host, &["remove"], 0);
    host.sh("rm -r /var/lib/redisguard; ln -s /nowhere /etc/redisguard");
    cured(&host.install(&["apply"]), "leads nowhere", "remove that link");

    let tree = tempfile::tempdir().unwrap();
    std::fs::create_dir(tree.path().join("etc")).unwrap();
    std::os::unix::fs::symlink("/nowhere", tree.path().join("etc/redisguard")).unwrap();
    for verb in ["plan", "apply"] {
        let output = Command::new(INSTALL).arg("--root").arg(tree.path()).arg(verb).output();
        cured(&output.unwrap(), "cannot be followed", "remove that link");
    }
}

#[test]
fn a_change_that_cannot_wait_for_its_confirmation_names_one_fix() {
    let Some(host) = new_host() else { return };
    cured(&host.install(&["revert"]), "no change waits", "redisguard-install status");
    host.sh("mkdir /var/lib/redisguard; mount -t tmpfs -o noexec tmpfs /var/lib/redisguard");
    cured(&host.install(&["apply", "--confirm", "5s"]), "noexec", "without --confirm");
    host.sh("umount /var/lib/redisguard; rmdir /var/lib/redisguard");

    // As if systemd ran, and its package lacked a program.
    host.sh("mkdir -p /run/systemd/system /run/few
             for tool in $(command -v iptables{,-save,-restore} ip6tables{,-save,-restore} nft sh); do
                 ln -s $tool /run/few
             done
             printf '#!/bin/sh\\n' > /run/few/systemctl; chmod 755 /run/few/systemctl");
    let apply = format!("PATH=/run/few; exec {INSTALL} apply --confirm 5s");
    cured(&host.run("bash", &["-c", &apply]), "run systemd-run", "without --confirm");
    host.sh("rm -r /run/systemd");

    let other = bundle(OTHER);
    host.copy_in(&other.path().join("generated"), "/run/other");
    install(&host, &["--bundle", "/run/other", "apply"], 0);
    host.sh("rm /var/lib/redisguard/bundle/SHA256SUMS");
    let apply = ["--bundle", "built-in", "apply", "--confirm", "5s"];
    cured(&host.install(&apply), "SHA256SUMS", "once without --confirm");
}

#[test]
fn a_user_without_rights_gets_one_cause_and_one_fix() {
    let Some(host) = new_host() else { return };
    install(&host, &["apply"], 0);
    host.sh(&format!("cp {INSTALL} /run/install && chmod 755 /run /run/install"));
    let as_nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "/run/install"];
    let run = |verb: &[&str]| host.run("setpriv", &[&as_nobody[..], verb].concat());
    cured(&run(&["rules", "load"]), "ermission denied", "run it as root");
    cured(&run(&["rules", "unload"]), "ermission denied", "run it as root");
    cured(&run(&["apply"]), "ermission denied", "run it as root");
}

#[test]
fn the_fix_for_a_unit_masked_in_a_tree_unmasks_it_in_that_tree() {
    let tree = tempfile::tempdir().unwrap();
    let units = tree.path().join("etc/systemd/system");
    std::fs::create_dir_all(&units).unwrap();
    let unit = "redis-port-notice.service";
    std::os::unix::fs::symlink("/dev/null", units.join(unit)).unwrap();
    let run = |verb: &str| {
        Command::new(INSTALL).arg("--root").arg(tree.path()).arg(verb).output().unwrap()
    };
    let root = tree.path().canonicalize().unwrap();
    let unmask = format!("systemctl --root={} unmask {unit}", root.display());
    cured(&run("apply"), "masked", &unmask);
}

#[test]
fn a_tool_that_hangs_behind_a_script_is_ended_and_a_fix_is_named() {
    let Some(host) = new_host() else { return };
    host.sh("printf '#!/bin/sh\\nsleep 600\\ntrue\\n' > /usr/local/sbin/iptables-save
             chmod 755 /usr/local/sbin/iptables-save");
    let output = host.run("timeout", &["150", INSTALL, "plan"]);
    cured(&output, "did not end within 45 s", "find out what it waits for");
}
