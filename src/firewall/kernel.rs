//! What the kernel says of itself in /proc and /lib/modules. Changes nothing, and loads no module.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The name of this boot (random(4)); `None` where the kernel does not say.
pub(super) fn boot_id() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
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
