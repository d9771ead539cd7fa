//! Owns the list of who is present: how many there are, from whom, what each waits for and until
//! when, and who has to leave so that a newcomer finds room. Must never turn a newcomer away, and
//! never do I/O.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use slab::Slab;

use super::intrusive_list::{Links, Neighbours, Queue};
use crate::listener::clock::Tick;

/// Members of one source that are looked at for one at rest.
const MOST_LOOKED_AT: usize = 32;

/// What a guest waits for; each wait has one length, so that who began first is due first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::listener) enum TimeoutKind {
    /// The first byte.
    Silent,
    /// The rest of a line.
    Unfinished,
    /// The next command; all is said so far.
    Resting,
    /// The rest of a command, or room to send.
    Busy,
    /// The end of the delay for loops that retry.
    Tarpit,
    /// The end of its last words, to make room.
    Leaving,
    /// The same, because the listener stops.
    Stopping,
    /// The peer's hanging up.
    Lingering,
}

/// A kind of wait for each queue.
const WAITS: [TimeoutKind; 8] = [
    TimeoutKind::Silent,
    TimeoutKind::Unfinished,
    TimeoutKind::Resting,
    TimeoutKind::Busy,
    TimeoutKind::Tarpit,
    TimeoutKind::Leaving,
    TimeoutKind::Stopping,
    TimeoutKind::Lingering,
];

impl TimeoutKind {
    /// Whether the guest is on its way out, and takes none of the room.
    fn is_departure(self) -> bool {
        matches!(self, TimeoutKind::Leaving | TimeoutKind::Stopping | TimeoutKind::Lingering)
    }

    /// Whether activity gives it more time.
    fn is_extended(self) -> bool {
        !matches!(self, TimeoutKind::Silent | TimeoutKind::Leaving | TimeoutKind::Stopping)
    }
}

/// One guest's place.
#[derive(Debug)]
struct Slot<G> {
    guest: G,
    waits: Links,
    kin: Links,
    since: Tick,
    number: u32,
    /// Whose guest it is while it takes room, else [`NO_SOURCE`].
    source: u32,
    wait: TimeoutKind,
}

/// Stands for no source.
const NO_SOURCE: u32 = u32::MAX;

/// The guests of one source.
#[derive(Debug)]
struct Source {
    address: u64,
    count: u32,
    /// In the order of their latest activity.
    members: Queue,
}

/// Everybody who is present.
#[derive(Debug)]
pub(in crate::listener) struct ConnectionTable<G> {
    most: usize,
    most_per_source: usize,
    /// How long each kind of wait lasts.
    timeout_of: fn(TimeoutKind, Duration) -> Duration,
    idle: Duration,
    seats: Slab<Slot<G>>,
    queues: [Queue; WAITS.len()],
    sources: Slab<Source>,
    addresses: HashMap<u64, u32>,
    staying: usize,
    latest: u32,
}

/// The neighbours in the queue of a wait.
struct Waits<'a, G>(&'a mut Slab<Slot<G>>);

impl<G> Neighbours for Waits<'_, G> {
    fn links(&mut self, member: u32) -> &mut Links {
        &mut self.0[member as usize].waits
    }
}

/// The neighbours among those of one source.
struct Kin<'a, G>(&'a mut Slab<Slot<G>>);

impl<G> Neighbours for Kin<'_, G> {
    fn links(&mut self, member: u32) -> &mut Links {
        &mut self.0[member as usize].kin
    }
}

/// A guest's name: its seat, and a number that tells it from who sat there before; never below
/// [`FIRST_KEY`].
pub(in crate::listener) type Key = u64;

/// Smaller keys are free for others to use.
pub(in crate::listener) const FIRST_KEY: Key = 1 << 32;

fn seat_of(key: Key) -> u32 {
    (key & u64::from(u32::MAX)) as u32
}

