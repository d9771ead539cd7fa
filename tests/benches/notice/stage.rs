//! Owns where the measurements take place: a network of their own and the first place on the
//! processor where root may have them, more descriptors, and one core for the servers and another
//! for the clients. Must never change the machine's network.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sched::{CloneFlags, CpuSet, sched_getaffinity, sched_setaffinity, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, Uid, setsid};

use crate::options::Scale;

/// As many descriptors as the largest measurement needs, twice.
const DESCRIPTORS: u64 = 65_536;
/// Addresses that are no loopback addresses, on the loopback interface of the own network.
const OUTSIDE: &str = "198.51.100.0/24";
/// Where servers and clients run.
pub struct Stage {
    /// An address to connect to that is no loopback address, or why there is none.
    pub outside: Result<Ipv4Addr, String>,
    /// When a server may be taken to have come to rest.
    pub quiet: Duration,
    cores: Option<(usize, usize)>,
}

impl Stage {
    /// Prepares this process, before it starts a thread or a server.
    pub fn set(scale: Scale) -> Stage {
        raise_descriptor_limit();
        come_first();
        let outside = own_network();
        if let Err(reason) = &outside {
            eprintln!("measuring in the machine's own network: {reason}");
        }
        // Longer than any server lets lines wait before it writes them; nginx's buffer apart.
        let quiet = Duration::from_millis(if scale == Scale::Full { 150 } else { 20 });
        Stage { outside, quiet, cores: two_cores() }
    }

    /// Has `start` start a server on the servers' core.
    pub fn on_server_core<T>(&self, start: impl FnOnce() -> T) -> T {
        let Some((servers, clients)) = self.cores else { return start() };
        stay_on(servers);
        let started = start();
        stay_on(clients);
        started
    }

    /// Has `serve` run on the servers' core: each gets the processor when the other waits, so that a
    /// server always finds a crowd and never sleeps between two clients.
    pub fn beside_the_server<T>(&self, serve: impl FnOnce() -> T) -> T {
        self.on_server_core(serve)
    }

    /// While `serve` lasts, these processes and this one take the processor whenever they want it,
    /// where root may ask for that. Only for what leaves the processor idle most of the time.
    pub fn undisturbed<T>(&self, processes: &[u32], serve: impl FnOnce() -> T) -> T {
        let schedule = |policy: &str, priority: &str| {
            for process in processes.iter().chain([&std::process::id()]) {
                let mut command = Command::new("chrt");
                command.args([policy, "--all-tasks", "--pid", priority, &process.to_string()]);
                let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
            }
        };
        schedule("--fifo", "1");
        let served = serve();
        schedule("--other", "0");
        served
    }
}

/// The `index`th source address of the network that `address` belongs to.
pub fn source(address: IpAddr, index: usize) -> Ipv4Addr {
    let host = u8::try_from(index % 250).unwrap() + 2;
    let third = u8::try_from(index / 250 % 250).unwrap();
    match address {
        IpAddr::V4(address) if address.is_loopback() => Ipv4Addr::new(127, 0, third, host),
        _ => Ipv4Addr::new(198, 51, 100, host),
    }
}

/// Asks for as many descriptors as can be had.
pub fn raise_descriptor_limit() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if setrlimit(Resource::RLIMIT_NOFILE, DESCRIPTORS, DESCRIPTORS.max(hard)).is_err() {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    }
}

/// Whether a program is installed.
pub fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// A network of this process and its children, with some addresses.
fn own_network() -> Result<Ipv4Addr, String> {
    if !Uid::effective().is_root() {
        return Err("only root may have another".to_owned());
    }
    if !on_path("ip") {
        return Err("ip of the package iproute2 is not installed".to_owned());
    }
    unshare(CloneFlags::CLONE_NEWNET).map_err(|cause| format!("no other can be made: {cause}"))?;
    for arguments in ["link set lo up", &format!("addr add {OUTSIDE} dev lo")] {
        let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ip {arguments}: {complaint}");
    }
    Ok(Ipv4Addr::new(198, 51, 100, 1))
}

/// What else the machine does shall not be measured: where root may, this process and its children
/// come first. Linux groups processes by session, and only then looks at their own priority.
fn come_first() {
    if setsid().is_ok() {
        // Outside of the terminal's session nobody else ends this process.
        let _ = set_pdeathsig(Signal::SIGTERM);
        let _ = fs::write("/proc/self/autogroup", "-15");
    }
    let mut command = Command::new("renice");
    command.args(["-n", "-15", "-p", &std::process::id().to_string()]);
    let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
}

/// A core for the servers and another for the clients, where there are two.
fn two_cores() -> Option<(usize, usize)> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).ok()?;
    let mut cores = (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap_or(false));
    let pair = (cores.next()?, cores.next()?);
    stay_on(pair.1);
    Some(pair)
}

fn stay_on(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core).unwrap();
    sched_setaffinity(Pid::from_raw(0), &cores).unwrap();
}
