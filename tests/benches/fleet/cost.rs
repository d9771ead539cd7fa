//! Owns what a run cost the controller and the wire.

use crate::controller::Controller;
use crate::playbook_run::Played;
use crate::rounds::median;
use nix::sys::resource::{UsageWho, getrusage};
use std::collections::HashSet;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What a run took.
#[derive(Clone, Debug)]
pub struct Cost {
    /// From its start to its end.
    pub seconds: f64,
    /// The controller's processor, in seconds; for each host after [`Cost::for_each`].
    pub processor: f64,
    /// Bytes on the wire, both ways; for each host likewise.
    pub kibibytes: f64,
    /// The most memory that the run's processes had at once, what they share counted once.
    pub mebibytes: f64,
}

impl Cost {
    pub const HEAD: [&'static str; 5] = ["hosts", "s", "processor s/host", "KiB/host", "MiB"];

    pub fn for_each(mut self, hosts: usize) -> Self {
        self.processor /= hosts as f64;
        self.kibibytes /= hosts as f64;
        self
    }

    /// Medians, for a table.
    pub fn row(name: String, costs: &[Self]) -> impl Iterator<Item = String> {
        let of = |part: fn(&Self) -> f64| median(costs.iter().map(part));
        let numbers = [
            format!("{:.1}", of(|cost| cost.seconds)),
            format!("{:.2}", of(|cost| cost.processor)),
            format!("{:.0}", of(|cost| cost.kibibytes)),
            format!("{:.0}", of(|cost| cost.mebibytes)),
        ];
        std::iter::once(name).chain(numbers)
    }
}

/// Runs a playbook and says what it took.
pub fn measured(fleet: &Controller, run: impl FnOnce() -> Played) -> (Cost, Played) {
    let (processor, bytes) = (processor(), bytes(fleet));
    let started = Instant::now();
    let over = AtomicBool::new(false);
    let (played, mebibytes) = thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut most = 0.0_f64;
            while !over.load(Ordering::Relaxed) {
                most = most.max(memory());
                thread::sleep(Duration::from_millis(200));
            }
            most
        });
        let played = run();
        over.store(true, Ordering::Relaxed);
        (played, watch.join().unwrap())
    });
    let cost = Cost {
        seconds: started.elapsed().as_secs_f64(),
        processor: self::processor() - processor,
        kibibytes: (self::bytes(fleet) - bytes) / 1024.0,
        mebibytes,
    };
    (cost, played)
}

/// Seconds of processor that all ended processes of ours took.
fn processor() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let seconds =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}

/// Bytes that the controller's end of the bridge has seen.
fn bytes(fleet: &Controller) -> f64 {
    let counters = fleet.machines[0].outside(&["cat", "/proc/net/dev"]).ok();
    let line = counters.lines().find_map(|line| line.trim().strip_prefix("wire:")).unwrap();
    let fields: Vec<f64> = line.split_whitespace().map(|field| field.parse().unwrap()).collect();
    fields[0] + fields[8]
}

/// The memory in MiB of all that Ansible's processes have, what is shared by several divided among
/// them (Pss of proc(5)).
fn memory() -> f64 {
    let mut ours: HashSet<u32> = HashSet::new();
    let mut parents: Vec<(u32, u32, String)> = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(process) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        parents.push((process, field("PPid:").parse().unwrap_or(0), field("Name:")));
    }
    // Those of ours that are named as it is; what they start are ssh and short-lived shells.
    ours.insert(std::process::id());
    loop {
        let more = parents
            .iter()
            .filter(|(process, parent, _)| ours.contains(parent) && !ours.contains(process));
        let more: Vec<u32> = more.map(|(process, ..)| *process).collect();
        if more.is_empty() {
            break;
        }
        ours.extend(more);
    }
    let named = parents.iter().filter(|(process, _, name)| {
        ours.contains(process) && (name.starts_with("ansible") || name == "ssh")
    });
    let share = |process: u32| {
        let rollup =
            fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or(0.0)
    };
    named.map(|(process, ..)| share(*process)).sum::<f64>() / 1024.0
}
