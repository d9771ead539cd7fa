//! What a process holds and uses, as the kernel counts it.

use std::fs;

fn status(pid: i32, key: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The memory that it has in use now, in KiB.
pub fn resident_kib(pid: i32) -> u64 {
    status(pid, "VmRSS:")
}
