//! The source of a connection: the unit that limits per client count by.

use std::net::{IpAddr, Ipv6Addr};

/// The source of `address`: the IPv4 address itself, or the IPv6 /64, which is what a single
/// subscriber gets (RFC 6177).
pub fn source_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => Ipv6Addr::from_bits(six.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// The source of `address` in 8 bytes: the upper half of an IPv6 address, or the IPv4 address. The
/// two cannot meet: as an upper half, an IPv4 address lies in 0000::/8, which is reserved (RFC 4291,
/// section 2.4).
pub fn source_key(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(four) => four.to_bits().into(),
        IpAddr::V6(six) => (six.to_bits() >> 64) as u64,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_ipv6_subscriber_is_one_source() {
        for (one, other, same) in [
            ("2001:db8::1", "2001:db8::ffff:1", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
        ] {
            let [one, other] = [one, other].map(|text| text.parse::<IpAddr>().unwrap());
            assert_eq!(source_of(one) == source_of(other), same, "{one} {other}");
            assert_eq!(source_key(one) == source_key(other), same, "{one} {other}");
        }
    }
}
