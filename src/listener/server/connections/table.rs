//! The connection table: the open connections, what each waits for and until when, how many come
//! from each source, and which one has to go when there are too many.
//!
//! Guarantees: the most idle connection makes room, of the same source first, so a new connection
//! is never refused. All operations take constant time, but for [`ConnectionTable::keys`].
//! Never: do I/O, or look into a connection.

use std::collections::HashMap;
use std::time::Duration;

use slab::Slab;

use super::intrusive_list::{LinkStorage, Links, List};
use super::timeout::TimeoutKind;
use crate::listener::clock::Tick;
use crate::listener::source::SourceKey;

/// redisguard's own questions that are held at once, besides the connections of clients: one `status` asks 32 at
/// most, and the unit's limit of descriptors has room for 64.
const MAX_OWN: usize = 48;

/// Connections of one source that are searched for an idle one.
const IDLE_SEARCH_LIMIT: usize = 32;

/// Slot index (low 32 bits) and generation (high 32): a stale key never matches a reused slot. Never
/// below [`FIRST_KEY`].
pub type Key = u64;

/// The lowest key of a connection; the event loop numbers its listeners below it.
pub const FIRST_KEY: Key = 1 << 32;

/// The index that stands for no source.
const NO_SOURCE: u32 = u32::MAX;

/// A connection's place in the table.
#[derive(Debug)]
struct Slot<T> {
    connection: T,
    /// In the list of its kind of wait.
    by_timeout: Links,
    /// In the list of its source.
    by_source: Links,
    /// When the present wait began.
    since: Tick,
    generation: u32,
    /// Index of its source, or [`NO_SOURCE`] while it is being closed.
    source: u32,
    timeout: TimeoutKind,
}

/// The connections from one source that are not being closed.
#[derive(Debug)]
struct Source {
    key: SourceKey,
    count: u32,
    /// In the order of their latest activity.
    members: List,
}

/// The open connections.
#[derive(Debug)]
pub struct ConnectionTable<T> {
    max_connections: usize,
    max_per_source: usize,
    idle: Duration,
    slots: Slab<Slot<T>>,
    /// For each kind of wait, the connections in the order in which they began it.
    timeouts: [List; TimeoutKind::ALL.len()],
    sources: Slab<Source>,
    /// Indices into `sources`.
    source_index: HashMap<SourceKey, u32>,
    /// Connections that are not being closed: those that count towards the limits.
    counted: usize,
    /// redisguard's own questions that are not being closed.
    own: usize,
    last_generation: u32,
}

/// The links in the lists by kind of wait.
struct ByTimeout<'a, T>(&'a mut Slab<Slot<T>>);

impl<T> LinkStorage for ByTimeout<'_, T> {
    fn links(&mut self, member: u32) -> &mut Links {
        &mut self.0[member as usize].by_timeout
    }
}

/// The links in the lists by source.
struct BySource<'a, T>(&'a mut Slab<Slot<T>>);

impl<T> LinkStorage for BySource<'_, T> {
    fn links(&mut self, member: u32) -> &mut Links {
        &mut self.0[member as usize].by_source
    }
}

impl<T> ConnectionTable<T> {
    /// An empty table for `max_connections`, `max_per_source` of them from one source. `idle` is the
    /// configured idle time.
    pub fn new(
        max_connections: usize,
        max_per_source: usize,
        idle: Duration,
    ) -> ConnectionTable<T> {
        ConnectionTable {
            max_connections,
            max_per_source,
            idle,
            slots: Slab::new(),
            timeouts: Default::default(),
            sources: Slab::new(),
            source_index: HashMap::new(),
            counted: 0,
            own: 0,
            last_generation: 0,
        }
    }

    /// The connection to evict before one from `source` is added: the most idle one of its source at
    /// that source's limit, else the most idle of all when the table is full. At the source's limit none
    /// whose reply is delayed: its client would get the reply at once, and come again. Clients and
    /// redisguard's own questions never evict each other.
    pub fn eviction_candidate_for(&mut self, source: SourceKey) -> Option<Key> {
        let is_own = source == SourceKey::OWN;
        let most = if is_own { MAX_OWN } else { self.max_per_source };
        let source = self.source_index.get(&source).copied();
        if let Some(source) = source
            && self.sources[source as usize].count as usize >= most
        {
            let key = self.most_idle_of(source)?;
            if self.slots[index_of(key) as usize].timeout != TimeoutKind::Tarpit {
                return Some(key);
            }
        }
        if !is_own && self.counted >= self.max_connections { self.most_idle() } else { None }
    }

