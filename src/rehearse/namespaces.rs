//! The first process of a rehearsal: checks what it needs and makes its namespaces, as root or as an ordinary
//! user.
//!
//! Never: starts a thread before `unshare`. unshare(2) moves only the calling thread, and fails with EINVAL
//! for a user namespace in a process with threads.

use super::stage::STAGE;
use crate::bundle::GuardConfig;
use crate::error::Error;
use crate::os::command::is_installed;
use crate::spec::Backend;
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Uid, getgid, getuid};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs this program again in new namespaces, with the given arguments; returns its exit status.
///
/// # Errors
/// Programs are not installed, or this process may not make namespaces.
pub fn enter(guard_config: &GuardConfig, arguments: &[&OsStr]) -> Result<i32, Error> {
    require_programs(guard_config)?;
    unshare_namespaces()?;
    let failed = |error| Error::new("start the rehearsal", error);
    // A new process, because only children are in a new process namespace (pid_namespaces(7)). The pipe
    // to its standard input is open as long as this process lives: see `guarded_host::die_with_parent`.
    let mut child = Command::new("/proc/self/exe")
        .args(arguments)
        .env(STAGE, "host")
        .stdin(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let alive = child.stdin.take();
    let status = child.wait().map_err(failed)?;
    drop(alive);
    match status.code() {
        Some(code) => Ok(code),
        None => Err(Error::new("finish the rehearsal", format!("it ended by {status}"))),
    }
}

/// Fails if any program is missing, and names all of them at once.
fn require_programs(guard_config: &GuardConfig) -> Result<(), Error> {
    let firewall: &[(&str, &str)] = match guard_config.backend {
        Backend::Iptables => &[
            ("iptables", "iptables"),
            ("iptables-restore", "iptables"),
            ("ip6tables", "iptables"),
            ("ip6tables-restore", "iptables"),
        ],
        Backend::Nftables => &[("nft", "nftables")],
    };
    let needed = firewall.iter().chain(&[("ip", "iproute2")]);
    let missing: Vec<_> = needed.filter(|(program, _)| !is_installed(program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let programs: Vec<_> = missing.iter().map(|(program, _)| *program).collect();
    let mut packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    packages.dedup();
    let error = Error::new("rehearse", format!("not found: {}", programs.join(", ")));
    Err(error.help(format!("on Debian: sudo apt-get install {}", packages.join(" "))))
}

/// Moves this process into new network and mount namespaces, and its children into a new process namespace;
/// without privileges, within a new user namespace in which it is root.
fn unshare_namespaces() -> Result<(), Error> {
    let parts = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID;
    if Uid::effective().is_root() && unshare(parts).is_ok() {
        return Ok(());
    }
    // Read before unshare: afterwards both are the overflow ids until they are mapped.
    let (user, group) = (getuid(), getgid());
    unshare(parts | CloneFlags::CLONE_NEWUSER).map_err(refused)?;
    let map = |file: &str, text: String| {
        fs::write(Path::new("/proc/self").join(file), text)
            .map_err(|error| Error::new(format!("write /proc/self/{file}"), error))
    };
    // The kernel lets an ordinary user write gid_map only after this (user_namespaces(7)).
    map("setgroups", "deny".to_owned())?;
    map("uid_map", format!("0 {user} 1"))?;
    map("gid_map", format!("0 {group} 1"))
}

fn refused(error: Errno) -> Error {
    Error::new("make namespaces", error.desc()).help(match error {
        Errno::EPERM => {
            "this kernel or container keeps user namespaces from ordinary users; run it as root \
             (see sysctl kernel.unprivileged_userns_clone, \
             kernel.apparmor_restrict_unprivileged_userns)"
        }
        Errno::ENOSPC => {
            "the limit user.max_user_namespaces is reached or 0; raise it, or use root"
        }
        _ => "the kernel lacks network, user or process namespaces",
    })
}
