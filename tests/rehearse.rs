//! `redisguard-install rehearse`, as root and as anybody: what it shows, that it can fail, and that
//! nothing stays behind.
#![allow(clippy::unwrap_used)]

mod support;

use redisguard::bundle::{SUMS, hex};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use support::{INSTALL, need, root, told, tools};
use tempfile::TempDir;

fn able() -> bool {
    let userns = Command::new("unshare").args(["-Urn", "true"]).status();
    let able = userns.is_ok_and(|status| status.success());
    need("user namespaces, or root", able || nix::unistd::Uid::effective().is_root())
        && tools(&["ip", "iptables-restore", "ip6tables-restore"])
}

/// The program and the shipped bundle where an ordinary user can read them.
fn for_anybody() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy(INSTALL, folder.path().join("redisguard-install")).unwrap();
    let copy =
        Command::new("cp").arg("-r").arg(root().join("generated")).arg(folder.path()).status();
    assert!(copy.unwrap().success());
    folder
}

fn rehearse(bundle: &Path, arguments: &[&str]) -> Output {
    Command::new(INSTALL)
        .arg("--bundle")
        .arg(bundle)
        .arg("rehearse")
        .args(arguments)
        .output()
        .unwrap()
}

/// Sums that fit whatever the folder holds now: an altered bundle that pretends to be reviewed.
fn seal(bundle: &Path) {
    let files = redisguard::host::files::read_tree(bundle).unwrap();
    let lines = files.iter().filter(|(path, _)| *path != SUMS);
    let text: String = lines.map(|(path, bytes)| format!("{}  {path}\n", hex(bytes))).collect();
    fs::write(bundle.join(SUMS), text).unwrap();
}

#[test]
fn the_shipped_bundle_keeps_its_promise() {
    if !able() {
        return;
    }
    let output = rehearse(&root().join("generated"), &[]);
    assert!(output.status.success(), "{}", told(&output));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.lines().all(|line| line.chars().count() <= 80), "{said}");
    insta::with_settings!({filters => vec![("bundle [0-9a-f]{12}", "bundle DIGEST")]}, {
        insta::assert_snapshot!(said);
    });
}

#[test]
fn an_ordinary_user_sees_the_same() {
    if !able() || !need("setpriv", Command::new("setpriv").arg("--version").output().is_ok()) {
        return;
    }
    let folder = for_anybody();
    let mut command = Command::new("setpriv");
    if nix::unistd::Uid::effective().is_root() {
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    }
    command.arg(folder.path().join("redisguard-install")).arg("--bundle");
    command.arg(folder.path().join("generated")).args(["--json", "rehearse"]);
    let output = command.current_dir("/").output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["as_expected"], true);
    let stopped = answer["attempts"].as_array().unwrap().iter();
    assert_eq!(stopped.filter(|attempt| attempt["observed"] == "silence").count(), 4);
}

#[test]
fn every_policy_is_kept() {
    if !able() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let spec =
        std::fs::read_to_string(root().join("tests/specs/good/every-policy/redisguard.toml"))
            .unwrap();
    for backend in ["iptables", "nftables"] {
        let spec = spec.replace("[firewall]", &format!("[firewall]\nbackend = \"{backend}\""));
        std::fs::write(folder.path().join("redisguard.toml"), spec).unwrap();
        let output = Command::new(support::GEN).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", told(&output));
        let output = rehearse(&folder.path().join("generated"), &[]);
        assert!(output.status.success(), "{backend}: {}", told(&output));
    }
}

#[test]
fn a_bundle_that_does_not_guard_is_found_out() {
    if !able() {
        return;
    }
    let folder = for_anybody();
    let bundle = folder.path().join("generated");
    let rules = bundle.join("host/etc/redisguard/rules.v6");
    let text = fs::read_to_string(&rules).unwrap();
    // What stops packets by their port, and what marks them so that they are stopped anyway.
    let stops = ["-A REDISGUARD-IN -p", "-A REDISGUARD-MARK -p"];
    let open: Vec<&str> =
        text.lines().filter(|line| !stops.iter().any(|stop| line.starts_with(stop))).collect();
    fs::write(&rules, format!("{}\n", open.join("\n"))).unwrap();
    seal(&bundle);
    let output = rehearse(&bundle, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let said = told(&output);
    assert!(said.contains("2 of 60 attempts differ"), "{said}");
    assert!(said.contains("| silence  | silence | **notice**"), "{said}");
    assert!(said.contains("| silence  | silence | **served**"), "{said}");
}

#[test]
fn what_is_missing_is_named() {
    let empty = tempfile::tempdir().unwrap();
    let output = Command::new(INSTALL).arg("rehearse").env("PATH", empty.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = told(&output);
    assert!(said.contains("iptables-restore") && said.contains("ip"), "{said}");
    assert!(said.contains("apt-get install iptables iproute2"), "{said}");
}

/// Processes whose environment has the mark.
fn marked(mark: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    processes
        .filter(|path| {
            let environment = fs::read(path.join("environ")).unwrap_or_default();
            String::from_utf8_lossy(&environment).contains(mark)
        })
        .map(|path| path.display().to_string())
        .collect()
}

#[test]
fn nothing_stays_behind_when_it_is_killed() {
    if !able() {
        return;
    }
    for pause in [0, 50, 150, 400, 900] {
        let mark = format!("REDISGUARD_TEST_MARK=killed-{}-{pause}", std::process::id());
        let (name, value) = mark.split_once('=').unwrap();
        let mut command = Command::new(INSTALL);
        command.arg("rehearse").env(name, value).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.process_group(0).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(pause));
        child.kill().unwrap();
        child.wait().unwrap();
        let gone = (0..200).any(|_| {
            let left = marked(&mark);
            if !left.is_empty() {
                std::thread::sleep(std::time::Duration::from_millis(25));
            }
            left.is_empty()
        });
        assert!(gone, "killed after {pause} ms: {:?} are left", marked(&mark));
    }
    let links = Command::new("ip").args(["-brief", "link"]).output().unwrap();
    assert!(!told(&links).contains("rg-host"), "{}", told(&links));
}
