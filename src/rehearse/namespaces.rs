//! Owns the way in: what a rehearsal needs, and new namespaces for it, as root or as anybody.

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

/// Runs this program again inside of new namespaces, with the given arguments; its exit status.
///
/// # Errors
/// Exactly what is missing: programs, or the right to make namespaces.
pub fn enter(guard_config: &GuardConfig, arguments: &[&OsStr]) -> Result<i32, Error> {
    tools(guard_config)?;
    namespaces()?;
    let failed = |error| Error::new("start the rehearsal", error);
    // The pipe to its standard input says that we live; see `stage::host`.
    let mut child = Command::new("/proc/self/exe")
        .args(arguments)
        .env(super::STAGE, "host")
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

/// Every program that is needed and not there, in one message.
fn tools(guard_config: &GuardConfig) -> Result<(), Error> {
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
    let trouble = Error::new("rehearse", format!("not found: {}", programs.join(", ")));
    Err(trouble.help(format!("on Debian: sudo apt-get install {}", packages.join(" "))))
}

/// New network, mount and process namespaces; in a user namespace of our own where rights are
/// missing. Must run before any thread starts.
fn namespaces() -> Result<(), Error> {
    let parts = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID;
    if Uid::effective().is_root() && unshare(parts).is_ok() {
        return Ok(());
    }
    let (user, group) = (getuid(), getgid());
    unshare(parts | CloneFlags::CLONE_NEWUSER).map_err(refused)?;
    let map = |file: &str, text: String| {
        fs::write(Path::new("/proc/self").join(file), text)
            .map_err(|error| Error::new(format!("write /proc/self/{file}"), error))
    };
    map("setgroups", "deny".to_owned())?;
    map("uid_map", format!("0 {user} 1"))?;
    map("gid_map", format!("0 {group} 1"))
}

fn refused(error: Errno) -> Error {
    let trouble = Error::new("make namespaces", error.desc());
    trouble.help(match error {
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
