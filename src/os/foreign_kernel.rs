//! Whether the kernel and the services that a process reaches are those of the files that it sees: in a
//! chroot, an image build or another network namespace they are not.
//!
//! Never: changes anything.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The socket on which every systemd listens for systemctl. `/proc/net/unix` lists those of the own network
/// namespace, by the path that each was bound to in the namespace of its own files.
const SYSTEMD_SOCKET: &str = "/run/systemd/private";
/// The bit of CAP_NET_ADMIN in a set of capabilities (capabilities(7), linux/capability.h).
const CAP_NET_ADMIN: u32 = 12;

/// Why the kernel is not that of the files at `/`, or may not be changed from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignKernel {
    /// `/` is another directory than that of the first process.
    Chroot,
    /// `/proc` is not mounted, as in a bare chroot: nothing can be known.
    NoProc,
    /// `SYSTEMD_OFFLINE` says that an image is being made.
    Offline,
    /// The network is that of a system whose processes cannot be seen: that of the container's host.
    SharedNetwork,
    /// systemd manages this system, but its units guard another network than this process has.
    OtherNetwork,
    /// Root without the right to change the network, as in the build of a container image.
    NoRight,
}

impl ForeignKernel {
    /// What this process can tell. `None`: nothing speaks against changing this kernel. As for systemctl,
    /// the environment comes first: `SYSTEMD_OFFLINE`, then `SYSTEMD_IGNORE_CHROOT`.
    pub fn detect() -> Option<Self> {
        if let Some(offline) = flag("SYSTEMD_OFFLINE") {
            return offline.then_some(Self::Offline);
        }
        if flag("SYSTEMD_IGNORE_CHROOT") == Some(true) {
            return None;
        }
        if !Path::new("/proc/self").exists() {
            return Some(Self::NoProc);
        }
        let found = [
            (is_chroot as fn() -> bool, Self::Chroot),
            (is_other_network, Self::OtherNetwork),
            (is_shared_network, Self::SharedNetwork),
            (lacks_right, Self::NoRight),
        ];
        found.into_iter().find(|(holds, _)| holds()).map(|(_, kernel)| kernel)
    }

    /// What is so, in words.
    pub fn cause(self) -> &'static str {
        match self {
            Self::Chroot => "this is a chroot: its kernel and its services are another system's",
            Self::NoProc => "/proc is not mounted, so this may be a chroot on another system",
            Self::Offline => "SYSTEMD_OFFLINE is set: an image is being made, and no system runs",
            Self::SharedNetwork => {
                "another system with systemd uses this network, such as the host of this container: the \
                 rules would be that system's"
            }
            Self::OtherNetwork => {
                "this is another network namespace than that of systemd, whose units would guard \
                 the network of the host"
            }
            Self::NoRight => "root may not change the network here (no CAP_NET_ADMIN)",
        }
    }
}

/// A boolean of the environment, as systemd reads it.
fn flag(name: &str) -> Option<bool> {
    let value = std::env::var(name).ok()?.to_ascii_lowercase();
    match value.as_str() {
        "1" | "yes" | "y" | "true" | "t" | "on" => Some(true),
        "0" | "no" | "n" | "false" | "f" | "off" => Some(false),
        _ => None,
    }
}

/// Whether `/` is another directory than that of the first process, which systemctl asks too. Where that
/// process may not be looked at (the units' sandbox, a user namespace), the mounts tell.
fn is_chroot() -> bool {
    let own = fs::metadata("/");
    match (own, fs::metadata("/proc/1/root")) {
        (Ok(own), Ok(first)) => (own.dev(), own.ino()) != (first.dev(), first.ino()),
        _ => {
            let mounts = |process| fs::read_to_string(format!("/proc/{process}/mountinfo")).ok();
            let first = mounts("1").unwrap_or_default();
            mounts("self").is_some_and(|own| is_below_a_mount(&own, &first))
        }
    }
}

