//! Memory, descriptors and processor time of a process, as the kernel counts them.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::support::need;

fn status(pid: i32, key: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The memory that it has in use now, in KiB.
pub fn resident_kib(pid: i32) -> u64 {
    status(pid, "VmRSS:")
}

/// The descriptors that it has open.
pub fn descriptors(pid: i32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// How often its first thread has gone to sleep. One that spins never does, however busy the machine is.
pub fn times_slept(pid: i32) -> u64 {
    status(pid, "voluntary_ctxt_switches:")
}

/// The time on a processor that all its threads have used so far.
fn processor_time(pid: i32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let nanoseconds = threads.map(|thread| {
        let path = thread.unwrap().path().join("schedstat");
        let schedule = fs::read_to_string(path).unwrap();
        schedule.split(' ').next().unwrap().parse::<u64>().unwrap()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// Watches it second by second until one is quiet: what has arrived may still be worked off, but
/// who spins uses what it gets of every second.
pub fn assert_it_does_not_spin(pid: i32) {
    let mut used = Vec::new();
    for _ in 0..20 {
        let before = processor_time(pid);
        sleep(Duration::from_secs(1));
        used.push(processor_time(pid) - before);
        if used.last().is_some_and(|used| *used < Duration::from_millis(100)) {
            return;
        }
    }
    panic!("in each of these seconds it used so much: {used:?}");
}

/// Raises this process's limit of open files as far as it may; whether it is `enough` then.
pub fn descriptors_allowed(enough: u64) -> bool {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    // Root may raise the hard limit as well.
    let _ = setrlimit(Resource::RLIMIT_NOFILE, hard.max(enough), hard.max(enough))
        .or_else(|_| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    need(&format!("the right to open {enough} files"), soft >= enough)
}
