//! `rehearse` finds a bundle that does not block, as root and as a user, and leaves nothing behind.

use crate::support::{INSTALL, case, need, root, specs, tools, transcript};
use redisguard::bundle::{Bundle, SUMS, sha256_hex};
use redisguard::spec::{Source, Spec};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
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
    let files = redisguard::files::read_tree(bundle).unwrap();
    let lines = files.iter().filter(|(path, _)| *path != SUMS);
    let text: String =
        lines.map(|(path, bytes)| format!("{}  {path}\n", sha256_hex(bytes))).collect();
    fs::write(bundle.join(SUMS), text).unwrap();
}

#[test]
fn the_shipped_bundle_meets_its_expectations() {
    if !able() {
        return;
    }
    let output = rehearse(&root().join("generated"), &[]);
    assert!(output.status.success(), "{}", transcript(&output));
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
    assert!(output.status.success(), "{}", transcript(&output));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["as_expected"], true);
    let stopped = answer["attempts"].as_array().unwrap().iter();
    assert_eq!(stopped.filter(|attempt| attempt["observed"] == "silence").count(), 4);
}

#[test]
fn an_ip_that_reads_process_ids_from_proc_connects_the_right_network() {
    if !able() {
        return;
    }
    // As iproute2 does from 6.15 on; /proc is that of this test, and not of the rehearsal.
    let newer = "#!/bin/sh\nPATH=${PATH#*:}\nfor word; do\n  shift\n  case $before$word in\n    \
                 netns[1-9]*) word=/proc/$word/ns/net ;;\n  esac\n  set -- \"$@\" \"$word\"\n  \
                 before=$word\ndone\nexec ip \"$@\"\n";
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("ip");
    fs::write(&program, newer).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let output = Command::new(INSTALL).arg("rehearse").env("PATH", path).output().unwrap();
    assert!(output.status.success(), "{}", transcript(&output));
}

/// The bundle of a TOML with this backend, in a folder of its own.
fn rendered(toml: &Path, backend: &str) -> TempDir {
    let text = fs::read_to_string(toml).unwrap();
    let mut table: toml::Table = toml::from_str(&text).unwrap();
    let firewall = table.entry("firewall").or_insert(toml::Table::new().into());
    firewall.as_table_mut().unwrap().insert("backend".to_owned(), backend.into());
    let source = Source::from_bytes("x.toml", table.to_string().into_bytes()).unwrap();
    let bundle = Bundle::render(&Spec::parse(source).unwrap().0).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in bundle.artifacts() {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

#[test]
fn every_good_case_meets_its_expectations_with_both_backends() {
    if !able() || !tools(&["nft"]) {
        return;
    }
    let backends = |toml: PathBuf| ["iptables", "nftables"].map(|backend| (toml.clone(), backend));
    let cases = specs("good").into_iter().flat_map(backends).collect::<Vec<_>>();
    // A rehearsal waits for what is dropped: many of them at once take little longer than one.
    let (next, broken) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some((toml, backend)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let output = rehearse(rendered(toml, backend).path(), &[]);
            if !output.status.success() {
                let broke = format!("{} with {backend}: {}", case(toml), transcript(&output));
                broken.lock().unwrap().push(broke);
            }
        }
    };
    thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(work))));
    let broken = broken.into_inner().unwrap();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn a_bundle_that_does_not_block_is_found() {
    if !able() {
        return;
    }
    let folder = for_anybody();
    let bundle = folder.path().join("generated");
    let rules = bundle.join("host/etc/redisguard/rules.v6");
    let text = fs::read_to_string(&rules).unwrap();
    // What stops packets by their port, and what marks them so that they are stopped anyway.
    let stops = ["-A REDISGUARD-IN -p", "-A REDISGUARD-BLOCK -p"];
    let open: Vec<&str> =
        text.lines().filter(|line| !stops.iter().any(|stop| line.starts_with(stop))).collect();
    fs::write(&rules, format!("{}\n", open.join("\n"))).unwrap();
    seal(&bundle);
    let output = rehearse(&bundle, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", transcript(&output));
    let said = transcript(&output);
    assert!(said.contains("2 of 60 attempts differ"), "{said}");
    assert!(said.contains("| silence  | silence | **notice**"), "{said}");
    assert!(said.contains("| silence  | silence | **served**"), "{said}");
}

#[test]
fn missing_programs_are_named() {
    let empty = tempfile::tempdir().unwrap();
    let output = Command::new(INSTALL).arg("rehearse").env("PATH", empty.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = transcript(&output);
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
fn a_killed_rehearsal_leaves_nothing_behind() {
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
    assert!(!transcript(&links).contains("rg-host"), "{}", transcript(&links));
}