    /// The connection that has been closing for longest, when more are closing than may be open:
    /// peers that never close their side must not fill the table either.
    pub fn overdue_close(&mut self) -> Option<Key> {
        let closing = self.slots.len() - self.counted - self.own;
        if closing > self.max_connections { self.longest_closing() } else { None }
    }

    /// The connection to close at once when descriptors run out.
    pub fn cheapest_to_close(&mut self) -> Option<Key> {
        let closing = self.longest_closing();
        closing.or_else(|| self.most_idle())
    }

    /// Adds a connection from `source` that waits for `timeout`.
    pub fn insert(
        &mut self,
        connection: T,
        source: SourceKey,
        timeout: TimeoutKind,
        now: Tick,
    ) -> Key {
        // Zero would make keys that lie below FIRST_KEY.
        self.last_generation = self.last_generation.checked_add(1).unwrap_or(1);
        let index = self.slots.insert(Slot {
            connection,
            by_timeout: Links::default(),
            by_source: Links::default(),
            since: now,
            generation: self.last_generation,
            source: NO_SOURCE,
            timeout,
        }) as u32;
        self.timeouts[timeout as usize].push_back(&mut ByTimeout(&mut self.slots), index);
        if !timeout.is_closing() {
            self.add_to_source(index, source);
            *self.count_of(source) += 1;
        }
        self.key(index)
    }

