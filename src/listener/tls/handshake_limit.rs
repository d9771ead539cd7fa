//! Rate limit of TLS handshakes, per source and in all. One handshake takes as much processor time as
//! dozens of plain connections, and one thread serves all of them: over the limit a client gets the alert
//! instead.
//!
//! Never: holds more entries than handshakes that it admitted in the current window.

use std::collections::HashMap;
use std::time::Duration;

use crate::listener::clock::Tick;
use crate::listener::source::Source;

/// The limits are for this time.
const WINDOW: Duration = Duration::from_secs(1);
/// Handshakes per window: with RSA keys of 2048 bits they take about half of one core.
const MAX_HANDSHAKES: usize = 400;
/// Handshakes per window and source.
const MAX_PER_SOURCE: usize = 100;

/// The handshakes admitted in the current window.
#[derive(Debug, Default)]
pub struct HandshakeLimit {
    window_start: Tick,
    count: usize,
    by_source: HashMap<Source, usize>,
}

impl HandshakeLimit {
    /// Whether a handshake with `source` may begin now; if so, it is counted.
    pub fn admit(&mut self, source: Source, now: Tick) -> bool {
        if now.since(self.window_start) >= WINDOW {
            *self = HandshakeLimit { window_start: now, ..HandshakeLimit::default() };
        }
        if self.count >= MAX_HANDSHAKES {
            return false;
        }
        let of_source = self.by_source.entry(source).or_default();
        if *of_source >= MAX_PER_SOURCE {
            return false;
        }
        *of_source += 1;
        self.count += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn admitted(limit: &mut HandshakeLimit, source: u8, attempts: usize, now: Tick) -> usize {
        let source = Source::from(IpAddr::from([192, 0, 2, source]));
        (0..attempts).filter(|_| limit.admit(source, now)).count()
    }

    #[test]
    fn one_source_cannot_use_up_the_limit_of_all() {
        let (mut limit, now) = (HandshakeLimit::default(), Tick::default().after(WINDOW));
        assert_eq!(admitted(&mut limit, 1, 1000, now), MAX_PER_SOURCE);
        assert_eq!(admitted(&mut limit, 2, 10, now), 10);
        let rest: usize = (3..=255).map(|source| admitted(&mut limit, source, 9, now)).sum();
        assert_eq!(rest, MAX_HANDSHAKES - MAX_PER_SOURCE - 10);
        assert!(limit.by_source.len() <= MAX_HANDSHAKES);
        assert_eq!(admitted(&mut limit, 1, 1, now.after(WINDOW)), 1);
    }
}
