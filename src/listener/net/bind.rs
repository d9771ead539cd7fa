//! The listening sockets: which ports are bound, in which family, and which are left to other
//! programs and why.
//!
//! Guarantees: a port is bound in both families or in neither.
//! Never: accepts a connection.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use nix::errno::Errno;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::error::Error;
use crate::listener::settings::{Listen, Settings};

/// Connections that may wait to be accepted; the kernel caps it at `net.core.somaxconn`, which is
/// 4096 since Linux 5.4.
pub const BACKLOG: u16 = 4096;

/// Which port a listening socket is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenPort {
    /// A reserved port.
    Reserved(u16),
    /// The notice port: connection tracking knows which reserved port each client meant.
    Notice(u16),
}

impl ListenPort {
    fn number(self) -> u16 {
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
#[derive(Debug)]
pub struct Listeners {
    pub sockets: Vec<Listener>,
    /// The reserved ports that are left to other programs.
    pub left_alone: Vec<LeftAlone>,
}

/// A reserved port that the listener does not bind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftAlone {
    /// The port.
    pub port: u16,
    /// Why it is not bound.
    pub reason: String,
}

impl Listeners {
    /// Binds every port that the settings ask for, on all IPv4 and all IPv6 addresses. A host
    /// without IPv6 is served on IPv4 alone.
    ///
    /// # Errors
    /// A port with `listen = "always"`, or the notice port, could not be bound.
    pub fn bind(settings: &Settings) -> Result<Listeners, Error> {
        let mut listeners = Listeners { sockets: Vec::new(), left_alone: Vec::new() };
        for reservation in &settings.reserved {
            for port in reservation.first..=reservation.last {
                listeners.add_reserved(reservation.listen, port)?;
            }
        }
        if let Some(port) = settings.port.map(ListenPort::Notice) {
            listeners.add(port).map_err(|unbound| bind_error(port, &unbound))?;
        }
        Ok(listeners)
    }

    /// The bound addresses, in the order of the settings.
    pub fn bound(&self) -> Vec<SocketAddr> {
        self.sockets.iter().filter_map(|listener| listener.socket.local_addr().ok()).collect()
    }

    fn add_reserved(&mut self, listen: Listen, number: u16) -> Result<(), Error> {
        let port = ListenPort::Reserved(number);
        let reason = match listen {
            Listen::Never => "listen = \"never\"".to_owned(),
            Listen::Always | Listen::IfFree => match self.add(port) {
                Err(Unbound { address, cause })
                    if listen == Listen::IfFree && cause.kind() == ErrorKind::AddrInUse =>
                {
                    format!("{address} is in use")
                }
                added => return added.map_err(|unbound| bind_error(port, &unbound)),
            },
        };
        self.left_alone.push(LeftAlone { port: number, reason });
        Ok(())
    }

    /// Binds `port` in both families or in neither.
    fn add(&mut self, port: ListenPort) -> Result<(), Unbound> {
        let mut bound = Vec::new();
        for ip in [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)] {
            let address = SocketAddr::new(ip, port.number());
            match bound_socket(address) {
                Ok(socket) => bound.push((address, socket)),
                Err(cause) if ip.is_ipv6() && means_no_ipv6(&cause) => {}
                Err(cause) => return Err(Unbound { address, cause }),
            }
        }
        // Only now: while the other family could still turn out to be busy, no client may connect.
        for (address, socket) in &bound {
            let unbound = |cause| Unbound { address: *address, cause };
            socket.listen(BACKLOG.into()).map_err(unbound)?;
        }
        let listeners =
            bound.into_iter().map(|(_, socket)| Listener { socket: socket.into(), port });
        self.sockets.extend(listeners);
        Ok(())
    }
}

/// An address that could not be bound.
struct Unbound {
    address: SocketAddr,
    cause: io::Error,
}

fn bind_error(port: ListenPort, Unbound { address, cause }: &Unbound) -> Error {
    let number = port.number();
    let stop_holder =
        format!("stop what holds port {number} (`ss -Hltnp 'sport = :{number}'` names it), or");
    let help = match (port, cause.kind()) {
        (ListenPort::Notice(_), _) => format!("{stop_holder} choose another notice port"),
        (_, ErrorKind::AddrInUse) => {
            format!("{stop_holder} give the port listen = \"if-free\" to leave it to its holder")
        }
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
        assert_eq!(listeners.bound().len(), 2);
        assert!(listeners.left_alone.is_empty());
    }

    #[test]
    fn a_port_held_on_one_address_is_left_alone_in_both_families() {
        for holder in ["127.0.0.1:0", "[::1]:0"] {
            let held = TcpListener::bind(holder).unwrap();
            let port = held.local_addr().unwrap().port();
            let listeners = Listeners::bind(&settings(port, "if-free")).unwrap();
            assert!(listeners.bound().is_empty(), "{holder}");
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
    fn a_busy_port_that_must_be_bound_is_an_error_with_port_cause_and_fix() {
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
        assert_eq!(listeners.left_alone[0].reason, "listen = \"never\"");
    }
}
