//! The virtual services of IPVS, which kube-proxy and keepalived set up. Changes nothing.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The TCP services by address and port; none where the kernel has no IPVS.
pub fn tcp_services() -> Vec<(IpAddr, u16)> {
    parse(&fs::read_to_string("/proc/net/ip_vs").unwrap_or_default())
}

/// Reads lines like `TCP  0A600009:18EB rr` (ip_vs_info_seq_show() in Linux), whose IPv6 addresses are in
/// brackets.
fn parse(table: &str) -> Vec<(IpAddr, u16)> {
    let services = table.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        if words.next() != Some("TCP") {
            return None;
        }
        let (address, port) = words.next()?.rsplit_once(':')?;
        let address = match address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(v6) => v6.parse::<Ipv6Addr>().ok()?.into(),
            None => Ipv4Addr::from(u32::from_str_radix(address, 16).ok()?).into(),
        };
        Some((address, u16::from_str_radix(port, 16).ok()?))
    });
    services.collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn services_of_both_families_are_read() {
        let table = "IP Virtual Server version 1.2.1 (size=4096)\n\
                     Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port Forward Weight\n\
                     TCP  0A600009:18EB rr\n  -> 0A010203:18EB      Masq    1      0          0\n\
                     TCP  [fd00:0096:0000:0000:0000:0000:0000:0009]:18EC rr\nUDP  0A60000A:0035 rr\n";
        let wanted = [("10.96.0.9", 6379), ("fd00:96::9", 6380)];
        assert_eq!(parse(table), wanted.map(|(address, port)| (address.parse().unwrap(), port)));
    }
}
