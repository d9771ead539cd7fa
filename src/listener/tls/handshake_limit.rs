//! Owns how many handshakes of TLS may begin. Each costs as much of the processor as dozens of plain
//! connections, and one thread serves all: whoever comes beyond these bounds gets the alert instead.
//! Must never grow with the number of those who come.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::listener::clock::Tick;
use crate::listener::source::source_of;

/// How long handshakes are counted together.
const WINDOW: Duration = Duration::from_secs(1);
/// HandshakeLimit in that time; with RSA keys of 2048 bits they take about half of it.
const MAX_HANDSHAKES: usize = 400;
/// Those of one source.
const MAX_PER_SOURCE: usize = 100;

/// The handshakes that began of late.
#[derive(Debug, Default)]
pub(in crate::listener) struct HandshakeLimit {
    opened: Tick,
    count: usize,
    by_source: HashMap<IpAddr, usize>,
}

impl HandshakeLimit {
    /// Whether one more may begin, with `peer`; if so it is counted.
    pub(in crate::listener) fn admit(&mut self, peer: IpAddr, now: Tick) -> bool {
        if now.since(self.opened) >= WINDOW {
            *self = HandshakeLimit { opened: now, ..HandshakeLimit::default() };
        }
        if self.count >= MAX_HANDSHAKES {
            return false;
        }
        let of_source = self.by_source.entry(source_of(peer)).or_default();
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

    fn admitted(handshakes: &mut HandshakeLimit, source: u8, attempts: usize, now: Tick) -> usize {
        let peer = IpAddr::from([192, 0, 2, source]);
        (0..attempts).filter(|_| handshakes.admit(peer, now)).count()
    }

    #[test]
    fn one_source_leaves_room_for_others_and_all_have_a_bound() {
        let (mut handshakes, now) = (HandshakeLimit::default(), Tick::default().after(WINDOW));
        assert_eq!(admitted(&mut handshakes, 1, 1000, now), MAX_PER_SOURCE);
        assert_eq!(admitted(&mut handshakes, 2, 10, now), 10);
        let rest: usize = (3..=255).map(|source| admitted(&mut handshakes, source, 9, now)).sum();
        assert_eq!(rest, MAX_HANDSHAKES - MAX_PER_SOURCE - 10);
        assert!(handshakes.by_source.len() <= MAX_HANDSHAKES);
        assert_eq!(admitted(&mut handshakes, 1, 1, now.after(WINDOW)), 1);
    }
}
