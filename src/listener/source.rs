//! The source of a connection: whom the limits per source count together.

use std::net::{IpAddr, Ipv6Addr};

/// The source of `address`: the IPv4 address itself, or the IPv6 /64, which is what a single subscriber
/// gets (RFC 6177).
pub(super) fn source_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => Ipv6Addr::from_bits(six.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_ipv6_subscriber_is_one_source() {
        let source = |text: &str| text.parse().map(source_of);
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:1"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_eq!(source("192.0.2.1"), "192.0.2.1".parse());
    }
}
