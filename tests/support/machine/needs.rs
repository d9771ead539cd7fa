//! Checks what a machine needs of this host, and names what is missing.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What the cgroups of machines are called, before the number of the process that owns them.
pub(super) const PREFIX: &str = "redisguard-test-";
/// Every program and the Debian package that has it.
const PROGRAMS: [(&str, &str); 11] = [
    ("systemd-nspawn", "systemd-container"),
    ("debootstrap", "debootstrap"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("flock", "util-linux"),
    ("findmnt", "util-linux"),
    ("sysctl", "procps"),
    ("ip", "iproute2"),
    ("iptables-nft-save", "iptables"),
    ("iptables-legacy-save", "iptables"),
    ("timeout", "coreutils"),
];

/// The tree that machines are copies of. `None`: this host cannot run any, and that was said.
pub(super) fn base_tree() -> Option<PathBuf> {
    static BASE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match BASE.get_or_init(find) {
        Ok(base) => Some(base.clone()),
        Err(why) if std::env::var_os("REDISGUARD_REQUIRE_ALL").is_some_and(|all| all == "1") => {
            panic!("a test on a booted host cannot run, and all were required: {why}")
        }
        Err(why) => {
            // Past the test harness, which shows only what failing tests print.
            let name = std::thread::current().name().unwrap_or("a test").to_owned();
            let _ = writeln!(io::stderr(), "skipped {name}: {why}");
            None
        }
    }
}

fn find() -> Result<PathBuf, String> {
    if !nix::unistd::Uid::effective().is_root() {
        return Err("only root can boot a host".to_owned());
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let paths: Vec<PathBuf> = std::env::split_paths(&paths).collect();
    let found = |program: &str| paths.iter().any(|path| path.join(program).is_file());
    let missing: Vec<String> = PROGRAMS
        .iter()
        .filter(|(program, _)| !found(program))
        .map(|(program, package)| format!("{program} (Debian: {package})"))
        .collect();
    if !missing.is_empty() {
        return Err(format!("not found: {}", missing.join(", ")));
    }
    if cgroups().is_none() {
        return Err("no cgroup v2 is mounted, not even beside v1".to_owned());
    }
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/base-tree");
    let built = Command::new(tool).output().map_err(|error| format!("base-tree: {error}"))?;
    let path = String::from_utf8_lossy(&built.stdout).trim().to_owned();
    if !built.status.success() || path.is_empty() {
        return Err(String::from_utf8_lossy(&built.stderr).trim().to_owned());
    }
    probe(&path)?;
    Ok(path.into())
}

/// Whether the kernel and what surrounds this process let it make what a machine is made of.
fn probe(base: &str) -> Result<(), String> {
    let name = format!("{PREFIX}{}-probe", std::process::id());
    // Closed input: it makes everything and ends.
    let tried = Command::new("unshare")
        .args(["--mount", "--propagation=private", "--pid", "--mount-proc", "--kill-child"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/hold-machine"))
        .args([base, &name, "16M", "cable", "2"])
        .stdin(std::process::Stdio::null())
        .output();
    remove_cgroup(&name);
    match tried {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', " | ");
            Err(format!("namespaces, mounts or networks cannot be made here: {said}"))
        }
        Err(error) => Err(format!("unshare: {error}")),
    }
}

/// Where cgroup v2 is mounted: alone, or beside v1.
pub fn cgroups() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let unified = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
    unified.split(' ').nth(4).map(PathBuf::from)
}

/// Takes away the cgroups of a machine that is gone.
pub(super) fn remove_cgroup(name: &str) {
    fn remove(directory: &Path) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                remove(&entry.path());
            }
        }
        // One that is in use stays.
        let _ = fs::remove_dir(directory);
    }
    if let Some(root) = cgroups() {
        remove(&root.join(name));
    }
}

/// Takes away what runs that were killed left: cgroups without a process.
pub(super) fn sweep() {
    let entries = cgroups().and_then(|root| fs::read_dir(root).ok());
    for entry in entries.into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|owner| !Path::new("/proc").join(owner).exists()) {
            remove_cgroup(&name);
        }
    }
}
