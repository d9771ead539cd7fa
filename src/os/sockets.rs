//! What uses the reserved ports right now: the sockets that listen there, and the outside clients that are
//! connected; and what listens on any other port. Changes nothing, and never fails: what the kernel does not show
//! is left out.

use crate::bundle::{BINARY, GuardConfig};
use crate::spec::PortSet;
use ipnet::IpNet;
use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;

/// The sockets on the reserved ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortUsage {
    /// The listening sockets, by port and address.
    pub listeners: Vec<Listener>,
    /// The clients connected from outside of this host and of the allowed networks: those that loading the
    /// rules can cut off.
    pub peers: Vec<Peer>,
}

/// A socket that listens on a reserved port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Listener {
    /// The port.
    pub port: u16,
    /// The address that it is bound to; `0.0.0.0` and `::` mean all.
    pub address: IpAddr,
    /// The name of the process that has it open, where it can be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// The id of that process, where it can be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The systemd service that the process belongs to, where it belongs to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Whether that process is the notice listener.
    #[serde(skip)]
    pub is_own: bool,
}

impl Listener {
    /// A socket whose process is not known.
    fn new(port: u16, address: IpAddr) -> Self {
        Self { port, address, program: None, pid: None, unit: None, is_own: false }
    }

    fn held_by(self, pid: u32) -> Self {
        let (program, unit) = (name_of(pid), service_of(pid));
        Self { program, pid: Some(pid), unit, is_own: is_notice_listener(pid), ..self }
    }
}

/// A client outside with an open connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Peer {
    /// The reserved port.
    pub port: u16,
    /// The address of the client.
    pub address: IpAddr,
}

/// The usage of a bundle's reserved ports. Connections that this host forwards to a container are in no
/// table of sockets; they are found where the kernel lists the connections that it tracks.
pub fn usage(guard_config: &GuardConfig) -> PortUsage {
    let guard = Guard::of(guard_config);
    let mut open = HashMap::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for socket in lines(table).skip(1).filter_map(|line| Socket::parse(&line)) {
            let Socket { address, port, peer, is_listening, inode } = socket;
            if !guard.reserves(port) {
                continue;
            }
            if is_listening {
                open.insert(inode, Open::Listener(Listener::new(port, address)));
            } else if guard.cuts(peer) {
                open.insert(inode, Open::Session(Peer { port, address: peer }));
            }
        }
    }
    let mut usage = with_processes(open);
    for session in lines("/proc/net/nf_conntrack").filter_map(|line| Session::parse(&line)) {
        let is_forwarded = guard.is_local(session.to) && !guard.is_local(session.answers);
        if is_forwarded && guard.reserves(session.port) && guard.cuts(session.from) {
            usage.peers.push(Peer { port: session.port, address: session.from });
        }
    }
    usage.peers.sort();
    usage.peers.dedup();
    usage
}

/// Whether anything listens on a port, over either family.
pub fn listens_on(port: u16) -> bool {
    let sockets =
        ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().flat_map(|table| lines(table).skip(1));
    let mut sockets = sockets.filter_map(|line| Socket::parse(&line));
    sockets.any(|socket| socket.is_listening && socket.port == port)
}

/// An address by which other hosts may reach this one: IPv4 first. `None` where it has none but its own.
pub fn outside_address() -> Option<IpAddr> {
    let interfaces = getifaddrs().into_iter().flatten();
    let addresses: Vec<IpAddr> = interfaces.filter_map(|one| ip_address(&one)).collect();
    let is_outside = |address: &&IpAddr| match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_link_local(),
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
    };
    let mut outside: Vec<&IpAddr> = addresses.iter().filter(is_outside).collect();
    outside.sort_by_key(|address| address.is_ipv6());
    outside.first().copied().copied()
}

fn ip_address(interface: &InterfaceAddress) -> Option<IpAddr> {
    let address = interface.address?;
    let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
}

/// The sockets that listen on some ports, by port and address.
pub fn listeners(ports: &PortSet) -> Vec<Listener> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].into_iter();
    let sockets = tables.flat_map(|table| lines(table).skip(1));
    let sockets = sockets.filter_map(|line| Socket::parse(&line));
    let listening = sockets.filter(|socket| socket.is_listening && ports.contains(socket.port));
    let open = listening.map(|Socket { inode, port, address, .. }| {
        (inode, Open::Listener(Listener::new(port, address)))
    });
    with_processes(open.collect()).listeners
}

