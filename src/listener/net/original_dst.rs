//! The original destination of a connection: the port that it reached or, behind a netfilter
//! redirect, the one that connection tracking remembers (`SO_ORIGINAL_DST`).
//!
//! Never: guesses. The first reservation speaks for an unknown destination.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};

use socket2::SockRef;

use crate::listener::settings::Settings;

/// The port that a client meant, and how it came here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OriginalDestination {
    /// The reserved port.
    pub port: u16,
    /// Whether a netfilter rule redirected it to the notice port.
    pub redirected: bool,
}

impl OriginalDestination {
    /// The destination of a connection that was accepted on the reserved `port`.
    pub fn direct(port: u16) -> OriginalDestination {
        OriginalDestination { port, redirected: false }
    }

    /// The destination of a connection that was accepted on the notice port: `original` where its port is
    /// reserved, else the first reserved port. A client can connect to the notice port itself, and then
    /// there is nothing to remember.
    pub fn redirected(original: Option<SocketAddr>, settings: &Settings) -> OriginalDestination {
        match original {
            Some(original) if settings.reservation(original.port()).is_some() => {
                OriginalDestination { port: original.port(), redirected: true }
            }
            _ => {
                let first = settings.reserved.first().map_or(0, |reservation| reservation.first);
                OriginalDestination::direct(first)
            }
        }
    }

    /// The address that the client of `stream` meant; behind a redirect it is not the socket's own.
    pub fn address(self, stream: &TcpStream) -> IpAddr {
        let local = stream.local_addr().map_or(Ipv4Addr::LOCALHOST.into(), |local| local.ip());
        let original =
            self.redirected.then(|| conntrack_destination(stream, local.is_ipv4())).flatten();
        original.map_or(local, |original| original.ip())
    }
}

/// The destination of `stream` that connection tracking remembers.
pub fn conntrack_destination(stream: &TcpStream, is_ipv4: bool) -> Option<SocketAddr> {
    let socket = SockRef::from(stream);
    let original = if is_ipv4 { socket.original_dst_v4() } else { socket.original_dst_v6() };
    original.ok()?.as_socket()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_original_destination_counts_only_where_it_is_reserved() {
        let settings = Settings::parse(
            "port = 63790\n[[reserved]]\nfirst = 6379\nlast = 6381\n\
             sentence = \"PORTCLOSED {port}\"\n",
        )
        .unwrap();
        let found = |original: Option<&str>| {
            let original = original.map(|text| text.parse().unwrap());
            let destination = OriginalDestination::redirected(original, &settings);
            (destination.port, destination.redirected)
        };
        assert_eq!(found(Some("192.0.2.1:6381")), (6381, true));
        assert_eq!(found(Some("[2001:db8::1]:6379")), (6379, true));
        assert_eq!(found(Some("192.0.2.1:63790")), (6379, false));
        assert_eq!(found(None), (6379, false));
    }
}
