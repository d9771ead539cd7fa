//! Owns asking the name service who has an address: few, together, and not for long. What it answers is
//! somebody else's word.

use super::command;
use crate::error::Error;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

/// The most addresses that are asked for.
pub const MOST: usize = 64;
/// How long all of it may take.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// How many are asked for at once.
const AT_ONCE: usize = 8;
/// The most bytes of a name (RFC 1035).
const LONGEST: usize = 253;

/// The names of the first [`MOST`] addresses that have one, asked for within [`PATIENCE`].
///
/// # Errors
/// getent is not installed.
pub fn of(addresses: &[IpAddr]) -> Result<BTreeMap<IpAddr, String>, Error> {
    if !command::is_installed("getent") {
        return Err(Error::new("ask for names", "getent is not installed"));
    }
    let end = Instant::now() + PATIENCE;
    let queue = Mutex::new(addresses.iter().take(MOST));
    let found = Mutex::new(BTreeMap::new());
    thread::scope(|threads| {
        for _ in 0..AT_ONCE.min(addresses.len()) {
            threads.spawn(|| {
                while let Some(address) = queue.lock().ok().and_then(|mut queue| queue.next()) {
                    let left = end.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return;
                    }
                    if let Some(name) = name(*address, left)
                        && let Ok(mut found) = found.lock()
                    {
                        found.insert(*address, name);
                    }
                }
            });
        }
    });
    Ok(found.into_inner().unwrap_or_default())
}

fn name(address: IpAddr, limit: Duration) -> Option<String> {
    let mut getent = Command::new("getent");
    getent.arg("hosts").arg(address.to_string());
    let said = command::run(&mut getent, "ask for a name", b"", limit).ok()?;
    said.success.then(|| named(&said.stdout))?
}

/// The name in an answer of getent; none where it is not made of what names are.
fn named(answer: &str) -> Option<String> {
    let name = answer.split_whitespace().nth(1)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (name.len() <= LONGEST && name.bytes().all(plain)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_none_is_not_told() {
        assert_eq!(
            named("192.0.2.1  web-1.example.org alias\n").as_deref(),
            Some("web-1.example.org")
        );
        for answer in
            ["", "192.0.2.1", "192.0.2.1 <script>", "192.0.2.1 a\u{1b}[2J", "192.0.2.1 \u{e9}"]
        {
            assert_eq!(named(answer), None, "{answer}");
        }
    }
}