fn lines(path: &str) -> impl Iterator<Item = String> {
    let file = File::open(path).ok().map(BufReader::new);
    file.into_iter().flat_map(|file| file.lines().map_while(Result::ok))
}

/// What the guard decides on: ports, networks and addresses.
struct Guard<'a> {
    /// Whether a port is reserved, by its number: a table, since there may be thousands of ports and of
    /// sockets.
    reserved: Vec<bool>,
    allow: &'a [IpNet],
    /// The host's own addresses: packets from one arrive on the loopback interface, which is never guarded.
    own: HashSet<IpAddr>,
}

impl<'a> Guard<'a> {
    fn of(guard_config: &'a GuardConfig) -> Self {
        let mut reserved = vec![false; 1 << 16];
        for port in guard_config.reserved_ports().ports() {
            reserved[usize::from(port)] = true;
        }
        let interfaces = getifaddrs().into_iter().flatten();
        let own = interfaces.filter_map(|interface| ip_address(&interface));
        Self { reserved, allow: &guard_config.allow, own: own.collect() }
    }

    fn reserves(&self, port: u16) -> bool {
        self.reserved[usize::from(port)]
    }

    fn is_local(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.own.contains(&address)
    }

    fn cuts(&self, peer: IpAddr) -> bool {
        !self.is_local(peer) && !self.allow.iter().any(|network| network.contains(&peer))
    }
}

/// A line of /proc/net/tcp or tcp6 (proc_pid_net(5)): a socket that listens, or whose connection is open.
struct Socket {
    address: IpAddr,
    port: u16,
    peer: IpAddr,
    is_listening: bool,
    inode: u64,
}

impl Socket {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace().skip(1);
        let (address, port) = endpoint(words.next()?)?;
        let (peer, _) = endpoint(words.next()?)?;
        // TCP_ESTABLISHED and TCP_LISTEN (net/tcp_states.h).
        let is_listening = match words.next()? {
            "01" => false,
            "0A" => true,
            _ => return None,
        };
        // Behind the queues, the timer, the retransmits, the user and the timeout.
        let inode = words.nth(5)?.parse().ok()?;
        Some(Self { address, port, peer, is_listening, inode })
    }
}

/// `0100007F:18EB`: an address as 32-bit words in the machine's byte order, and a port.
fn endpoint(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |index: usize| u32::from_str_radix(address.get(index * 8..index * 8 + 8)?, 16).ok();
    let words = (0..address.len() / 8).map(word).collect::<Option<Vec<u32>>>()?;
    let bytes: Vec<u8> = words.into_iter().flat_map(u32::to_ne_bytes).collect();
    let address = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(bytes) => IpAddr::from(bytes),
        Err(_) => Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_canonical(),
    };
    Some((address, port))
}

/// A line of /proc/net/nf_conntrack: a connection, and the address that answers it.
struct Session {
    from: IpAddr,
    to: IpAddr,
    port: u16,
    answers: IpAddr,
}

impl Session {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace().skip(2);
        if words.next()? != "tcp" || words.nth(2)? != "ESTABLISHED" {
            return None;
        }
        let mut value = |key: &str| words.find_map(|word| word.strip_prefix(key));
        // src= and dst= come once for each direction, in this order.
        let (from, to) = (value("src=")?.parse().ok()?, value("dst=")?.parse().ok()?);
        let port = value("dport=")?.parse().ok()?;
        let answers = value("src=")?.parse().ok()?;
        Some(Self { from, to, port, answers })
    }
}

/// An open socket on a reserved port.
enum Open {
    Listener(Listener),
    Session(Peer),
}

