//! Who has to go, and when, whoever comes.

use super::*;

const IDLE: Duration = Duration::from_secs(300);

fn timeout_of(wait: TimeoutKind, idle: Duration) -> Duration {
    match wait {
        TimeoutKind::Resting | TimeoutKind::Busy => idle,
        TimeoutKind::Lingering => Duration::from_secs(5),
        _ => Duration::from_secs(1),
    }
}

fn room(most: usize, most_per_source: usize) -> ConnectionTable<u8> {
    ConnectionTable::new(most, most_per_source, IDLE, timeout_of)
}

fn address(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn second(second: u64) -> Tick {
    Tick::default().after(Duration::from_secs(second))
}

fn enter(room: &mut ConnectionTable<u8>, guest: u8, source: u8, wait: TimeoutKind, at: u64) -> Key {
    room.enter(guest, address(source), wait, second(at))
}

fn name(room: &mut ConnectionTable<u8>, key: Option<Key>) -> Option<u8> {
    key.and_then(|key| room.guest(key).copied())
}

#[test]
fn the_one_who_rested_longest_makes_room() {
    let mut room = room(3, 3);
    let keys: Vec<Key> =
        (0..3).map(|guest| enter(&mut room, guest, guest, TimeoutKind::Silent, 0)).collect();
    room.wait(keys[1], TimeoutKind::Busy, second(1), second(1));
    room.wait(keys[2], TimeoutKind::Resting, second(2), second(2));
    room.wait(keys[0], TimeoutKind::Resting, second(3), second(3));
    let key = room.eviction_candidate_for(address(9));
    assert_eq!(name(&mut room, key), Some(2));
    room.wait(keys[2], TimeoutKind::Resting, second(4), second(4));
    let key = room.eviction_candidate_for(address(9));
    assert_eq!(name(&mut room, key), Some(0), "activity counts, not arrival");
}

#[test]
fn whom_nobody_talks_to_goes_before_who_is_being_talked_to() {
    let mut room = room(2, 2);
    let (busy, silent) = (
        enter(&mut room, 0, 0, TimeoutKind::Busy, 0),
        enter(&mut room, 1, 1, TimeoutKind::Silent, 5),
    );
    let key = room.eviction_candidate_for(address(9));
    assert_eq!(key, Some(busy));
    room.wait(silent, TimeoutKind::Resting, second(6), second(6));
    assert_eq!(room.eviction_candidate_for(address(9)), Some(silent));
}

#[test]
fn a_source_with_too_many_makes_room_for_itself() {
    let mut room = room(10, 2);
    enter(&mut room, 0, 1, TimeoutKind::Resting, 0);
    let first = enter(&mut room, 1, 2, TimeoutKind::Busy, 1);
    let second_key = enter(&mut room, 2, 2, TimeoutKind::Resting, 2);
    assert_eq!(room.eviction_candidate_for(address(2)), Some(second_key), "the one at rest");
    room.wait(second_key, TimeoutKind::Busy, second(3), second(3));
    assert_eq!(room.eviction_candidate_for(address(2)), Some(first), "or else the oldest");
    assert_eq!(room.eviction_candidate_for(address(1)), None);
    room.wait(first, TimeoutKind::Leaving, second(3), second(3));
    assert_eq!(room.eviction_candidate_for(address(2)), None);
}

#[test]
fn those_who_leave_slowly_are_not_more_than_those_who_stay() {
    let mut room = room(2, 9);
    for guest in 0..3 {
        let key = enter(&mut room, guest, 1, TimeoutKind::Resting, u64::from(guest));
        assert_eq!(room.overdue_close(), None);
        room.wait(key, TimeoutKind::Lingering, second(9), second(9));
    }
    let key = room.overdue_close();
    assert_eq!(name(&mut room, key), Some(0));
}

#[test]
fn without_descriptors_who_lingers_goes_first() {
    let mut room = room(9, 9);
    assert_eq!(room.cheapest_to_close(), None);
    let resting = enter(&mut room, 0, 1, TimeoutKind::Resting, 0);
    let lingering = enter(&mut room, 1, 1, TimeoutKind::Lingering, 1);
    assert_eq!(room.cheapest_to_close(), Some(lingering));
    room.leave(lingering);
    assert_eq!(room.cheapest_to_close(), Some(resting));
}

#[test]
fn a_wait_is_over_when_its_time_has_passed_and_activity_extends_it() {
    let mut room = room(9, 9);
    let silent = enter(&mut room, 0, 1, TimeoutKind::Silent, 10);
    let resting = enter(&mut room, 1, 1, TimeoutKind::Resting, 0);
    assert_eq!(room.due(), Some(second(11)));
    assert_eq!(room.overdue(second(10)), None);
    assert_eq!(room.overdue(second(11)), Some((silent, TimeoutKind::Silent)));
    room.wait(silent, TimeoutKind::Silent, second(11), second(11));
    assert_eq!(room.due(), Some(second(11)), "who has said nothing gets no more time");
    room.leave(silent);
    room.wait(resting, TimeoutKind::Resting, second(0), second(100));
    assert_eq!(room.due(), Some(second(300)), "nothing happened");
    room.wait(resting, TimeoutKind::Resting, second(100), second(100));
    assert_eq!(room.due(), Some(second(400)));
}

#[test]
fn a_name_is_not_inherited_with_the_seat() {
    let mut room = room(9, 9);
    let first = enter(&mut room, 0, 1, TimeoutKind::Silent, 0);
    room.leave(first);
    let second = enter(&mut room, 1, 1, TimeoutKind::Silent, 0);
    assert!(first != second && second >= FIRST_KEY);
    assert_eq!(name(&mut room, Some(first)), None);
    assert_eq!(name(&mut room, Some(second)), Some(1));
    room.leave(second);
    assert!(room.is_empty() && room.addresses.is_empty() && room.sources.is_empty());
    assert_eq!((room.staying, room.due()), (0, None));
}