impl<G> ConnectionTable<G> {
    /// An empty room for `most` guests, `most_per_source` of them from one source. `timeout_of` says
    /// how long each wait lasts, given how long one may be idle.
    pub(in crate::listener) fn new(
        most: usize,
        most_per_source: usize,
        idle: Duration,
        timeout_of: fn(TimeoutKind, Duration) -> Duration,
    ) -> ConnectionTable<G> {
        ConnectionTable {
            most,
            most_per_source,
            timeout_of,
            idle,
            seats: Slab::new(),
            queues: Default::default(),
            sources: Slab::new(),
            addresses: HashMap::new(),
            staying: 0,
            latest: 0,
        }
    }

    /// Who has to leave before another from `peer` comes in, if anybody.
    pub(in crate::listener) fn eviction_candidate_for(&mut self, peer: IpAddr) -> Option<Key> {
        let source = self.addresses.get(&compact(peer)).copied();
        if let Some(source) = source
            && self.sources[source as usize].count as usize >= self.most_per_source
        {
            return self.most_idle_of(source);
        }
        if self.staying >= self.most { self.most_idle() } else { None }
    }

    /// Who is on the way out for longest, where they are more than those who may stay.
    pub(in crate::listener) fn overdue_close(&self) -> Option<Key> {
        let leaving = self.seats.len() - self.staying;
        if leaving > self.most { self.departing() } else { None }
    }

    /// Who can be parted with at once, so that a descriptor becomes free.
    pub(in crate::listener) fn cheapest_to_close(&self) -> Option<Key> {
        self.departing().or_else(|| self.most_idle())
    }

    /// Lets `guest` in, who came from `peer` and waits for `wait`.
    pub(in crate::listener) fn enter(
        &mut self,
        guest: G,
        peer: IpAddr,
        wait: TimeoutKind,
        now: Tick,
    ) -> Key {
        self.latest = self.latest.checked_add(1).unwrap_or(1);
        let (waits, kin, number) = (Links::default(), Links::default(), self.latest);
        let seat = Slot { guest, waits, kin, since: now, number, source: NO_SOURCE, wait };
        let index = self.seats.insert(seat) as u32;
        self.queues[wait as usize].join(&mut Waits(&mut self.seats), index);
        if !wait.is_departure() {
            self.join_source(index, compact(peer));
            self.staying += 1;
        }
        self.key(index)
    }

    /// The guest of that name, while it is there.
    pub(in crate::listener) fn guest(&mut self, key: Key) -> Option<&mut G> {
        let seat = self.seats.get_mut(seat_of(key) as usize)?;
        (u64::from(seat.number) == key >> 32).then_some(&mut seat.guest)
    }

    /// Notes what the guest waits for now, and when it was last active.
    pub(in crate::listener) fn wait(
        &mut self,
        key: Key,
        wait: TimeoutKind,
        active: Tick,
        now: Tick,
    ) {
        let index = seat_of(key);
        let Some(seat) = self.seats.get_mut(index as usize) else { return };
        let before = seat.wait;
        if before == wait && !(wait.is_extended() && active > seat.since) {
            return;
        }
        (seat.wait, seat.since) = (wait, now);
        self.queues[before as usize].leave(&mut Waits(&mut self.seats), index);
        self.queues[wait as usize].join(&mut Waits(&mut self.seats), index);
        if wait.is_departure() {
            self.leave_source(index);
        } else if let Some(source) =
            self.sources.get_mut(self.seats[index as usize].source as usize)
        {
            source.members.leave(&mut Kin(&mut self.seats), index);
            source.members.join(&mut Kin(&mut self.seats), index);
        }
    }

    /// Takes the guest out.
    pub(in crate::listener) fn leave(&mut self, key: Key) -> G {
        let index = seat_of(key);
        let wait = self.seats[index as usize].wait;
        self.queues[wait as usize].leave(&mut Waits(&mut self.seats), index);
        self.leave_source(index);
        self.seats.remove(index as usize).guest
    }

