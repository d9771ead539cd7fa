//! A network namespace in which rules are checked. The kernel takes them there as it would on the host,
//! up to the last check of a commit, and no packet meets them.

use nix::sched::{CloneFlags, setns, unshare};
use std::fs::File;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// The namespaces that a change of rules is checked in: made on demand, or ahead by [`Self::prepare`].
///
/// Keep it until the rules are loaded. The last namespace goes with it, and its removal holds locks of
/// the kernel's that loading rules needs.
#[derive(Default)]
pub struct DryRunNetns {
    prepared: Mutex<Option<JoinHandle<Option<File>>>>,
    used: Mutex<Vec<File>>,
}

impl DryRunNetns {
    /// Makes a namespace in another thread for the first [`Self::run`]: the kernel takes its time.
    pub(super) fn prepare(&self) {
        *self.prepared.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::spawn(make));
    }

    /// Runs `work`, and the programs that it starts, in a fresh network namespace; `None` where this
    /// process may make none (CAP_SYS_ADMIN).
    pub(super) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Option<T> {
        let prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner).take();
        let run_inside = || {
            let namespace = prepared.map_or_else(make, |made| made.join().ok().flatten())?;
            setns(&namespace, CloneFlags::CLONE_NEWNET).ok()?;
            let result = work();
            self.used.lock().unwrap_or_else(PoisonError::into_inner).push(namespace);
            Some(result)
        };
        // A thread of its own: only the thread that calls setns(2) moves.
        thread::scope(|scope| scope.spawn(run_inside).join().ok().flatten())
    }
}

/// Makes a namespace, which this thread is in from then on.
fn make() -> Option<File> {
    unshare(CloneFlags::CLONE_NEWNET).ok()?;
    File::open("/proc/thread-self/ns/net").ok()
}
