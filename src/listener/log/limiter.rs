//! Rate limit of log lines: which attempts of a source get a line of their own, and which are folded into
//! one line with a count.
//!
//! Guarantees: lines and counts add up to all attempts.
//! Never: holds more than a bounded number of sources.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use super::format::{Folded, FoldedSource};
use crate::listener::clock::Tick;
use crate::listener::local_clients::{LocalClient, Name};
use crate::listener::source::Source;

/// The limit is so many lines in this time, and a count is written at its end.
const WINDOW: Duration = Duration::from_secs(60);
/// Sources that have a window of their own; further ones share one.
const MAX_SOURCES: usize = 4096;
/// How often expired windows are removed for further sources, at most.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// The key of the shared window: no connection has this address.
const OTHERS: Source = Source { network: IpAddr::V4(Ipv4Addr::UNSPECIFIED), cgroup: None };

/// Whether attempts are probes.
type IsProbe = bool;

/// The windows of all sources.
#[derive(Debug)]
pub(super) struct Limiter {
    lines_per_window: u32,
    /// Probes have windows of their own: two addresses of one network may differ in that.
    windows: HashMap<(Source, IsProbe), Window>,
    /// When the next count is to be written: the end of the first window with one.
    pub(super) due: Option<Tick>,
    /// When expired windows were last removed for further sources.
    swept: Option<Tick>,
}

#[derive(Debug)]
struct Window {
    opened: Tick,
    lines: u32,
    folded: u64,
    /// The address whose attempts were folded; `None` once there are several.
    peer: Option<IpAddr>,
    /// What the client is called, if it is one of this host.
    name: Option<Rc<Name>>,
}

impl Limiter {
    /// A limiter that grants every source so many lines per window.
    pub(super) fn new(lines_per_window: u32) -> Limiter {
        Limiter { lines_per_window, windows: HashMap::new(), due: None, swept: None }
    }

    /// Counts one attempt of `peer`, which is the client `local` of this host, or may be a probe. Returns
    /// whether it gets a line of its own.
    pub(super) fn admit(
        &mut self,
        peer: IpAddr,
        local: Option<&LocalClient>,
        is_probe: IsProbe,
        now: Tick,
    ) -> bool {
        let mut source = (Source::new(peer, local.and_then(|local| local.cgroup)), is_probe);
        if self.windows.len() >= MAX_SOURCES && !self.windows.contains_key(&source) {
            // Not for every new source: a sweep visits all windows.
            if self.swept.is_none_or(|swept| now >= swept.after(SWEEP_INTERVAL)) {
                self.swept = Some(now);
                self.windows.retain(|_, window| !window.is_expired(now) || window.folded > 0);
            }
            if self.windows.len() >= MAX_SOURCES {
                source.0 = OTHERS;
            }
        }
        let window = self.windows.entry(source).or_insert_with(|| Window::open(now));
        if window.is_expired(now) && window.folded == 0 {
            *window = Window::open(now);
        }
        if window.lines < self.lines_per_window {
            window.lines += 1;
            return true;
        }
        if window.folded == 0 {
            window.peer = Some(peer);
            window.name = local.filter(|_| source.0 != OTHERS).map(|local| Rc::clone(&local.name));
            let end = window.opened.after(WINDOW);
            self.due = Some(self.due.map_or(end, |due| due.min(end)));
        } else if window.peer != Some(peer) {
            window.peer = None;
        }
        window.folded += 1;
        false
    }

    /// Takes the counts of all windows that have expired by `now`, sorted by source.
    pub(super) fn take_due(&mut self, now: Tick) -> Vec<Folded> {
        let due = self.take(|window| window.is_expired(now));
        self.windows.retain(|_, window| !window.is_expired(now));
        due
    }

    /// Takes all counts; the windows and their limits continue.
    pub(super) fn take_all(&mut self) -> Vec<Folded> {
        self.take(|_| true)
    }

    fn take(&mut self, wanted: impl Fn(&Window) -> bool) -> Vec<Folded> {
        let mut taken: Vec<((Source, IsProbe), Folded)> = self
            .windows
            .iter_mut()
            .filter(|(_, window)| window.folded > 0 && wanted(window))
            .map(|((source, is_probe), window)| {
                let folded_source = match window.peer {
                    _ if *source == OTHERS => FoldedSource::Others,
                    Some(peer) => FoldedSource::Address(peer),
                    None => FoldedSource::Network(source.network),
                };
                let (name, attempts) = (window.name.take(), std::mem::take(&mut window.folded));
                let (source, is_probe) = (*source, *is_probe);
                ((source, is_probe), Folded { source: folded_source, name, is_probe, attempts })
            })
            .collect();
        let counting = self.windows.values().filter(|window| window.folded > 0);
        self.due = counting.map(|window| window.opened.after(WINDOW)).min();
        taken.sort_by_key(|(source, _)| *source);
        taken.into_iter().map(|(_, folded)| folded).collect()
    }
}