    /// When the next wait is over, if anybody waits.
    pub(in crate::listener) fn due(&self) -> Option<Tick> {
        WAITS.iter().filter_map(|wait| self.first(*wait).map(|(_, due)| due)).min()
    }

    /// Somebody whose wait is over by `now`, and what it waited for.
    pub(in crate::listener) fn overdue(&self, now: Tick) -> Option<(Key, TimeoutKind)> {
        WAITS.iter().find_map(|wait| {
            let (index, due) = self.first(*wait)?;
            (due <= now).then(|| (self.key(index), *wait))
        })
    }

    /// Everybody who is present.
    pub(in crate::listener) fn everybody(&self) -> Vec<Key> {
        self.seats.iter().map(|(index, _)| self.key(index as u32)).collect()
    }

    /// How many are there.
    pub(in crate::listener) fn len(&self) -> usize {
        self.seats.len()
    }

    /// Whether nobody is present.
    pub(in crate::listener) fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    fn key(&self, index: u32) -> Key {
        u64::from(self.seats[index as usize].number) << 32 | u64::from(index)
    }

    fn first(&self, wait: TimeoutKind) -> Option<(u32, Tick)> {
        let index = self.queues[wait as usize].first()?;
        let since = self.seats[index as usize].since;
        Some((index, since.after((self.timeout_of)(wait, self.idle))))
    }

    fn first_of(&self, waits: &[TimeoutKind]) -> Option<Key> {
        let firsts = waits.iter().filter_map(|wait| self.queues[*wait as usize].first());
        let oldest = firsts.min_by_key(|index| self.seats[*index as usize].since)?;
        Some(self.key(oldest))
    }

    /// Who has rested longest; who is being talked to comes last.
    fn most_idle(&self) -> Option<Key> {
        let talking =
            [TimeoutKind::Silent, TimeoutKind::Unfinished, TimeoutKind::Busy, TimeoutKind::Tarpit];
        self.first_of(&[TimeoutKind::Resting]).or_else(|| self.first_of(&talking))
    }

    fn departing(&self) -> Option<Key> {
        self.first_of(&[TimeoutKind::Lingering])
            .or_else(|| self.first_of(&[TimeoutKind::Leaving, TimeoutKind::Stopping]))
    }

    fn most_idle_of(&mut self, source: u32) -> Option<Key> {
        let first = self.sources[source as usize].members.first()?;
        let mut next = Some(first);
        for _ in 0..MOST_LOOKED_AT {
            let Some(index) = next else { break };
            if self.seats[index as usize].wait == TimeoutKind::Resting {
                return Some(self.key(index));
            }
            next = Queue::next(&mut Kin(&mut self.seats), index);
        }
        Some(self.key(first))
    }

    fn join_source(&mut self, index: u32, address: u64) {
        let sources = &mut self.sources;
        let source = *self.addresses.entry(address).or_insert_with(|| {
            sources.insert(Source { address, count: 0, members: Queue::default() }) as u32
        });
        self.seats[index as usize].source = source;
        let source = &mut self.sources[source as usize];
        source.count += 1;
        source.members.join(&mut Kin(&mut self.seats), index);
    }

    fn leave_source(&mut self, index: u32) {
        let number = std::mem::replace(&mut self.seats[index as usize].source, NO_SOURCE);
        if number == NO_SOURCE {
            return;
        }
        self.staying -= 1;
        let source = &mut self.sources[number as usize];
        source.members.leave(&mut Kin(&mut self.seats), index);
        source.count -= 1;
        if source.count == 0 {
            self.addresses.remove(&source.address);
            self.sources.remove(number as usize);
        }
    }
}

/// The source of an address in few bytes: the upper half of an IPv6 address, or an IPv4 address, which
/// stands below all of them that are in use (RFC 4291, section 2.4).
fn compact(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(four) => four.to_bits().into(),
        IpAddr::V6(six) => (six.to_bits() >> 64) as u64,
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
