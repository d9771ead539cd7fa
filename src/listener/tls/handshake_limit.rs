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
/// Handshakes in that time; with RSA keys of 2048 bits they take about half of it.
const MOST: usize = 400;
/// Those of one source.
const MOST_PER_SOURCE: usize = 100;

/// The handshakes that began of late.
#[derive(Debug, Default)]
pub(in crate::listener) struct Handshakes {
    opened: Tick,
    count: usize,
    by_source: HashMap<IpAddr, usize>,
}

impl Handshakes {
    /// Whether one more may begin, with `peer`; if so it is counted.
    pub(in crate::listener) fn admit(&mut self, peer: IpAddr, now: Tick) -> bool {
        if now.since(self.opened) >= WINDOW {
            *self = Handshakes { opened: now, ..Handshakes::default() };
        }
        if self.count >= MOST {
            return false;
        }
        let of_source = self.by_source.entry(source_of(peer)).or_default();
        if *of_source >= MOST_PER_SOURCE {
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

    fn admitted(handshakes: &mut Handshakes, source: u8, attempts: usize, now: Tick) -> usize {
        let peer = IpAddr::from([192, 0, 2, source]);
        (0..attempts).filter(|_| handshakes.admit(peer, now)).count()
    }

    #[test]
    fn one_source_leaves_room_for_others_and_all_have_a_bound() {
        let (mut handshakes, now) = (Handshakes::default(), Tick::default().after(WINDOW));
        assert_eq!(admitted(&mut handshakes, 1, 1000, now), MOST_PER_SOURCE);
        assert_eq!(admitted(&mut handshakes, 2, 10, now), 10);
        let rest: usize = (3..=255).map(|source| admitted(&mut handshakes, source, 9, now)).sum();
        assert_eq!(rest, MOST - MOST_PER_SOURCE - 10);
        assert!(handshakes.by_source.len() <= MOST);
        assert_eq!(admitted(&mut handshakes, 1, 1, now.after(WINDOW)), 1);
    }
}
