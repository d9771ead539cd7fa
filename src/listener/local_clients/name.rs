//! From the path of a control group to the name of a service or container. Pure.
//!
//! Guarantees: the name is the one that the host's own systemd or container engine gave: what a service
//! calls the groups below its own does not count.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

/// What a local client is called: one of the fields `unit`, `container` and `cgroup`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// A systemd unit, as systemd writes it.
    Unit(Box<[u8]>),
    /// A container: the first 12 digits of its id, as the engines show it.
    Container(Box<[u8]>),
    /// A control group of neither: its path below the root of what this process sees.
    Path(Box<[u8]>),
    /// A control group that was not found, by its number.
    Id(u64),
    /// The client could not be identified.
    Unknown,
}

/// Hexadecimal digits of a container's id, and of its short form.
const ID_DIGITS: usize = 64;
const SHORT_DIGITS: usize = 12;
/// The kinds of units that processes run in, and that are not slices (systemd.unit(5)).
const KINDS: [&str; 5] = [".service", ".scope", ".socket", ".mount", ".swap"];

impl Name {
    /// The name of the control group at `path` below the file system's root, which begins with `/`.
    pub(super) fn of_path(path: &Path) -> Name {
        let parts = || {
            path.components().filter_map(|part| match part {
                Component::Normal(part) => Some(part),
                _ => None,
            })
        };
        // A systemd or an engine within a container has names of its own: the host's comes first.
        if let Some(id) = parts().find_map(container_id) {
            return Name::Container(id.into());
        }
        let mut after_slices = parts().skip_while(is_slice);
        let unit = after_slices.next().and_then(unit_name);
        // The units of a user's systemd are below its own (user@1000.service).
        let of_user = unit.filter(|unit| unit.starts_with(b"user@")).and_then(|_| {
            let inner = after_slices.find(|part| !is_slice(part))?;
            unit_name(inner)
        });
        match of_user.or(unit) {
            Some(unit) => Name::Unit(unit.into()),
            None => Name::Path(path.as_os_str().as_bytes().into()),
        }
    }
}

fn is_slice(part: &&OsStr) -> bool {
    part.as_bytes().ends_with(b".slice")
}

/// The unit of that group. systemd puts `_` before a name that the kernel could take for one of its own
/// files, such as `memory.service`.
fn unit_name(part: &OsStr) -> Option<&[u8]> {
    let name = part.as_bytes();
    let name = name.strip_prefix(b"_").unwrap_or(name);
    let is_unit = |kind: &&str| name.len() > kind.len() && name.ends_with(kind.as_bytes());
    KINDS.iter().any(is_unit).then_some(name)
}

/// The short id of a container: `docker-ID.scope`, `cri-containerd-ID.scope`, `crio-ID.scope`,
/// `libpod-ID.scope`, `…:cri-containerd:ID`, or only `ID` below `docker` or `kubepods`.
fn container_id(part: &OsStr) -> Option<&[u8]> {
    let part = part.as_bytes();
    let part = part.strip_suffix(b".scope").unwrap_or(part);
    let (prefix, id) = part.split_at_checked(part.len().checked_sub(ID_DIGITS)?)?;
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_id = id.iter().all(is_hex) && matches!(prefix.last(), None | Some(b'-' | b':'));
    // The engine's monitor of a container has a group of its own, outside of the container.
    let is_monitor = prefix.ends_with(b"conmon-");
    (is_id && !is_monitor).then(|| &id[..SHORT_DIGITS])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn name(path: &str) -> String {
        match Name::of_path(Path::new(&path.replace("ID", ID))) {
            Name::Unit(unit) => format!("unit {}", String::from_utf8_lossy(&unit)),
            Name::Container(id) => format!("container {}", String::from_utf8_lossy(&id)),
            Name::Path(path) => format!("cgroup {}", String::from_utf8_lossy(&path)),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_unit_is_named_by_the_hosts_own_systemd() {
        let session = "/user.slice/user-1000.slice";
        for (path, unit) in [
            ("/system.slice/billing.service".to_owned(), "billing.service"),
            ("/system.slice/billing.service/sub/group".to_owned(), "billing.service"),
            ("/system.slice/billing.service/sshd.service".to_owned(), "billing.service"),
            (
                "/system.slice/system-getty.slice/getty@tty1.service".to_owned(),
                "getty@tty1.service",
            ),
            ("/system.slice/_memory.service".to_owned(), "memory.service"),
            (r"/system.slice/a\x2db.mount".to_owned(), r"a\x2db.mount"),
            ("/init.scope".to_owned(), "init.scope"),
            (format!("{session}/session-3.scope"), "session-3.scope"),
            (format!("{session}/user@1000.service/init.scope"), "init.scope"),
            (format!("{session}/user@1000.service/app.slice/app-foo.service"), "app-foo.service"),
            (format!("{session}/user@1000.service/app.slice"), "user@1000.service"),
            (format!("{session}/user@1000.service/app.slice/group"), "user@1000.service"),
            (
                "/machine.slice/systemd-nspawn@web.service/payload".to_owned(),
                "systemd-nspawn@web.service",
            ),
            (r"/machine.slice/machine-a\x2db.scope".to_owned(), r"machine-a\x2db.scope"),
            (
                "/machine.slice/libpod-conmon-ID.scope".to_owned(),
                &*format!("libpod-conmon-{ID}.scope"),
            ),
        ] {
            assert_eq!(name(&path), format!("unit {unit}"), "{path}");
        }
    }

    #[test]
    fn a_container_is_named_by_its_short_id() {
        let pod = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0a_1b.slice";
        for path in [
            "/system.slice/docker-ID.scope",
            "/system.slice/docker-ID.scope/system.slice/sshd.service",
            "/docker/ID",
            "/docker/ID/docker/0000000000000000000000000000000000000000000000000000000000000000",
            "/machine.slice/libpod-ID.scope/container",
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope",
            "/kubepods/besteffort/pod0a-1b/ID",
            "/system.slice/containerd.service/kubepods-pod0a_1b.slice:cri-containerd:ID",
            &format!("{pod}/cri-containerd-ID.scope"),
            &format!("{pod}/crio-ID.scope"),
        ] {
            assert_eq!(name(path), "container 0123456789ab", "{path}");
        }
    }

    #[test]
    fn what_is_neither_is_named_by_its_path() {
        let long = format!("/docker/{ID}0");
        for path in [
            "/",
            "/system.slice",
            "/.service",
            "/lxc.payload.web/system.slice/sshd.service",
            "/docker/0123456789ab",
            "/docker/xID",
            &long,
        ] {
            assert_eq!(name(path), format!("cgroup {}", path.replace("ID", ID)), "{path}");
        }
    }
}
