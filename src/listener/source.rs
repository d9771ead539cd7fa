//! The source of a connection: the unit that limits per client count by. Two services of this host have
//! the same address, so a local client's source is its control group too.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU64;

/// The source of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// The IPv4 address, or the IPv6 /64, which is what a single subscriber gets (RFC 6177).
    pub network: IpAddr,
    /// A local client's control group, where it is known.
    pub cgroup: Option<NonZeroU64>,
}

impl Source {
    /// The source of a client with this address in this control group.
    pub fn new(address: IpAddr, cgroup: Option<NonZeroU64>) -> Source {
        let network = match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(six) => Ipv6Addr::from_bits(six.to_bits() & !u128::from(u64::MAX)).into(),
        };
        Source { network, cgroup }
    }

    /// The source in 16 bytes: the upper half of an IPv6 address or the IPv4 address, and the control
    /// group or zero. The addresses cannot meet: as an upper half, an IPv4 address lies in 0000::/8,
    /// which is reserved (RFC 4291, section 2.4).
    pub fn key(self) -> SourceKey {
        let network = match self.network {
            IpAddr::V4(four) => four.to_bits().into(),
            IpAddr::V6(six) => (six.to_bits() >> 64) as u64,
        };
        SourceKey(network, self.cgroup.map_or(0, NonZeroU64::get))
    }
}

/// A client that is not known to be local.
impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Source {
        Source::new(address, None)
    }
}

/// A source, short enough for a table with an entry for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SourceKey(u64, u64);

impl SourceKey {
    /// redisguard's own questions. As an upper half these are multicast addresses, which no client has.
    pub const OWN: SourceKey = SourceKey(u64::MAX, u64::MAX);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_ipv6_subscriber_is_one_source_and_so_is_one_control_group() {
        for (one, other, same) in [
            (("2001:db8::1", 0), ("2001:db8::ffff:1", 0), true),
            (("2001:db8::1", 0), ("2001:db8:0:1::1", 0), false),
            (("192.0.2.1", 0), ("192.0.2.1", 0), true),
            (("192.0.2.1", 0), ("192.0.2.2", 0), false),
            (("127.0.0.1", 7), ("127.0.0.1", 7), true),
            (("127.0.0.1", 7), ("127.0.0.1", 8), false),
            (("127.0.0.1", 7), ("127.0.0.1", 0), false),
            (("127.0.0.1", 7), ("127.0.0.2", 7), false),
        ] {
            let [one, other] = [one, other]
                .map(|(text, cgroup)| Source::new(text.parse().unwrap(), NonZeroU64::new(cgroup)));
            assert_eq!(one == other, same, "{one:?} {other:?}");
            assert_eq!(one.key() == other.key(), same, "{one:?} {other:?}");
        }
    }
}
