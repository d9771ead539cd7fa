//! Tests of what becomes of counts when counters come and go.
#![allow(clippy::unwrap_used)]

use super::*;

const TABLES: [&str; 2] = ["filter", "nat"];

fn counters(counts: &[(&'static str, u64)]) -> Vec<(Family, Counter)> {
    let counter = |&(table, packets)| {
        (Family::V4, Counter { table, ports: 6379.into(), packets, bytes: packets * 60 })
    };
    counts.iter().map(counter).collect()
}

fn live(counts: &[(&'static str, u64)], retired: &[(&'static str, u64)]) -> Live {
    let counted = [counts, retired].concat();
    let mut live = Live::default();
    (live.counters, live.retired) = (counters(&counted), counters(retired));
    live
}

fn total(tally: &Tally) -> u64 {
    let totals = tally.totals();
    let total = totals.get(&(6379.into(), Family::V4)).copied().unwrap_or_default();
    assert_eq!(total.1, total.0 * 60);
    total.0
}

/// What is counted when these are seen, one after the other; the tally is saved each time.
fn told(looks: &[(&str, Live)]) -> Vec<u64> {
    let mut tally = Tally::default();
    let look = |(boot, live): &(&str, Live)| {
        tally.take_at(boot, &TABLES, live);
        tally = serde_json::from_str(&serde_json::to_string(&tally).unwrap()).unwrap();
        total(&tally)
    };
    looks.iter().map(look).collect()
}

#[test]
fn counters_that_grow_are_told_as_they_are() {
    let looks =
        [("a", live(&[("filter", 3), ("nat", 1)], &[])), ("a", live(&[("filter", 9)], &[]))];
    assert_eq!(told(&looks), [4, 10]);
}

#[test]
fn counters_that_begin_anew_add_to_what_was_seen() {
    let flushed = [
        ("a", live(&[("filter", 7)], &[])),
        ("a", live(&[], &[])),
        ("a", live(&[("filter", 9)], &[])),
    ];
    assert_eq!(told(&flushed), [7, 7, 16]);
    let zeroed = [("a", live(&[("filter", 7)], &[])), ("a", live(&[("filter", 2)], &[]))];
    assert_eq!(told(&zeroed), [7, 9]);
    let rebooted = [("a", live(&[("filter", 7)], &[])), ("b", live(&[("filter", 8)], &[]))];
    assert_eq!(told(&rebooted), [7, 15]);
}

#[test]
fn what_is_taken_away_counts_once_wherever_it_is_interrupted() {
    let both = live(&[("filter", 2)], &[("filter", 7)]);
    let mut tally = Tally::default();
    tally.take_at("a", &TABLES, &both);
    tally.let_go(&both);
    assert_eq!(total(&tally), 9);
    // Killed before it was taken away, and what came since.
    let mut before = tally.clone();
    before.take_at("a", &TABLES, &live(&[("filter", 4)], &[("filter", 7)]));
    assert_eq!(total(&before), 11);
    // And after that: also where the new counter is past the old one already.
    for new in [2, 4, 40] {
        let mut after = tally.clone();
        after.take_at("a", &TABLES, &live(&[("filter", new)], &[]));
        assert_eq!(total(&after), 7 + new);
        after.take_at("a", &TABLES, &live(&[("filter", new + 1)], &[]));
        assert_eq!(total(&after), 8 + new);
    }
    // The machine died.
    tally.take_at("b", &TABLES, &live(&[("filter", 1)], &[]));
    assert_eq!(total(&tally), 10);
}

#[test]
fn counters_that_were_not_looked_at_are_not_taken_for_gone() {
    let mut tally = Tally::default();
    tally.take_at("a", &TABLES, &live(&[("filter", 7)], &[]));
    tally.take_at("a", &["inet"], &live(&[("inet", 2)], &[]));
    assert_eq!(total(&tally), 9);
    tally.take_at("a", &TABLES, &live(&[("filter", 8)], &[]));
    assert_eq!(total(&tally), 10);
    tally.take_at("a", &TABLES, &live(&[], &[]));
    assert_eq!(total(&tally), 10);
}
