//! Owns a place to try rules in: a network namespace that nothing else is in. The kernel takes them
//! there as it would on the host, to the last check of a commit, and they meet no packet.

use nix::sched::{CloneFlags, unshare};
use std::fs::File;
use std::mem;
use std::thread;

/// Does work, and what it starts, in such a place; `None` where this process may make none.
pub(super) fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    thread::scope(|scope| {
        // Only the thread that asks moves.
        let moved = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).ok()?;
            // It goes with this process: to take it down is work for the kernel, and the host waits
            // for its rules.
            mem::forget(File::open("/proc/thread-self/ns/net"));
            Some(work())
        });
        moved.join().ok().flatten()
    })
}
