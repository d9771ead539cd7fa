//! Owns the question where a connection wanted to go: the port that it reached, or, behind a
//! netfilter redirect, the destination that connection tracking remembers. Must never guess: an
//! unknown destination is spoken for by the first reservation.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};

use nix::sys::socket::{getsockopt, sockopt};

use crate::listener::settings::Settings;

/// The reserved port that was meant, and whether a redirect brought the connection here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::listener) struct Origin {
    /// The reserved port that the client meant.
    pub(in crate::listener) port: u16,
    /// Whether a redirect brought it here.
    pub(in crate::listener) redirected: bool,
}

/// Which port `stream`, accepted on the notice port from `peer`, wanted to reach.
pub(in crate::listener) fn origin(stream: &TcpStream, peer: IpAddr, settings: &Settings) -> Origin {
    settle(original_destination(stream, peer.is_ipv4()), settings)
}

/// The address that the client of `stream` meant; behind a redirect it is not the socket's own.
pub(in crate::listener) fn address(stream: &TcpStream, redirected: bool) -> IpAddr {
    let local = stream.local_addr().map_or(Ipv4Addr::LOCALHOST.into(), |local| local.ip());
    let original = redirected.then(|| original_destination(stream, local.is_ipv4())).flatten();
    original.map_or(local, |original| original.ip())
}

/// Makes the best of what connection tracking says.
fn settle(original: Option<SocketAddr>, settings: &Settings) -> Origin {
    match original {
        Some(original) if settings.reservation(original.port()).is_some() => {
            Origin { port: original.port(), redirected: true }
        }
        _ => {
            let port = settings.reserved.first().map_or(0, |reservation| reservation.first);
            Origin { port, redirected: false }
        }
    }
}

fn original_destination(stream: &TcpStream, is_ipv4: bool) -> Option<SocketAddr> {
    if is_ipv4 {
        let raw = getsockopt(stream, sockopt::OriginalDst).ok()?;
        let octets = raw.sin_addr.s_addr.to_ne_bytes();
        Some(SocketAddr::new(octets.into(), u16::from_be(raw.sin_port)))
    } else {
        let raw = getsockopt(stream, sockopt::Ip6tOriginalDst).ok()?;
        let address = Ipv6Addr::from(raw.sin6_addr.s6_addr);
        Some(SocketAddr::new(address.into(), u16::from_be(raw.sin6_port)))
    }
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
        let settled = |original: Option<&str>| {
            let origin = settle(original.map(|text| text.parse().unwrap()), &settings);
            (origin.port, origin.redirected)
        };
        assert_eq!(settled(Some("192.0.2.1:6381")), (6381, true));
        assert_eq!(settled(Some("[2001:db8::1]:6379")), (6379, true));
        assert_eq!(settled(Some("192.0.2.1:63790")), (6379, false));
        assert_eq!(settled(None), (6379, false));
    }
}
