//! Owns the question where a connection wanted to go: the port that it reached, or, behind a
//! netfilter redirect, the destination that connection tracking remembers. Must never guess: an
//! unknown destination is spoken for by the first reservation.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use nix::sys::socket::{getsockopt, sockopt};
use tokio::net::TcpStream;

use super::listen::Door;
use super::settings::Settings;

/// Where a connection wanted to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    /// The address that the client meant.
    pub(super) address: IpAddr,
    /// The reserved port that it meant.
    pub(super) port: u16,
    /// Whether a redirect brought it here.
    pub(super) redirected: bool,
}

/// Where `stream`, accepted at `door` as `local`, wanted to go.
pub(super) fn origin(
    stream: &TcpStream,
    local: SocketAddr,
    door: Door,
    settings: &Settings,
) -> Origin {
    match door {
        Door::Reserved => Origin { address: local.ip(), port: local.port(), redirected: false },
        Door::Redirected => {
            settle(original_destination(stream, local.is_ipv4()), local.ip(), settings)
        }
    }
}

/// Makes the best of what connection tracking says.
fn settle(original: Option<SocketAddr>, reached: IpAddr, settings: &Settings) -> Origin {
    match original {
        Some(original) if settings.reservation(original.port()).is_some() => {
            Origin { address: original.ip(), port: original.port(), redirected: true }
        }
        _ => {
            let port = settings.reserved.first().map_or(0, |reservation| reservation.first);
            Origin { address: reached, port, redirected: false }
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
        let reached = IpAddr::from([127, 0, 0, 1]);
        let settled = |original: Option<&str>| {
            let origin = settle(original.map(|text| text.parse().unwrap()), reached, &settings);
            (origin.address.to_string(), origin.port, origin.redirected)
        };
        assert_eq!(settled(Some("192.0.2.1:6381")), ("192.0.2.1".to_owned(), 6381, true));
        assert_eq!(settled(Some("[2001:db8::1]:6379")), ("2001:db8::1".to_owned(), 6379, true));
        assert_eq!(settled(Some("192.0.2.1:63790")), ("127.0.0.1".to_owned(), 6379, false));
        assert_eq!(settled(None), ("127.0.0.1".to_owned(), 6379, false));
    }
}
