//! The network of a rehearsal: a virtual cable (veth(4)) between the guarded host and the outsider.

use crate::bundle::GuardConfig;
use crate::error::Error;
use crate::os::command::{Program, one_line};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses at both ends of the cable, for one family.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cable {
    pub(super) host: IpAddr,
    pub(super) outside: IpAddr,
    pub(super) prefix: u8,
}

/// A cable for IPv4 and one for IPv6. The addresses are from networks for documentation and tests (RFC 5737,
/// RFC 2544, RFC 3849) or for private use (RFC 4193): the first that the guard does not allow, since an
/// allowed client is no outsider.
///
/// # Errors
/// `allow` covers every such network.
pub(super) fn cables(guard_config: &GuardConfig) -> Result<[Cable; 2], Error> {
    let is_outside = |address: &IpAddr| !guard_config.allow.iter().any(|net| net.contains(address));
    let v4 = [[203, 0, 113], [198, 51, 100], [192, 0, 2], [198, 18, 77]].map(|[a, b, c]| {
        let end = |last| IpAddr::V4(Ipv4Addr::new(a, b, c, last));
        Cable { host: end(1), outside: end(2), prefix: 30 }
    });
    let v6 =
        [0x2001_0db8_0072_0067_u128, 0xfd72_6467_0000_0001, 0xfc00_6467_0000_0001].map(|net| {
            let end = |last: u128| IpAddr::V6(Ipv6Addr::from((net << 64) | last));
            Cable { host: end(1), outside: end(2), prefix: 64 }
        });
    let pick = |cables: &[Cable]| cables.iter().copied().find(|cable| is_outside(&cable.outside));
    match (pick(&v4), pick(&v6)) {
        (Some(v4), Some(v6)) => Ok([v4, v6]),
        _ => Err(Error::new(
            "rehearse an outsider",
            "the allowed networks cover every address that it could take",
        )),
    }
}

/// Runs ip(8).
///
/// # Errors
/// It fails.
pub(super) fn ip(arguments: &[&str]) -> Result<(), Error> {
    let action = format!("run ip {}", arguments.join(" "));
    let output = Program::new("ip").args(arguments).run(&action)?;
    match output.is_success() {
        true => Ok(()),
        false => Err(Error::new(action, one_line(&output.stderr))),
    }
}

/// Gives a link an address and sets it up.
///
/// # Errors
/// ip(8) fails.
pub(super) fn configure(link: &str, address: IpAddr, prefix: u8) -> Result<(), Error> {
    let address_text = format!("{address}/{prefix}");
    let mut arguments = vec!["addr", "add", &address_text, "dev", link];
    if address.is_ipv6() {
        // Duplicate address detection would keep the address from use for a second (RFC 4862).
        arguments.push("nodad");
    }
    ip(&arguments)?;
    ip(&["link", "set", link, "up"])
}
