//! The listening sockets: which ports are bound, in which family, which are left to other programs and why, and
//! which another program holds although the listener should.
//!
//! Guarantees: a port with `listen = "if-free"` is bound in both families or in neither, and never again after
//! the start. One port that is taken keeps no other from being bound.
//! Never: accepts a connection.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use nix::errno::Errno;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::error::Error;
use crate::listener::settings::{Listen, Settings};

/// Connections that may wait to be accepted; the kernel caps it at `net.core.somaxconn`, which is
/// 4096 since Linux 5.4.
pub const BACKLOG: u16 = 4096;

/// All addresses of each family.
const WILDCARDS: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];

/// Which port a listening socket is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenPort {
    /// A reserved port.
    Reserved(u16),
    /// The notice port: connection tracking knows which reserved port each client meant.
    Notice(u16),
}

impl ListenPort {
    /// Its number.
    pub fn number(self) -> u16 {
        match self {
            ListenPort::Reserved(port) | ListenPort::Notice(port) => port,
        }
    }
}

/// A socket that accepts connections.
#[derive(Debug)]
pub struct Listener {
    pub socket: TcpListener,
    pub port: ListenPort,
}

/// The bound ports, ready to be served.
#[derive(Debug, Default)]
pub struct Listeners {
    pub sockets: Vec<Listener>,
    /// The reserved ports that are left to other programs.
    pub left_alone: Vec<LeftAlone>,
    /// The addresses that the listener should have and has not.
    pub unbound: Vec<Unbound>,
}

/// A reserved port that the listener does not bind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftAlone {
    /// The port.
    pub port: u16,
    /// Why it is not bound.
    pub reason: String,
}

/// An address that could not be bound.
#[derive(Debug)]
pub struct Unbound {
    /// The port.
    pub port: ListenPort,
    /// All addresses of one family, with the port.
    pub address: SocketAddr,
    cause: io::Error,
}

impl Unbound {
    /// Whether another program has it.
    fn is_taken(&self) -> bool {
        self.cause.kind() == ErrorKind::AddrInUse
    }

    /// An address that was bound and could not be served.
    pub fn lost(port: ListenPort, address: SocketAddr, cause: io::Error) -> Unbound {
        Unbound { port, address, cause }
    }

    /// Tries again to bind it.
    ///
    /// # Errors
    /// The same address, with the cause of now.
    pub fn retry(self) -> Result<Listener, Unbound> {
        let Unbound { port, address, .. } = self;
        listen(port, address).map_err(|cause| Unbound { port, address, cause })
    }
}

/// The address, and why it is not bound.
impl fmt::Display for Unbound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_taken() {
            true => write!(formatter, "{} is in use by another program", self.address),
            false => write!(formatter, "{} cannot be bound ({})", self.address, self.cause),
        }
    }
}

impl Listeners {
    /// Binds every port that the settings ask for, on all IPv4 and all IPv6 addresses. A host
    /// without IPv6 is served on IPv4 alone.
    ///
    /// # Errors
    /// Nothing could be bound, for another reason than that it is in use.
    pub fn bind(settings: &Settings) -> Result<Listeners, Error> {
        let mut listeners = Listeners::default();
        for reservation in &settings.reserved {
            for port in reservation.first..=reservation.last {
                listeners.add_reserved(reservation.listen, port);
            }
        }
        if let Some(port) = settings.port.map(ListenPort::Notice) {
            listeners.add(port);
        }
        match listeners.unbound.iter().find(|unbound| !unbound.is_taken()) {
            Some(unbound) if listeners.sockets.is_empty() => Err(bind_error(unbound)),
            _ => Ok(listeners),
        }
    }

    fn add_reserved(&mut self, listen: Listen, number: u16) {
        let port = ListenPort::Reserved(number);
        let reason = match listen {
            Listen::Never => "listen = \"never\"".to_owned(),
            Listen::Always => return self.add(port),
            Listen::IfFree => match bind_both(port) {
                Ok(sockets) => return self.sockets.extend(sockets),
                Err(unbound) => unbound.to_string(),
            },
        };
        self.left_alone.push(LeftAlone { port: number, reason });
    }

    /// Binds `port` in each family where it can be.
    fn add(&mut self, port: ListenPort) {
        for ip in WILDCARDS {
            let address = SocketAddr::new(ip, port.number());
            match listen(port, address) {
                Ok(listener) => self.sockets.push(listener),
                Err(cause) if ip.is_ipv6() && means_no_ipv6(&cause) => {}
                Err(cause) => self.unbound.push(Unbound { port, address, cause }),
            }
        }
    }
}

/// The addresses of bound sockets.
pub fn addresses(sockets: &[Listener]) -> Vec<SocketAddr> {
    sockets.iter().filter_map(|listener| listener.socket.local_addr().ok()).collect()
}

fn listen(port: ListenPort, address: SocketAddr) -> io::Result<Listener> {
    let socket = bound_socket(address)?;
    socket.listen(BACKLOG.into())?;
    Ok(Listener { socket: socket.into(), port })
}

