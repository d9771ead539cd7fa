//! Which connection is evicted, and when waits end.

use super::*;
use crate::listener::source::Source as SourceOf;
use std::net::IpAddr;

const IDLE: Duration = Duration::from_secs(300);

fn table(max_connections: usize, max_per_source: usize) -> ConnectionTable<u8> {
    ConnectionTable::new(max_connections, max_per_source, IDLE)
}

fn address(last: u8) -> SourceKey {
    SourceOf::from(IpAddr::from([192, 0, 2, last])).key()
}

fn second(second: u64) -> Tick {
    Tick::default().after(Duration::from_secs(second))
}

fn insert(
    table: &mut ConnectionTable<u8>,
    connection: u8,
    source: u8,
    timeout: TimeoutKind,
    at: u64,
) -> Key {
    table.insert(connection, address(source), timeout, second(at))
}

fn connection(table: &mut ConnectionTable<u8>, key: Option<Key>) -> Option<u8> {
    key.and_then(|key| table.get_mut(key).copied())
}

#[test]
fn the_longest_idle_connection_is_evicted() {
    let mut table = table(3, 3);
    let keys: Vec<Key> =
        (0..3).map(|id| insert(&mut table, id, id, TimeoutKind::FirstByte, 0)).collect();
    table.set_timeout(keys[1], TimeoutKind::Busy, second(1), second(1));
    table.set_timeout(keys[2], TimeoutKind::Idle, second(2), second(2));
    table.set_timeout(keys[0], TimeoutKind::Idle, second(3), second(3));
    let key = table.eviction_candidate_for(address(9));
    assert_eq!(connection(&mut table, key), Some(2));
    table.set_timeout(keys[2], TimeoutKind::Idle, second(4), second(4));
    let key = table.eviction_candidate_for(address(9));
    assert_eq!(connection(&mut table, key), Some(0), "activity counts, not age");
}

#[test]
fn an_idle_connection_is_evicted_before_a_busy_one() {
    let mut table = table(2, 2);
    let (busy, silent) = (
        insert(&mut table, 0, 0, TimeoutKind::Busy, 0),
        insert(&mut table, 1, 1, TimeoutKind::FirstByte, 5),
    );
    let key = table.eviction_candidate_for(address(9));
    assert_eq!(key, Some(busy));
    table.set_timeout(silent, TimeoutKind::Idle, second(6), second(6));
    assert_eq!(table.eviction_candidate_for(address(9)), Some(silent));
}

#[test]
fn a_source_at_its_limit_evicts_its_own() {
    let mut table = table(10, 2);
    insert(&mut table, 0, 1, TimeoutKind::Idle, 0);
    let first = insert(&mut table, 1, 2, TimeoutKind::Busy, 1);
    let second_key = insert(&mut table, 2, 2, TimeoutKind::Idle, 2);
    assert_eq!(table.eviction_candidate_for(address(2)), Some(second_key), "the idle one");
    table.set_timeout(second_key, TimeoutKind::Busy, second(3), second(3));
    assert_eq!(
        table.eviction_candidate_for(address(2)),
        Some(first),
        "else the least recently active"
    );
    assert_eq!(table.eviction_candidate_for(address(1)), None);
    table.set_timeout(first, TimeoutKind::Closing, second(3), second(3));
    assert_eq!(table.eviction_candidate_for(address(2)), None);
}

#[test]
fn no_more_are_closing_than_may_be_open() {
    let mut table = table(2, 9);
    for id in 0..3 {
        let key = insert(&mut table, id, 1, TimeoutKind::Idle, u64::from(id));
        assert_eq!(table.overdue_close(), None);
        table.set_timeout(key, TimeoutKind::Lingering, second(9), second(9));
    }
    let key = table.overdue_close();
    assert_eq!(connection(&mut table, key), Some(0));
}

#[test]
fn without_descriptors_a_lingering_connection_is_closed_first() {
    let mut table = table(9, 9);
    assert_eq!(table.cheapest_to_close(), None);
    let idle = insert(&mut table, 0, 1, TimeoutKind::Idle, 0);
    let lingering = insert(&mut table, 1, 1, TimeoutKind::Lingering, 1);
    assert_eq!(table.cheapest_to_close(), Some(lingering));
    table.remove(lingering);
    assert_eq!(table.cheapest_to_close(), Some(idle));
}

