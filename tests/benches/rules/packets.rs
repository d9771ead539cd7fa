//! Measures what the rules cost a packet to a port that is not reserved, but lies among those that
//! are: the worst that an unrelated packet can meet.
//!
//! A second network behind a virtual cable sends TCP resets, which nobody answers. On a cable of
//! that kind the receiver's work is done before the sender's call returns, so that the time of the
//! calls is that of the packets' whole way.

use super::Scale;
use super::commands::Contestant;
use super::rounds::{median, order, ratio, spread};
use super::site::{Bundle, shell};
use super::table::Table;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::gettid;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

const HOST: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
/// Between two of the scattered ports, far from either end.
const UNRELATED: u16 = 26_026;

/// Rules to pass, by what they are called in the table.
struct Course {
    name: String,
    bundle: Option<Bundle>,
}

pub fn measure(scale: Scale) -> Table {
    let sender = Sender::behind_a_cable();
    let mut courses = vec![Course { name: "no rules".to_owned(), bundle: None }];
    for backend in ["iptables", "nftables"] {
        for ports in scale.of(&[10, 1_000, 10_000][..], &[10][..]) {
            courses.push(Course {
                name: format!("{backend}, {ports} ports"),
                bundle: Some(Bundle::scattered(backend, *ports)),
            });
        }
    }
    let mut nanoseconds = vec![Vec::new(); courses.len()];
    for round in 0..scale.of(9, 1) {
        for index in order(round, courses.len()) {
            shell("nft flush ruleset");
            if let Some(bundle) = &courses[index].bundle {
                Contestant::ours("ours", bundle, &["rules", "load"]).run();
            }
            nanoseconds[index].push(sender.send(scale.of(200_000, 100)));
        }
    }
    let mut table = Table::new(
        "A packet to a port that is not reserved",
        &["Rules", "ns a packet", "it/no rules", "it/10 ports", "from-to"],
    );
    for (index, course) in courses.iter().enumerate() {
        let (own, ten) = (&nanoseconds[index], &nanoseconds[ten_ports(index, &courses)]);
        table.row([
            course.name.clone(),
            format!("{:.0}", median(own.iter().copied())),
            format!("{:.2}", ratio(own, &nanoseconds[0])),
            format!("{:.2}", ratio(own, ten)),
            spread(own, ten),
        ]);
    }
    table
}

/// The course of ten ports with the same backend.
fn ten_ports(index: usize, courses: &[Course]) -> usize {
    let Some((backend, _)) = courses[index].name.split_once(',') else { return index };
    let same = |course: &Course| course.name == format!("{backend}, 10 ports");
    courses.iter().position(same).unwrap()
}

/// A raw socket in another network.
struct Sender(Socket);

impl Sender {
    fn behind_a_cable() -> Self {
        let (named, name) = mpsc::channel();
        let (wired, wire) = mpsc::channel();
        // A thread has a network of its own if it wants one; the socket stays in it.
        let socket = thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            named.send(gettid()).unwrap();
            wire.recv().unwrap();
            shell(&format!("ip address add {OUTSIDE}/24 dev cable; ip link set cable up"));
            Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::TCP)).unwrap()
        });
        let there = name.recv().unwrap();
        shell(&format!(
            "ip link add cable type veth peer name cable netns {there}
             ip address add {HOST}/24 dev cable; ip link set cable up"
        ));
        wired.send(()).unwrap();
        let sender = Self(socket.join().unwrap());
        // The neighbour is asked for once.
        sender.send(1_000);
        sender
    }

    /// Nanoseconds for each of so many packets.
    fn send(&self, packets: u32) -> f64 {
        let to = SockAddr::from(SocketAddrV4::new(HOST, 0));
        let packet = reset(UNRELATED);
        let started = Instant::now();
        for _ in 0..packets {
            self.0.send_to(&packet, &to).unwrap();
        }
        started.elapsed().as_nanos() as f64 / f64::from(packets)
    }
}

/// A TCP header with RST set and its checksum (RFC 9293).
fn reset(port: u16) -> [u8; 20] {
    let mut header = [0_u8; 20];
    header[0..2].copy_from_slice(&40_000_u16.to_be_bytes());
    header[2..4].copy_from_slice(&port.to_be_bytes());
    header[12] = 5 << 4;
    header[13] = 1 << 2;
    let addresses = [OUTSIDE.octets(), HOST.octets()].concat();
    let pseudo = [&addresses[..], &[0, 6, 0, 20], &header[..]].concat();
    let sum: u32 = pseudo.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    header[16..18].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    header
}