/// Binds `port` in both families or in neither.
fn bind_both(port: ListenPort) -> Result<Vec<Listener>, Unbound> {
    let mut bound = Vec::new();
    for ip in WILDCARDS {
        let address = SocketAddr::new(ip, port.number());
        match bound_socket(address) {
            Ok(socket) => bound.push((address, socket)),
            Err(cause) if ip.is_ipv6() && means_no_ipv6(&cause) => {}
            Err(cause) => return Err(Unbound { port, address, cause }),
        }
    }
    // Only now: while the other family could still turn out to be busy, no client may connect.
    for (address, socket) in &bound {
        let unbound = |cause| Unbound { port, address: *address, cause };
        socket.listen(BACKLOG.into()).map_err(unbound)?;
    }
    Ok(bound.into_iter().map(|(_, socket)| Listener { socket: socket.into(), port }).collect())
}

fn bind_error(Unbound { port, address, cause }: &Unbound) -> Error {
    let number = port.number();
    let help = match (port, cause.kind()) {
        (ListenPort::Notice(_), _) => "choose another notice port".to_owned(),
        (_, ErrorKind::PermissionDenied) => format!(
            "the listener needs no rights and has none for a port below 1024: give port {number} \
             listen = \"never\""
        ),
        _ => format!("give port {number} listen = \"never\" to do without it"),
    };
    Error::io(format!("listen on {address}"), cause).help(help)
}

fn means_no_ipv6(cause: &io::Error) -> bool {
    let errno = cause.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL))
}

fn bound_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of an earlier listener may still be in TIME_WAIT. A socket that *listens* on
    // the port makes bind fail all the same, even if it listens on a single address.
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit it: no reply waits for the acknowledgement of another.
    socket.set_tcp_nodelay(true)?;
    // Inherited too. For a few packets the simplest congestion control is the cheapest: bbr, where
    // it is the default, costs one or two percent more (docs/performance.md).
    let _ = socket.set_tcp_congestion(b"reno");
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(address))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn settings(port: u16, listen: &str) -> Settings {
        Settings::parse(&format!(
            "[[reserved]]\nfirst = {port}\nlast = {port}\n\
             listen = \"{listen}\"\nsentence = \"PORTCLOSED {{port}}\"\n"
        ))
        .unwrap()
    }

    fn is_free(ip: IpAddr, port: u16) -> bool {
        TcpListener::bind((ip, port)).is_ok()
    }

    #[test]
    fn a_free_port_is_bound_in_both_families() {
        let probe = TcpListener::bind("[::]:0").unwrap();
        let port = probe.local_addr().unwrap().port();
        drop(probe);
        let listeners = Listeners::bind(&settings(port, "if-free")).unwrap();
        assert_eq!(addresses(&listeners.sockets).len(), 2);
        assert!(listeners.left_alone.is_empty());
    }

    #[test]
    fn a_port_held_on_one_address_is_left_alone_in_both_families() {
        for holder in ["127.0.0.1:0", "[::1]:0"] {
            let held = TcpListener::bind(holder).unwrap();
            let port = held.local_addr().unwrap().port();
            let listeners = Listeners::bind(&settings(port, "if-free")).unwrap();
            assert!(addresses(&listeners.sockets).is_empty(), "{holder}");
            assert_eq!(listeners.left_alone[0].port, port);
            let other: IpAddr = if held.local_addr().unwrap().is_ipv4() {
                Ipv6Addr::LOCALHOST.into()
            } else {
                Ipv4Addr::LOCALHOST.into()
            };
            assert!(is_free(other, port), "{holder}: the other family is bound");
        }
    }

    #[test]
    fn a_taken_family_of_a_port_is_named_and_bound_once_it_is_free() {
        for (holder, other) in [("127.0.0.1:0", "[::]"), ("[::1]:0", "0.0.0.0")] {
            let held = TcpListener::bind(holder).unwrap();
            let port = held.local_addr().unwrap().port();
            let mut listeners = Listeners::bind(&settings(port, "always")).unwrap();
            let bound = addresses(&listeners.sockets);
            assert_eq!(bound, [format!("{other}:{port}").parse().unwrap()], "{holder}");
            let unbound = listeners.unbound.remove(0);
            let text = unbound.to_string();
            assert!(text.ends_with(&format!(":{port} is in use by another program")), "{text}");
            assert!(listeners.unbound.is_empty());
            let mut retried = Err(unbound.retry().unwrap_err());
            drop(held);
            // A program that another test is about to start may have inherited the socket.
            while let Err(unbound) = retried {
                retried = unbound.retry();
            }
            let listener = retried.unwrap();
            assert_eq!(listener.socket.local_addr().unwrap().port(), port);
        }
    }

    #[test]
    fn a_taken_port_silences_no_other() {
        let held = TcpListener::bind("[::]:0").unwrap();
        let taken = held.local_addr().unwrap().port();
        let mut both = settings(taken, "always");
        let probe = TcpListener::bind("[::]:0").unwrap();
        both.port = Some(probe.local_addr().unwrap().port());
        drop(probe);
        let listeners = Listeners::bind(&both).unwrap();
        assert_eq!(addresses(&listeners.sockets).len(), 2);
        assert!(listeners.unbound.iter().all(|unbound| unbound.address.port() == taken));
        assert_eq!(listeners.unbound.len(), 2);
    }

    #[test]
    fn a_port_that_is_never_listened_on_is_not_touched() {
        let listeners = Listeners::bind(&settings(1, "never")).unwrap();
        assert!(addresses(&listeners.sockets).is_empty());
        assert_eq!(listeners.left_alone[0].reason, "listen = \"never\"");
    }
}