#[test]
fn activity_extends_a_wait_but_not_the_one_for_the_first_byte() {
    let mut table = table(9, 9);
    let silent = insert(&mut table, 0, 1, TimeoutKind::FirstByte, 10);
    let idle = insert(&mut table, 1, 1, TimeoutKind::Idle, 0);
    assert_eq!(table.next_timeout(), Some(second(15)));
    assert_eq!(table.timed_out(second(14)), None);
    assert_eq!(table.timed_out(second(15)), Some((silent, TimeoutKind::FirstByte)));
    table.set_timeout(silent, TimeoutKind::FirstByte, second(14), second(14));
    assert_eq!(table.next_timeout(), Some(second(15)), "a silent client gets no more time");
    table.remove(silent);
    table.set_timeout(idle, TimeoutKind::Idle, second(0), second(100));
    assert_eq!(table.next_timeout(), Some(second(300)), "nothing happened");
    table.set_timeout(idle, TimeoutKind::Idle, second(100), second(100));
    assert_eq!(table.next_timeout(), Some(second(400)));
}

#[test]
fn a_stale_key_does_not_match_a_reused_slot() {
    let mut table = table(9, 9);
    let first = insert(&mut table, 0, 1, TimeoutKind::FirstByte, 0);
    table.remove(first);
    let second = insert(&mut table, 1, 1, TimeoutKind::FirstByte, 0);
    assert!(first != second && second >= FIRST_KEY);
    assert_eq!(connection(&mut table, Some(first)), None);
    assert_eq!(connection(&mut table, Some(second)), Some(1));
    table.remove(second);
    assert!(table.is_empty() && table.source_index.is_empty() && table.sources.is_empty());
    assert_eq!((table.counted, table.next_timeout()), (0, None));
}

#[test]
fn a_connection_that_waits_anew_for_the_same_is_not_due_at_once() {
    let mut table = table(9, 9);
    let key = insert(&mut table, 0, 1, TimeoutKind::Acknowledgement, 0);
    for round in 1..4 {
        assert_eq!(table.timed_out(second(round)), Some((key, TimeoutKind::Acknowledgement)));
        table.set_timeout(key, TimeoutKind::Acknowledgement, second(0), second(round));
        assert_eq!(table.timed_out(second(round)), None);
    }
}

#[test]
fn a_delayed_connection_does_not_make_room_for_its_own_source() {
    let mut table = table(9, 1);
    let delayed = insert(&mut table, 0, 1, TimeoutKind::Tarpit, 0);
    assert_eq!(table.eviction_candidate_for(address(1)), None);
    table.set_timeout(delayed, TimeoutKind::Idle, second(0), second(1));
    assert_eq!(table.eviction_candidate_for(address(1)), Some(delayed));
}

#[test]
fn clients_and_redisguards_own_questions_evict_only_their_own_kind() {
    let mut table = table(2, 2);
    let ask = |table: &mut ConnectionTable<u8>, id: u8| {
        table.insert(id, SourceKey::OWN, TimeoutKind::FirstByte, second(0))
    };
    let first = ask(&mut table, 100);
    let clients = [0, 1].map(|id| insert(&mut table, id, id, TimeoutKind::FirstByte, 1));
    assert_eq!(table.eviction_candidate_for(SourceKey::OWN), None, "a full table takes it in");
    assert_eq!(table.eviction_candidate_for(address(9)), Some(clients[0]), "not the older one");
    assert_eq!(table.len(), 2, "it is not counted");
    for id in 1..MAX_OWN as u8 {
        assert_eq!(table.eviction_candidate_for(SourceKey::OWN), None, "{id}");
        ask(&mut table, 100 + id);
    }
    assert_eq!(table.eviction_candidate_for(SourceKey::OWN), Some(first));
    for key in clients {
        table.remove(key);
    }
    assert_eq!((table.len(), table.cheapest_to_close()), (0, None));
    assert_eq!(table.eviction_candidate_for(address(9)), None);
    for key in table.keys() {
        table.set_timeout(key, TimeoutKind::Closing, second(2), second(2));
        table.remove(key);
    }
    assert_eq!((table.len(), table.is_empty()), (0, true));
}
