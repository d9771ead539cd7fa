//! Owns what a server costs: the time on the processor and the memory of all its processes and
//! threads, as the kernel accounts for them. Must never guess: a process that is gone is an error.

use std::fs;
use std::ops::Sub;
use std::thread::sleep;
use std::time::Duration;

/// Servers that never rest are measured all the same.
const MAX_SAMPLES: u32 = 20;
/// Less than this meanwhile is a timer of the server's own, in nanoseconds.
const REST: u64 = 1_000_000;

/// Time on the processor.
#[derive(Clone, Copy, Default)]
pub struct Cpu {
    /// In nanoseconds, exact.
    pub nanoseconds: u64,
    /// Of it outside and inside of the kernel, in clock ticks.
    user: u64,
    system: u64,
}

impl Cpu {
    /// What `processes` used so far, once they have used next to nothing for `quiet`.
    pub fn at_rest(processes: &[u32], quiet: Duration) -> Cpu {
        let mut latest = Cpu::of(processes);
        for _ in 0..MAX_SAMPLES {
            sleep(quiet);
            let now = Cpu::of(processes);
            let used = (now - latest).nanoseconds;
            latest = now;
            if used < REST {
                break;
            }
        }
        latest
    }

    /// What `processes` used so far.
    pub fn of(processes: &[u32]) -> Cpu {
        let mut sum = Cpu::default();
        for process in processes {
            for thread in fs::read_dir(format!("/proc/{process}/task")).unwrap() {
                let folder = thread.unwrap().path();
                // A thread may end while we look.
                let Ok(statistics) = fs::read_to_string(folder.join("schedstat")) else { continue };
                sum.nanoseconds += number(statistics.split(' ').next());
            }
            let statistics = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
            // The name in brackets may hold blanks; the fields after it are counted from 3.
            let (_, fields) = statistics.rsplit_once(") ").unwrap();
            let mut fields = fields.split(' ').skip(11);
            sum.user += number(fields.next());
            sum.system += number(fields.next());
        }
        sum
    }

    /// The part of it that was spent inside of the kernel.
    pub fn kernel_part(&self) -> f64 {
        self.system as f64 / (self.user + self.system).max(1) as f64
    }
}

impl Sub for Cpu {
    type Output = Cpu;

    fn sub(self, before: Cpu) -> Cpu {
        Cpu {
            nanoseconds: self.nanoseconds.saturating_sub(before.nanoseconds),
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
        }
    }
}

/// Memory that is a server's own, in bytes: what it would not share with a second of its kind.
pub fn memory(processes: &[u32]) -> f64 {
    field_in_kib(processes, "smaps_rollup", "Anonymous:") * 1024.0
}

/// The most that was ever resident of a server, in bytes.
pub fn peak(processes: &[u32]) -> f64 {
    field_in_kib(processes, "status", "VmHWM:") * 1024.0
}

/// How many descriptors are open.
pub fn descriptors(processes: &[u32]) -> usize {
    let open = |process| fs::read_dir(format!("/proc/{process}/fd")).unwrap().count();
    processes.iter().map(open).sum()
}

fn field_in_kib(processes: &[u32], file: &str, field: &str) -> f64 {
    let of = |process: &u32| {
        let text = fs::read_to_string(format!("/proc/{process}/{file}")).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        number(line.split_whitespace().next())
    };
    processes.iter().map(of).sum::<u64>() as f64
}

/// A process and all its descendants.
pub fn family(process: u32) -> Vec<u32> {
    let mut family = vec![process];
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    for child in children.unwrap_or_default().split_whitespace() {
        family.extend(self::family(child.parse().unwrap()));
    }
    family
}

fn number(field: Option<&str>) -> u64 {
    field.and_then(|field| field.trim().parse().ok()).unwrap()
}
