//! Names and addresses, as the name service of this machine knows them. `getent` is asked, which is part
//! of every GNU C library. The library itself would load what nsswitch.conf names into this program, and
//! a statically linked program does not survive that.
//!
//! Never: takes a name from an answer that is not made of a name's letters. The owner of an address chooses
//! its name.

use super::command::{self, Program};
use crate::error::{Error, ErrorKind};
use nix::net::if_::if_nametoindex;
use std::collections::BTreeMap;
use std::iter;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

/// The exit status of getent where the name service knows no such key (getent(1)).
const UNKNOWN_KEY: i32 = 2;
/// The most addresses whose names [`names`] asks for.
pub const NAMES_LIMIT: usize = 64;
/// How long [`names`] may take altogether.
const NAMES_TIMEOUT: Duration = Duration::from_secs(5);
/// How many names are asked for at once: each mostly waits for a server.
const NAMES_AT_ONCE: usize = 8;
/// The most bytes of a name (RFC 1035, 2.3.4).
const NAME_LENGTH: usize = 253;

/// The addresses of a name, or the address that it spells, each once and with port 0. May wait for the
/// network.
///
/// # Errors
/// Says why there is none.
pub(crate) fn addresses(host: &str) -> Result<Vec<SocketAddr>, String> {
    if let Some(address) = spelled(host) {
        return Ok(vec![address]);
    }
    let asked = Program::new("getent").args(["ahosts", "--", host]).run("ask getent");
    let answer = asked.map_err(|error| format!("{error:#}"))?;
    if !answer.is_success() {
        return Err(match answer.code {
            Some(UNKNOWN_KEY) => "nobody knows that name".to_owned(),
            _ => format!("getent: {}", answer.stderr.trim()),
        });
    }
    // ADDRESS KIND-OF-SOCKET NAME, once for each kind of socket.
    let answer = answer.text();
    let words = answer.lines().filter_map(|line| line.split_whitespace().next());
    let mut addresses = Vec::new();
    for address in words.filter_map(spelled) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() { Err("it has none".to_owned()) } else { Ok(addresses) }
}

/// An address as people write it: `192.0.2.1`, `2001:db8::1`, `[2001:db8::1]`, `fe80::1%eth0`.
fn spelled(text: &str) -> Option<SocketAddr> {
    let plain = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let Some((address, link)) = plain.split_once('%') else {
        return plain.parse::<IpAddr>().ok().map(|address| (address, 0).into());
    };
    let link = link.parse().ok().or_else(|| if_nametoindex(link).ok())?;
    Some(SocketAddrV6::new(address.parse().ok()?, 0, 0, link).into())
}

/// The names of the first [`NAMES_LIMIT`] addresses, of those that have one and whose server answers
/// within five seconds.
///
/// # Errors
/// getent is not installed.
pub fn names(addresses: &[IpAddr]) -> Result<BTreeMap<IpAddr, String>, Error> {
    if !command::is_installed("getent") {
        let error = Error::new("ask for names", "getent is not installed");
        return Err(error.of_kind(ErrorKind::NotInstalled));
    }
    let end = Instant::now() + NAMES_TIMEOUT;
    let queue = Mutex::new(addresses.iter().take(NAMES_LIMIT));
    let next = || queue.lock().ok()?.next().copied();
    let ask = || {
        let named = |address| Some((address, name_of(address, end)?));
        iter::from_fn(next).filter_map(named).collect::<Vec<_>>()
    };
    let found = thread::scope(|threads| {
        let asking = [(); NAMES_AT_ONCE].map(|()| threads.spawn(ask));
        asking.into_iter().flat_map(|asked| asked.join().unwrap_or_default()).collect()
    });
    Ok(found)
}

/// The name of an address; `None` where none is known before the `end`.
fn name_of(address: IpAddr, end: Instant) -> Option<String> {
    let left = end.saturating_duration_since(Instant::now());
    // No program is started only to be killed.
    if left.is_zero() {
        return None;
    }
    let getent = Program::new("getent").args(["hosts", &address.to_string()]).limit(left);
    let answer = getent.run("ask for a name").ok()?;
    answer.is_success().then(|| name_in(&answer.text()))?
}

/// The name in `ADDRESS NAME [ALIAS]...`; `None` where it is not made of a name's letters.
fn name_in(answer: &str) -> Option<String> {
    let name = answer.split_whitespace().nth(1)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (name.len() <= NAME_LENGTH && name.bytes().all(plain)).then(|| name.to_owned())
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
            assert_eq!(spelled(text), None, "{text}");
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

    #[test]
    fn an_answer_that_is_no_name_is_left_out() {
        assert_eq!(
            name_in("192.0.2.1  web-1.example.org alias\n").as_deref(),
            Some("web-1.example.org")
        );
        for answer in
            ["", "192.0.2.1", "192.0.2.1 <script>", "192.0.2.1 a\u{1b}[2J", "192.0.2.1 \u{e9}"]
        {
            assert_eq!(name_in(answer), None, "{answer}");
        }
    }
}
