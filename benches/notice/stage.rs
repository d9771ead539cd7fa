//! Owns where the measurements take place: a network and processes of their own where root may have
//! them, more descriptors, and one core for the servers and another for the clients. Must never
//! change the machine's network, nor leave a process behind.

use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Pid, Uid};

use crate::options::Scale;

/// As many descriptors as the largest measurement needs, twice.
const DESCRIPTORS: u64 = 65_536;
/// Addresses that are no loopback addresses, on the loopback interface of the own network.
const OUTSIDE: &str = "198.51.100.0/24";
/// Set for the bench program once it is inside of its own namespaces.
const INSIDE: &str = "REDISGUARD_BENCH_INSIDE";
/// Whatever is started inside ends with the first process there, and that ends with its caller.
const UNSHARE: [&str; 5] = ["--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
/// What else the machine does shall not be measured.
const PRIORITY: [&str; 3] = ["nice", "-n", "-15"];

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

/// Starts this program anew inside of its own namespaces, and gives the own network addresses.
fn own_network() -> Result<Ipv4Addr, String> {
    if std::env::var_os(INSIDE).is_none() {
        if !Uid::effective().is_root() {
            return Err("only root may have another".to_owned());
        }
        let mut attempt = Command::new("unshare");
        attempt.args(UNSHARE).arg("true").stderr(Stdio::null());
        if !attempt.status().is_ok_and(|status| status.success()) {
            return Err("no other can be made here".to_owned());
        }
        let mut again = Command::new("unshare");
        again.args(UNSHARE).args(PRIORITY).arg(std::env::current_exe().unwrap());
        let cause = again.args(std::env::args_os().skip(1)).env(INSIDE, "1").exec();
        return Err(format!("could not start in another: {cause}"));
    }
    for arguments in ["link set lo up", &format!("addr add {OUTSIDE} dev lo")] {
        let output = Command::new("ip").args(arguments.split(' ')).output();
        let output = output.expect("ip of the package iproute2 is needed");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ip {arguments}: {complaint}");
    }
    Ok(Ipv4Addr::new(198, 51, 100, 1))
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