    /// The connection with that key, while it is open.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slots.get_mut(index_of(key) as usize)?;
        (u64::from(slot.generation) == key >> 32).then_some(&mut slot.connection)
    }

    /// Stores what the connection waits for now; `active` is when a byte last moved.
    pub fn set_timeout(&mut self, key: Key, timeout: TimeoutKind, active: Tick, now: Tick) {
        let index = index_of(key);
        let Some(slot) = self.slots.get_mut(index as usize) else { return };
        let before = slot.timeout;
        let is_extended = timeout.is_extended_by_activity() && active > slot.since;
        // One that waits anew for the same: without this it would be due again at once, for ever.
        let is_over = slot.since.after(timeout.length(self.idle)) <= now;
        if before == timeout && !is_extended && !is_over {
            return;
        }
        (slot.timeout, slot.since) = (timeout, now);
        self.timeouts[before as usize].remove(&mut ByTimeout(&mut self.slots), index);
        self.timeouts[timeout as usize].push_back(&mut ByTimeout(&mut self.slots), index);
        if timeout.is_closing() {
            self.remove_from_source(index);
        } else if let Some(source) =
            self.sources.get_mut(self.slots[index as usize].source as usize)
        {
            source.members.remove(&mut BySource(&mut self.slots), index);
            source.members.push_back(&mut BySource(&mut self.slots), index);
        }
    }

    /// Removes the connection with that key, which is in the table.
    pub fn remove(&mut self, key: Key) -> T {
        let index = index_of(key);
        let timeout = self.slots[index as usize].timeout;
        self.timeouts[timeout as usize].remove(&mut ByTimeout(&mut self.slots), index);
        self.remove_from_source(index);
        self.slots.remove(index as usize).connection
    }

    /// When the next wait is over.
    pub fn next_timeout(&self) -> Option<Tick> {
        TimeoutKind::ALL.iter().filter_map(|kind| self.first(*kind).map(|(_, due)| due)).min()
    }

    /// The connection whose wait was over first, if it is over by `now`, and what it waited for.
    pub fn timed_out(&self, now: Tick) -> Option<(Key, TimeoutKind)> {
        let waits = TimeoutKind::ALL.iter().filter_map(|kind| Some((*kind, self.first(*kind)?)));
        let (kind, (index, due)) = waits.min_by_key(|(_, (_, due))| *due)?;
        (due <= now).then(|| (self.key(index), kind))
    }

    /// The keys of all connections.
    pub fn keys(&self) -> Vec<Key> {
        self.slots.iter().map(|(index, _)| self.key(index as u32)).collect()
    }

    /// How many connections of clients are open, those that are being closed included.
    pub fn len(&self) -> usize {
        self.slots.len() - self.own
    }

    /// Whether no connection is open.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The count that a connection of `source` is part of until it is being closed.
    fn count_of(&mut self, source: SourceKey) -> &mut usize {
        if source == SourceKey::OWN { &mut self.own } else { &mut self.counted }
    }

    fn key(&self, index: u32) -> Key {
        u64::from(self.slots[index as usize].generation) << 32 | u64::from(index)
    }

    /// The first connection that waits like this, and when its wait is over.
    fn first(&self, kind: TimeoutKind) -> Option<(u32, Tick)> {
        let index = self.timeouts[kind as usize].first()?;
        let since = self.slots[index as usize].since;
        Some((index, since.after(kind.length(self.idle))))
    }

    /// The client's connection that has waited longest for any of `kinds`.
    fn longest_waiting(&mut self, kinds: &[TimeoutKind]) -> Option<Key> {
        let mut oldest: Option<u32> = None;
        for kind in kinds {
            let mut next = self.timeouts[*kind as usize].first();
            // At most MAX_OWN are skipped.
            while let Some(index) = next.filter(|index| self.is_own(*index)) {
                next = List::next(&mut ByTimeout(&mut self.slots), index);
            }
            let since = |index: &u32| self.slots[*index as usize].since;
            oldest = oldest.into_iter().chain(next).min_by_key(since);
        }
        Some(self.key(oldest?))
    }

    /// Whether it is one of redisguard's own questions that is not being closed.
    fn is_own(&self, index: u32) -> bool {
        let source = self.sources.get(self.slots[index as usize].source as usize);
        source.is_some_and(|source| source.key == SourceKey::OWN)
    }

    /// The connection that has been idle for longest; one in the middle of an exchange only where
    /// none is idle.
    fn most_idle(&mut self) -> Option<Key> {
        let idle = self.longest_waiting(&[TimeoutKind::Idle]);
        idle.or_else(|| {
            self.longest_waiting(&[
                TimeoutKind::FirstByte,
                TimeoutKind::PartialLine,
                TimeoutKind::Busy,
                TimeoutKind::Tarpit,
            ])
        })
    }

    /// The connection that has been closing for longest; one with unsent replies only where none
    /// has everything sent.
    fn longest_closing(&mut self) -> Option<Key> {
        let sent = self.longest_waiting(&[TimeoutKind::Lingering, TimeoutKind::Acknowledgement]);
        sent.or_else(|| self.longest_waiting(&[TimeoutKind::Closing, TimeoutKind::Shutdown]))
    }

    /// The least recently active idle connection among the first few of `source`, else the first.
    fn most_idle_of(&mut self, source: u32) -> Option<Key> {
        let first = self.sources[source as usize].members.first()?;
        let mut next = Some(first);
        for _ in 0..IDLE_SEARCH_LIMIT {
            let Some(index) = next else { break };
            if self.slots[index as usize].timeout == TimeoutKind::Idle {
                return Some(self.key(index));
            }
            next = List::next(&mut BySource(&mut self.slots), index);
        }
        Some(self.key(first))
    }

    fn add_to_source(&mut self, index: u32, key: SourceKey) {
        let sources = &mut self.sources;
        let source = *self.source_index.entry(key).or_insert_with(|| {
            sources.insert(Source { key, count: 0, members: List::default() }) as u32
        });
        self.slots[index as usize].source = source;
        let source = &mut self.sources[source as usize];
        source.count += 1;
        source.members.push_back(&mut BySource(&mut self.slots), index);
    }

    /// Takes a connection out of its source, if it still counts there.
    fn remove_from_source(&mut self, index: u32) {
        let source_id = std::mem::replace(&mut self.slots[index as usize].source, NO_SOURCE);
        if source_id == NO_SOURCE {
            return;
        }
        *self.count_of(self.sources[source_id as usize].key) -= 1;
        let source = &mut self.sources[source_id as usize];
        source.members.remove(&mut BySource(&mut self.slots), index);
        source.count -= 1;
        if source.count == 0 {
            self.source_index.remove(&source.key);
            self.sources.remove(source_id as usize);
        }
    }
}

fn index_of(key: Key) -> u32 {
    (key & u64::from(u32::MAX)) as u32
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
