//! Owns finding the addresses of a name, as the programs of this machine find them. `getent` is asked,
//! which is part of every C library from GNU, and not the library itself: it would load what
//! nsswitch.conf names into this program, and a program that is linked statically does not survive that.

use nix::net::if_::if_nametoindex;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::process::{Command, Stdio};

/// The exit status of getent for a name that nobody knows (getent(1)).
const UNKNOWN: i32 = 2;

/// The addresses of a name, or the one that is written, each once and with port 0. May wait for the
/// network.
///
/// # Errors
/// Says why there is none.
pub(crate) fn addresses(host: &str) -> Result<Vec<SocketAddr>, String> {
    if let Some(address) = written(host) {
        return Ok(vec![address]);
    }
    let asked = Command::new("getent").args(["ahosts", "--", host]).stdin(Stdio::null()).output();
    let answer = asked.map_err(|error| format!("could not run getent: {error}"))?;
    if !answer.status.success() {
        return Err(match answer.status.code() {
            Some(UNKNOWN) => "nobody knows that name".to_owned(),
            _ => format!("getent: {}", String::from_utf8_lossy(&answer.stderr).trim()),
        });
    }
    // ADDRESS KIND-OF-SOCKET NAME
    let answer = String::from_utf8_lossy(&answer.stdout);
    let words = answer.lines().filter_map(|line| line.split_whitespace().next());
    let mut addresses = Vec::new();
    for address in words.filter_map(written) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() { Err("it has none".to_owned()) } else { Ok(addresses) }
}

/// An address as people write it: `192.0.2.1`, `2001:db8::1`, `[2001:db8::1]`, `fe80::1%eth0`.
fn written(text: &str) -> Option<SocketAddr> {
    let plain = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let Some((address, link)) = plain.split_once('%') else {
        return plain.parse::<IpAddr>().ok().map(|address| (address, 0).into());
    };
    let link = link.parse().ok().or_else(|| if_nametoindex(link).ok())?;
    Some(SocketAddrV6::new(address.parse().ok()?, 0, 0, link).into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_as_it_is_written() {
        for (text, address) in [
            ("192.0.2.1", "192.0.2.1:0"),
            ("2001:db8::1", "[2001:db8::1]:0"),
            ("[2001:db8::1]", "[2001:db8::1]:0"),
            ("fe80::1%7", "[fe80::1%7]:0"),
            ("fe80::1%lo", "[fe80::1%1]:0"),
        ] {
            assert_eq!(addresses(text), Ok(vec![address.parse().unwrap()]), "{text}");
        }
        for text in ["redis.example.org", "192.0.2", "fe80::1%no-such-link", "192.0.2.1%lo", ""] {
            assert_eq!(written(text), None, "{text}");
        }
    }

    #[test]
    fn a_name_is_found_where_this_machine_finds_it() {
        let found = addresses("localhost").unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback()), "{found:?}");
        let mut once = found.clone();
        once.dedup();
        assert_eq!(once, found);
        assert_eq!(addresses("no-such-host.invalid").unwrap_err(), "nobody knows that name");
        // What looks like an option is a name too.
        assert_eq!(addresses("--help").unwrap_err(), "nobody knows that name");
    }
}