/// The sockets with the processes that have them open. Reads all processes, so only where a socket listens.
fn with_processes(mut open: HashMap<u64, Open>) -> PortUsage {
    let mut usage = PortUsage::default();
    let mut processes: Vec<u32> = Vec::new();
    if open.values().any(|socket| matches!(socket, Open::Listener(..))) {
        let names = fs::read_dir("/proc").into_iter().flatten().flatten();
        processes.extend(names.filter_map(|name| name.file_name().to_str()?.parse::<u32>().ok()));
        processes.sort_unstable();
    }
    // Several processes may have one socket open: mostly it was opened by the one with the lowest id, and
    // inherited by the others.
    for pid in processes {
        if open.is_empty() {
            break;
        }
        for inode in open_sockets(pid) {
            match open.remove(&inode) {
                Some(Open::Listener(listener)) => usage.listeners.push(listener.held_by(pid)),
                // A client of the notice listener loses no service.
                Some(Open::Session(peer)) if !is_notice_listener(pid) => usage.peers.push(peer),
                _ => {}
            }
        }
    }
    for socket in open.into_values() {
        match socket {
            Open::Listener(listener) => usage.listeners.push(listener),
            Open::Session(peer) => usage.peers.push(peer),
        }
    }
    usage.listeners.sort();
    usage
}

/// The name of a process, which it chooses itself: control characters are replaced.
fn name_of(pid: u32) -> Option<String> {
    let name = fs::read(format!("/proc/{pid}/comm")).ok()?;
    let name = String::from_utf8_lossy(name.trim_ascii_end()).into_owned();
    Some(name.replace(char::is_control, "?"))
}

/// The systemd service of a process: the last part of its control group (cgroups(7)) that names one.
fn service_of(pid: u32) -> Option<String> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let service =
        |path: &str| path.rsplit('/').find(|part| part.ends_with(".service")).map(str::to_owned);
    groups.lines().filter_map(|line| line.splitn(3, ':').nth(2)).find_map(service)
}

/// Whether a process is the notice listener, which is this program.
fn is_notice_listener(pid: u32) -> bool {
    let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    // The kernel adds this where the file was replaced since the program started.
    let name = name.trim_end_matches(" (deleted)");
    Path::new(BINARY).file_name().is_some_and(|own| own == name)
}

/// The sockets that a process has open, by their inodes.
fn open_sockets(pid: u32) -> impl Iterator<Item = u64> {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    open.filter_map(|entry| {
        let target = fs::read_link(entry.path()).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_addresses_are_read() {
        let words = [u32::from_ne_bytes([127, 0, 0, 1])].map(|word| format!("{word:08X}:18EB"));
        assert_eq!(endpoint(&words[0]).unwrap(), ("127.0.0.1".parse().unwrap(), 6379));
        assert!(endpoint("xyz:1").is_none() && endpoint("00:1").is_none());
    }

    #[test]
    fn the_holder_of_a_port_is_found() {
        let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = held.local_addr().unwrap();
        let found = listeners(&[address.port().into()].into_iter().collect());
        let holders: Vec<_> = found.iter().map(|found| (found.address, found.pid)).collect();
        assert_eq!(holders, [(address.ip(), Some(std::process::id()))]);
    }

    #[test]
    fn a_line_of_the_table_of_sockets_is_read() {
        let here = format!("{:08X}:18EC", u32::from_ne_bytes([10, 0, 0, 1]));
        let there = format!("{:08X}:C350", u32::from_ne_bytes([10, 0, 0, 2]));
        let rest = "00000000:00000000 00:00000000 00000000   107        0 22222 1 0 20 4 30 10 -1";
        let socket = Socket::parse(&format!("   7: {here} {there} 01 {rest}")).unwrap();
        assert_eq!((socket.port, socket.is_listening, socket.inode), (6380, false, 22222));
        assert_eq!(socket.peer, IpAddr::from([10, 0, 0, 2]));
    }

    #[test]
    fn a_tracked_session_is_read_and_only_an_open_one() {
        let line = "ipv4     2 tcp      6 431999 ESTABLISHED src=198.51.1.2 dst=198.51.1.1 \
                    sport=40000 dport=6379 src=172.17.0.2 dst=198.51.1.2 sport=6379 dport=40000 \
                    [ASSURED] mark=0 zone=0 use=2";
        let session = Session::parse(line).unwrap();
        let words = [session.from, session.to, session.answers].map(|address| address.to_string());
        assert_eq!(words, ["198.51.1.2", "198.51.1.1", "172.17.0.2"]);
        assert_eq!(session.port, 6379);
        assert!(Session::parse(&line.replace("ESTABLISHED", "TIME_WAIT")).is_none());
        assert!(Session::parse(&line.replace("tcp      6", "udp      17")).is_none());
    }
}
