//! The addresses of a machine, its neighbour outside, and the rules in its kernel.

use super::{Machine, Output, output};
use nix::sched::{CloneFlags, setns};
use redisguard::probe::{Outcome, probe};
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// The number of a machine that is alone, and of the first of several.
pub(super) const FIRST: u8 = 2;
/// The addresses of a machine that is alone, as its neighbour reaches it.
pub const ADDRESSES: [IpAddr; 2] = addresses(FIRST);

/// The addresses of a machine by its number: those of `tests/tools/hold-machine`.
pub const fn addresses(number: u8) -> [IpAddr; 2] {
    [
        IpAddr::V4(Ipv4Addr::new(10, 63, 79, number)),
        // Written in decimal digits, which are hexadecimal ones below ten.
        IpAddr::V6(Ipv6Addr::new(0xfd63, 0x79, 0, 0, 0, 0, 0, number as u16)),
    ]
}

/// How long silence must last to be called so.
const SILENCE_TIMEOUT: Duration = Duration::from_millis(800);
/// How long an answer may take that is expected: the machine that tests run on may be busy.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

impl Machine {
    /// The machine's addresses, as its neighbours reach it.
    pub fn addresses(&self) -> [IpAddr; 2] {
        addresses(self.number)
    }

    /// The network namespace of the neighbour: for `nsenter --net=PATH`, while the machine lives.
    pub fn outside_namespace(&self) -> PathBuf {
        self.machine_directory().join("../netns/outside")
    }

    /// A command of this host that will run in the neighbour's network.
    pub fn outside_command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.outside_namespace().display())).args(["--", program]);
        command
    }

    /// Runs a command of this host in the neighbour's network.
    pub fn outside(&self, command: &[&str]) -> Output {
        output(self.outside_command("timeout").args(["--kill-after=5", "120"]).args(command), &[])
    }

    /// Runs a piece of the test itself in the neighbour's network.
    pub fn enter_outside<T: Send>(&self, piece: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(self.outside_namespace()).expect("a network namespace");
        // A thread that has changed its network must not serve anything else.
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(namespace, CloneFlags::CLONE_NEWNET).expect("enter the outside");
                piece()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// What a client outside meets at a port, over both families.
    pub fn meets(&self, port: u16) -> [Outcome; 2] {
        // Both at once, for silence takes its time; a thread is in the network of the one before it.
        self.enter_outside(|| {
            let met = |address| move || probe(SocketAddr::new(address, port), SILENCE_TIMEOUT);
            let probes = addresses(self.number).map(|address| thread::spawn(met(address)));
            probes.map(|probe| probe.join().expect("a probe"))
        })
    }

    /// What it meets at a port that it shall reach: with patience.
    pub fn reaches(&self, port: u16) -> [Outcome; 2] {
        self.enter_outside(|| {
            addresses(self.number)
                .map(|address| probe(SocketAddr::new(address, port), ANSWER_TIMEOUT))
        })
    }

    /// The kernel's rules of the machine, of both families and both kinds of iptables, as listed
    /// from outside of it; without counters, and without tables in which nothing is: iptables makes
    /// those when it is asked for a listing.
    pub fn iptables_save(&self) -> String {
        let mut text = String::new();
        for (tool, listing) in self.listings() {
            for table in listing.split_inclusive("COMMIT\n") {
                let plain: Vec<&str> = table.lines().map(without_counter).collect();
                let says_something = |line: &&str| match line.strip_prefix(':') {
                    Some(chain) => !chain.ends_with(" ACCEPT"),
                    None => !line.starts_with('*') && *line != "COMMIT",
                };
                if plain.iter().any(says_something) {
                    text.extend(plain.iter().map(|line| format!("{tool}: {line}\n")));
                }
            }
        }
        text
    }

    /// The same with counters, and with empty tables.
    pub fn iptables_save_counted(&self) -> String {
        let listings = self.listings().into_iter();
        listings.map(|(tool, listing)| format!("{tool}:\n{listing}")).collect()
    }

    fn listings(&self) -> Vec<(String, String)> {
        let mut listings = Vec::new();
        for tool in ["iptables-nft", "iptables-legacy", "ip6tables-nft", "ip6tables-legacy"] {
            let said = self.beside(&[&format!("{tool}-save"), "-c"]);
            // A kernel without the legacy kind has nothing of it.
            assert!(said.code == 0 || tool.ends_with("legacy"), "{tool}-save: {}", said.stderr);
            let rules = said.stdout.lines().filter(|line| !line.starts_with('#'));
            listings.push((tool.to_owned(), rules.map(|line| format!("{line}\n")).collect()));
        }
        listings
    }
}

/// A line of iptables-save: `:CHAIN POLICY [3:180]`, `[3:180] -A CHAIN …`, or another.
fn without_counter(line: &str) -> &str {
    if line.starts_with('[') {
        line.split_once("] ").map_or(line, |(_, rule)| rule)
    } else if line.starts_with(':') {
        line.split_once(" [").map_or(line, |(chain, _)| chain)
    } else {
        line
    }
}
