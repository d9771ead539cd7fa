//! The two address families, IPv4 and IPv6, and what is named after them.

use serde::Serialize;
use std::net::IpAddr;

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Family {
    /// IPv4.
    #[serde(rename = "IPv4")]
    V4,
    /// IPv6.
    #[serde(rename = "IPv6")]
    V6,
}

impl Family {
    /// Both families, IPv4 first.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// `IPv4` or `IPv6`.
    pub fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }

    /// `v4` or `v6`.
    pub fn short(self) -> &'static str {
        match self {
            Self::V4 => "v4",
            Self::V6 => "v6",
        }
    }

    /// The path in a bundle of this family's rules for `iptables-restore`.
    pub fn rules_path(self) -> &'static str {
        match self {
            Self::V4 => "host/etc/redisguard/rules.v4",
            Self::V6 => "host/etc/redisguard/rules.v6",
        }
    }

    /// The program that changes this family's rules. Its other programs and its variants have this name
    /// with more behind it: `iptables-save`, `iptables-legacy`.
    pub fn iptables(self) -> &'static str {
        match self {
            Self::V4 => "iptables",
            Self::V6 => "ip6tables",
        }
    }

    /// What the kernel and nft call this family: `ip` or `ip6`.
    pub fn kernel_name(self) -> &'static str {
        match self {
            Self::V4 => "ip",
            Self::V6 => "ip6",
        }
    }
}
