//! Owns a place to try rules in: a network namespace that nothing else is in. The kernel takes them
//! there as it would on the host, to the last check of a commit, and they meet no packet.

use nix::sched::{CloneFlags, setns, unshare};
use std::fs::File;
use std::mem;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// A place that is made ahead.
static AHEAD: Mutex<Option<JoinHandle<Option<File>>>> = Mutex::new(None);

/// Makes a place beside what else there is to do, for whoever asks for one first.
pub(super) fn prepare() {
    *AHEAD.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::spawn(make));
}

/// Does work, and what it starts, in a place where nobody was; `None` where this process may make none.
pub(super) fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    let ahead = AHEAD.lock().unwrap_or_else(PoisonError::into_inner).take();
    thread::scope(|scope| {
        // Only the thread that asks moves.
        let moved = scope.spawn(|| {
            let place = ahead.map_or_else(make, |ahead| ahead.join().ok().flatten())?;
            setns(&place, CloneFlags::CLONE_NEWNET).ok()?;
            let done = work();
            // It goes with this process: to take it down is work for the kernel, and the host waits
            // for its rules.
            mem::forget(place);
            Some(done)
        });
        moved.join().ok().flatten()
    })
}

/// Makes a place and moves there.
fn make() -> Option<File> {
    unshare(CloneFlags::CLONE_NEWNET).ok()?;
    File::open("/proc/thread-self/ns/net").ok()
}
