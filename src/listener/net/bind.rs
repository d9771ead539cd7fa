//! Owns the taking of ports: which are bound, in which family, and which are left to others and
//! why. Must never accept a connection, and never hold half of a port that is to be left alone.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use nix::errno::Errno;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::listener::settings::{Listen, Reservation, Settings};

/// Connections that may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// What connections to a listener are meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::listener) enum BoundSocket {
    /// This very port, a reserved one.
    Reserved(u16),
    /// The notice port; the connection knows where it wanted to go.
    Redirected,
}

/// The ports that were taken, ready to be served.
#[derive(Debug)]
pub struct Listeners {
    pub(in crate::listener) sockets: Vec<(TcpListener, BoundSocket)>,
    left_alone: Vec<LeftAlone>,
}

/// A reserved port that the listener does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftAlone {
    /// The port.
    pub port: u16,
    /// Why it is not held.
    pub reason: String,
}

/// A port that must be held could not be taken.
#[derive(Debug)]
pub struct BindError {
    /// The address and port.
    pub address: SocketAddr,
    /// Whether it is the notice port, not a reserved one.
    pub is_notice_port: bool,
    /// What the kernel said.
    pub cause: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (address, port, cause) = (self.address, self.address.port(), &self.cause);
        write!(out, "could not listen on {address}: {cause}\n  ")?;
        match cause.kind() {
            _ if self.is_notice_port => write!(
                out,
                "stop what holds port {port} (`ss -Hltnp 'sport = :{port}'` names it), or choose \
                 another notice port"
            ),
            ErrorKind::AddrInUse => write!(
                out,
                "stop what holds port {port} (`ss -Hltnp 'sport = :{port}'` names it), or give the \
                 port listen = \"if-free\" to leave it to its holder"
            ),
            ErrorKind::PermissionDenied => write!(
                out,
                "the listener needs no rights and has none for a port below 1024: give port {port} \
                 listen = \"never\""
            ),
            _ => write!(out, "give port {port} listen = \"never\" to do without it"),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

impl Listeners {
    /// Takes every port that the settings ask for, on all IPv4 and all IPv6 addresses. A host
    /// without IPv6 is served on IPv4 alone.
    ///
    /// # Errors
    /// A port with `listen = "always"`, or the notice port, could not be taken.
    pub fn bind(settings: &Settings) -> Result<Listeners, BindError> {
        let mut listeners = Listeners { sockets: Vec::new(), left_alone: Vec::new() };
        for reservation in &settings.reserved {
            for port in reservation.first..=reservation.last {
                listeners.take_reserved(reservation, port)?;
            }
        }
        if let Some(port) = settings.port {
            listeners.take(port, BoundSocket::Redirected)?;
        }
        Ok(listeners)
    }

    /// The addresses that were taken, in the order of the settings.
    #[must_use]
    pub fn bound(&self) -> Vec<SocketAddr> {
        self.sockets.iter().filter_map(|(socket, _)| socket.local_addr().ok()).collect()
    }

    /// The reserved ports that are left to others, and why.
    #[must_use]
    pub fn left_alone(&self) -> &[LeftAlone] {
        &self.left_alone
    }

    fn take_reserved(&mut self, reservation: &Reservation, port: u16) -> Result<(), BindError> {
        let reason = match reservation.listen {
            Listen::Always => return self.take(port, BoundSocket::Reserved(port)),
            Listen::Never => "listen = \"never\"".to_owned(),
            Listen::IfFree => match self.take(port, BoundSocket::Reserved(port)) {
                Ok(()) => return Ok(()),
                Err(busy) if busy.cause.kind() == ErrorKind::AddrInUse => {
                    format!("{} is in use", busy.address)
                }
                Err(error) => return Err(error),
            },
        };
        self.left_alone.push(LeftAlone { port, reason });
        Ok(())
    }

    /// Takes `port` in both families or in neither.
    fn take(&mut self, port: u16, door: BoundSocket) -> Result<(), BindError> {
        let four = Bound::to(Ipv4Addr::UNSPECIFIED.into(), port, door)?;
        let six = match Bound::to(Ipv6Addr::UNSPECIFIED.into(), port, door) {
            Ok(six) => Some(six.listening()?),
            Err(error) if means_no_ipv6(&error.cause) => None,
            Err(error) => return Err(error),
        };
        self.sockets.push((four.listening()?, door));
        self.sockets.extend(six.map(|six| (six, door)));
        Ok(())
    }
}

fn means_no_ipv6(cause: &io::Error) -> bool {
    cause
        .raw_os_error()
        .map(Errno::from_raw)
        .is_some_and(|errno| matches!(errno, Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL))
}

/// A socket that has its address and does not listen yet: nobody can connect to a port that is
/// then left alone.
struct Bound {
    address: SocketAddr,
    door: BoundSocket,
    socket: Socket,
}

impl Bound {
    fn to(ip: IpAddr, port: u16, door: BoundSocket) -> Result<Bound, BindError> {
        let address = SocketAddr::new(ip, port);
        match bound_socket(address) {
            Ok(socket) => Ok(Bound { address, door, socket }),
            Err(cause) => Err(bind_error(address, door, cause)),
        }
    }

    fn listening(self) -> Result<TcpListener, BindError> {
        match self.socket.listen(BACKLOG) {
            Ok(()) => Ok(self.socket.into()),
            Err(cause) => Err(bind_error(self.address, self.door, cause)),
        }
    }
}

fn bind_error(address: SocketAddr, door: BoundSocket, cause: io::Error) -> BindError {
    BindError { address, is_notice_port: door == BoundSocket::Redirected, cause }
}

fn bound_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of an earlier listener may still be in TIME_WAIT. A socket that *listens* on
    // the port is in the way all the same, also one that listens on a single address.
    socket.set_reuse_address(true)?;
    // Inherited by what is accepted: a reply never waits for the acknowledgement of another.
    socket.set_tcp_nodelay(true)?;
    // Inherited as well: for a few packets the plainest congestion control is the cheapest.
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
    fn a_free_port_is_taken_in_both_families() {
        let probe = TcpListener::bind("[::]:0").unwrap();
        let port = probe.local_addr().unwrap().port();
        drop(probe);
        let listeners = Listeners::bind(&settings(port, "if-free")).unwrap();
        assert_eq!(listeners.bound().len(), 2);
        assert!(listeners.left_alone().is_empty());
    }

    #[test]
    fn a_port_held_on_one_address_is_left_alone_in_both_families() {
        for holder in ["127.0.0.1:0", "[::1]:0"] {
            let held = TcpListener::bind(holder).unwrap();
            let port = held.local_addr().unwrap().port();
            let listeners = Listeners::bind(&settings(port, "if-free")).unwrap();
            assert!(listeners.bound().is_empty(), "{holder}");
            assert_eq!(listeners.left_alone()[0].port, port);
            let other: IpAddr = if held.local_addr().unwrap().is_ipv4() {
                Ipv6Addr::LOCALHOST.into()
            } else {
                Ipv4Addr::LOCALHOST.into()
            };
            assert!(is_free(other, port), "{holder}: the other family is held");
        }
    }

    #[test]
    fn a_busy_port_that_must_be_held_is_an_error_with_port_cause_and_cure() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = held.local_addr().unwrap().port();
        let message = Listeners::bind(&settings(port, "always")).unwrap_err().to_string();
        for part in [&format!("0.0.0.0:{port}"), "in use", "stop what holds", "if-free"] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_port_that_is_never_listened_on_is_not_touched() {
        let listeners = Listeners::bind(&settings(1, "never")).unwrap();
        assert!(listeners.bound().is_empty());
        assert_eq!(listeners.left_alone()[0].reason, "listen = \"never\"");
    }
}