impl Window {
    fn open(now: Tick) -> Window {
        Window { opened: now, lines: 0, folded: 0, peer: None, name: None }
    }

    fn is_expired(&self, now: Tick) -> bool {
        now >= self.opened.after(WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU64;

    fn address(host: u32) -> IpAddr {
        IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + host))
    }

    fn folded(peer: IpAddr, attempts: u64) -> Folded {
        Folded { source: FoldedSource::Address(peer), name: None, is_probe: false, attempts }
    }

    #[test]
    fn attempts_beyond_the_limit_are_counted() {
        let (mut limiter, now) = (Limiter::new(2), Tick::default());
        let admitted: Vec<bool> =
            (0..5).map(|_| limiter.admit(address(1), None, false, now)).collect();
        assert_eq!(admitted, [true, true, false, false, false]);
        assert!(limiter.admit(address(2), None, false, now));
        assert_eq!(limiter.due, Some(now.after(WINDOW)));
        assert!(limiter.take_due(now).is_empty());
        assert_eq!(limiter.take_due(now.after(WINDOW)), [folded(address(1), 3)]);
        assert_eq!(limiter.due, None);
        assert!(limiter.admit(address(1), None, false, now.after(WINDOW)));
    }

    #[test]
    fn a_count_taken_early_grants_no_new_lines() {
        let (mut limiter, now) = (Limiter::new(1), Tick::default());
        limiter.admit(address(1), None, false, now);
        limiter.admit(address(1), None, false, now);
        assert_eq!(limiter.take_all(), [folded(address(1), 1)]);
        assert!(!limiter.admit(address(1), None, false, now));
        assert_eq!(limiter.take_all(), [folded(address(1), 1)]);
    }

    #[test]
    fn several_addresses_of_one_network_are_named_as_a_network() {
        let (mut limiter, now) = (Limiter::new(0), Tick::default());
        for host in ["2001:db8::1", "2001:db8::2"] {
            assert_eq!(host.parse().map(|peer| limiter.admit(peer, None, false, now)), Ok(false));
        }
        let network = "2001:db8::".parse().map(FoldedSource::Network);
        assert_eq!(limiter.take_all().first().map(|folded| folded.source), network.ok());
    }

    #[test]
    fn two_services_at_one_address_have_a_limit_each_and_are_named() {
        let (mut limiter, now) = (Limiter::new(1), Tick::default());
        let peer = IpAddr::from(Ipv4Addr::LOCALHOST);
        let service = |name: &str, id| LocalClient {
            name: Rc::new(Name::Unit(name.as_bytes().into())),
            uid: None,
            cgroup: NonZeroU64::new(id),
            is_own: false,
        };
        let (billing, orders) = (service("billing.service", 1), service("orders.service", 2));
        for _ in 0..3 {
            limiter.admit(peer, Some(&billing), false, now);
        }
        assert!(limiter.admit(peer, Some(&orders), false, now));
        assert!(limiter.admit(peer, None, false, now), "nor is one that is not known");
        limiter.admit(peer, Some(&orders), false, now);
        let named = |client: &LocalClient, attempts| Folded {
            name: Some(Rc::clone(&client.name)),
            ..folded(peer, attempts)
        };
        assert_eq!(limiter.take_all(), [named(&billing, 2), named(&orders, 1)]);
    }

    #[test]
    fn lines_and_counts_add_up_for_any_number_of_sources() {
        let (mut limiter, now) = (Limiter::new(1), Tick::default());
        let attempts = 3 * u64::try_from(MAX_SOURCES).unwrap_or(0);
        let mut lines = 0;
        let mut counted = 0;
        for index in 0..attempts {
            let when = now.after(Duration::from_millis(20 * index));
            let peer = address(u32::try_from(index / 2).unwrap_or(0));
            lines += u64::from(limiter.admit(peer, None, false, when));
            counted += limiter.take_due(when).iter().map(|folded| folded.attempts).sum::<u64>();
        }
        assert!(limiter.windows.len() <= MAX_SOURCES + 1);
        counted += limiter.take_all().iter().map(|folded| folded.attempts).sum::<u64>();
        assert_eq!(lines + counted, attempts);
    }

    #[test]
    fn probes_and_users_of_one_network_have_a_limit_and_a_count_each() {
        let (mut limiter, now) = (Limiter::new(1), Tick::default());
        let peer = address(1);
        for is_probe in [false, true, true, true, false] {
            limiter.admit(peer, None, is_probe, now);
        }
        let probes = Folded { is_probe: true, ..folded(peer, 2) };
        assert_eq!(limiter.take_all(), [folded(peer, 1), probes]);
    }
}
