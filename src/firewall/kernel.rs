//! What the kernel says of itself in /proc and /lib/modules. Changes nothing, and loads no module.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The name of this boot (random(4)); `None` where the kernel does not say.
pub(super) fn boot_id() -> Option<String> {
    let id = fs::read_to_string(BOOT_ID).ok()?;
    Some(id.trim().to_owned())
}

/// [`boot_id`] where it is the kernel's. Container managers (systemd-nspawn) mount a file of their own over it,
/// and a unit with a /proc of its own (ProtectProc=) does not see that file.
pub(super) fn uncovered_boot_id() -> Option<String> {
    let device = |path: &str| fs::metadata(path).ok().map(|metadata| metadata.dev());
    boot_id().filter(|_| device(BOOT_ID) == device("/proc"))
}

/// The network namespace of this process, as `DEVICE:INODE` of its file (namespaces(7)).
pub(super) fn network_namespace() -> Option<String> {
    let namespace = fs::metadata("/proc/self/ns/net").ok()?;
    Some(format!("{}:{}", namespace.dev(), namespace.ino()))
}

/// Whether the kernel has IPv6, enabled or not.
pub(super) fn has_ipv6() -> bool {
    Path::new("/proc/net/if_inet6").exists()
}

/// Whether the kernel tracks a connection right now. On a host that anybody is logged in to over the network,
/// it tracks none only if no rule has turned tracking on.
pub fn tracks_connections() -> bool {
    let count = fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count");
    count.is_ok_and(|count| count.trim() != "0")
}

/// Whether the kernel has a module loaded or built in; true where it does not say.
pub(super) fn has_module(module: &str) -> bool {
    let Ok(loaded) = fs::read_to_string("/proc/modules") else { return true };
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let built_in = Path::new("/lib/modules").join(release.trim()).join("modules.builtin");
    loaded.lines().any(|line| line.split(' ').next() == Some(module))
        || fs::read_to_string(built_in).map_or(true, |list| list.contains(&format!("/{module}.ko")))
}