/// Whether the list of a process's mounts (proc_pid_mountinfo(5)) begins below a mount, or at one that the
/// first process has elsewhere than at `/`.
fn is_below_a_mount(own: &str, first: &str) -> bool {
    let mounts = |text: &str| -> Vec<(String, String)> {
        let fields = text.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let known = fields.filter_map(|line| Some((*line.first()?, *line.get(4)?)));
        known.map(|(id, place)| (id.to_owned(), place.to_owned())).collect()
    };
    // The last one is on top.
    let root = mounts(own).into_iter().rev().find(|(_, place)| place == "/");
    root.is_none_or(|(id, _)| mounts(first).iter().any(|one| one.0 == id && one.1 != "/"))
}

/// Whether systemd runs here, and the first process has another network than this one.
fn is_other_network() -> bool {
    let network = |process| fs::read_link(format!("/proc/{process}/ns/net")).ok();
    let networks = network("self").zip(network("1"));
    Path::new(SYSTEMD_SOCKET).exists() && networks.is_some_and(|(own, first)| own != first)
}

/// Whether a systemd listens in this network that is none of the processes here: this is a container, and
/// the network that of a system outside. Unknown, and so no, where processes may not be looked at, and where
/// the other system has no systemd.
fn is_shared_network() -> bool {
    let sockets = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let mut unknown = listening_inodes(&sockets);
    // The units' sandbox lists the files of the first process, but not what they are.
    if unknown.is_empty() || open_files(1).is_empty() {
        return false;
    }
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut numbers: Vec<u32> = numbers.collect();
    // Mostly it is the first process.
    numbers.sort_unstable();
    for number in numbers {
        for target in open_files(number) {
            unknown.retain(|inode| target != Path::new(&format!("socket:[{inode}]")));
        }
        if unknown.is_empty() {
            return false;
        }
    }
    true
}

/// The open files and sockets of a process, as far as they may be looked at.
fn open_files(process: u32) -> Vec<PathBuf> {
    let entries = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    entries.filter_map(|entry| fs::read_link(entry.path()).ok()).collect()
}

/// The inodes of the sockets on which a systemd listens, from the text of `/proc/net/unix` (proc_net(5)).
fn listening_inodes(sockets: &str) -> BTreeSet<u64> {
    /// `__SO_ACCEPTCON`: it listens. What it has accepted bears the same path.
    const LISTENS: &str = "00010000";
    let lines = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let inode = |line: Vec<&str>| match line[..] {
        [_, _, _, LISTENS, _, _, inode, SYSTEMD_SOCKET] => inode.parse().ok(),
        _ => None,
    };
    lines.filter_map(inode).collect()
}

/// Whether this is root, without CAP_NET_ADMIN.
fn lacks_right() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    nix::unistd::geteuid().is_root() && effective.is_some_and(|set| set >> CAP_NET_ADMIN & 1 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str =
        "21 1 254:0 / / rw - ext4 /dev/vda rw\n40 21 0:30 / /srv/tree rw - overlay o rw\n";

    #[test]
    fn the_mounts_tell_a_chroot_where_the_first_process_cannot_be_looked_at() {
        for (own, first, chroot) in [
            (HOST, HOST, false),
            // In a plain directory, only what is mounted below it is listed.
            ("50 40 0:4 / /proc rw - proc proc rw\n", HOST, true),
            ("40 21 0:30 / / rw - overlay o rw\n50 40 0:4 / /proc rw - proc p rw\n", HOST, true),
            // A mount namespace of its own, as the units have.
            ("90 1 254:0 / / rw - ext4 /dev/vda rw\n", HOST, false),
            ("90 1 254:0 / / rw - ext4 /dev/vda rw\n", "", false),
        ] {
            assert_eq!(is_below_a_mount(own, first), chroot, "{own}");
        }
    }

    #[test]
    fn only_a_systemd_that_listens_counts() {
        let sockets = "Num       RefCount Protocol Flags    Type St Inode Path\n\
             0000: 00000002 00000000 00010000 0001 01 4711 /run/systemd/private\n\
             0000: 00000003 00000000 00000000 0001 03 4712 /run/systemd/private\n\
             0000: 00000002 00000000 00010000 0001 01 4713 /run/user/0/systemd/private\n\
             0000: 00000002 00000000 00010000 0001 01 4714\n";
        assert_eq!(listening_inodes(sockets), BTreeSet::from([4711]));
        assert_eq!(listening_inodes(""), BTreeSet::new());
    }
}
