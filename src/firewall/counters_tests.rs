//! Tests of the totals when counters come and go.
#![allow(clippy::unwrap_used)]

use super::*;

const TABLES: [&str; 2] = ["filter", "nat"];

fn counters(counts: &[(&'static str, u64)]) -> Vec<(Family, Counter)> {
    let counter = |&(table, packets)| {
        (
            Family::V4,
            Counter { table, ports: 6379.into(), is_probe: false, packets, bytes: packets * 60 },
        )
    };
    counts.iter().map(counter).collect()
}

fn installed(counts: &[(&'static str, u64)], retired: &[(&'static str, u64)]) -> InstalledRules {
    let counted = [counts, retired].concat();
    let mut installed = InstalledRules::default();
    (installed.counters, installed.retired) = (counters(&counted), counters(retired));
    installed
}

fn total(totals: &CounterTotals) -> u64 {
    let by_port = totals.totals();
    let total = by_port.get(&(6379.into(), Family::V4)).copied().unwrap_or_default();
    assert_eq!(total.1, total.0 * 60);
    total.0
}

/// The total after each of these readings, each in a boot (empty: unknown); it is saved and read back each time.
fn recorded(readings: &[(&str, InstalledRules)]) -> Vec<u64> {
    let mut totals = CounterTotals::default();
    let read = |(boot, installed): &(&str, InstalledRules)| {
        totals.record_at(Some(*boot).filter(|boot| !boot.is_empty()), &TABLES, installed);
        totals = serde_json::from_str(&serde_json::to_string(&totals).unwrap()).unwrap();
        total(&totals)
    };
    readings.iter().map(read).collect()
}

#[test]
fn counters_that_grow_are_taken_as_they_are() {
    let readings = [
        ("a", installed(&[("filter", 3), ("nat", 1)], &[])),
        ("a", installed(&[("filter", 9)], &[])),
    ];
    assert_eq!(recorded(&readings), [4, 10]);
}

#[test]
fn counters_that_begin_anew_add_to_the_total() {
    let flushed = [
        ("a", installed(&[("filter", 7)], &[])),
        ("a", installed(&[], &[])),
        ("a", installed(&[("filter", 9)], &[])),
    ];
    assert_eq!(recorded(&flushed), [7, 7, 16]);
    let zeroed = [("a", installed(&[("filter", 7)], &[])), ("a", installed(&[("filter", 2)], &[]))];
    assert_eq!(recorded(&zeroed), [7, 9]);
    let rebooted =
        [("a", installed(&[("filter", 7)], &[])), ("b", installed(&[("filter", 8)], &[]))];
    assert_eq!(recorded(&rebooted), [7, 15]);
}

#[test]
fn a_boot_that_is_unknown_to_one_of_two_readers_doubles_nothing() {
    let readings = ["", "a", "", "a", "", "b"].map(|boot| (boot, installed(&[("filter", 7)], &[])));
    assert_eq!(recorded(&readings), [7, 7, 7, 7, 7, 14]);
    let container_restarted = [
        ("a", installed(&[("filter", 7)], &[])),
        ("a", installed(&[], &[])),
        ("", installed(&[("filter", 9)], &[])),
    ];
    assert_eq!(recorded(&container_restarted), [7, 7, 16]);
}

#[test]
fn removed_counters_count_once_wherever_a_run_is_interrupted() {
    let both = installed(&[("filter", 2)], &[("filter", 7)]);
    let mut totals = CounterTotals::default();
    totals.record_at(Some("a"), &TABLES, &both);
    totals.expect_removal(&both);
    assert_eq!(total(&totals), 9);
    // The run is killed before it removes them, and more is counted.
    let mut before = totals.clone();
    before.record_at(Some("a"), &TABLES, &installed(&[("filter", 4)], &[("filter", 7)]));
    assert_eq!(total(&before), 11);
    // The run is killed after it has removed them: also where the new counter exceeds the old one already.
    for new in [2, 4, 40] {
        let mut after = totals.clone();
        after.record_at(Some("a"), &TABLES, &installed(&[("filter", new)], &[]));
        assert_eq!(total(&after), 7 + new);
        after.record_at(Some("a"), &TABLES, &installed(&[("filter", new + 1)], &[]));
        assert_eq!(total(&after), 8 + new);
    }
    // The machine died.
    totals.record_at(Some("b"), &TABLES, &installed(&[("filter", 1)], &[]));
    assert_eq!(total(&totals), 10);
}

#[test]
fn probes_have_totals_of_their_own_that_are_kept_like_the_others() {
    let probes = |counts: &[(&'static str, u64)]| {
        let mut installed = installed(counts, &[]);
        installed.counters[0].1.is_probe = true;
        installed
    };
    let mut totals = CounterTotals::default();
    totals.record_at(Some("a"), &TABLES, &probes(&[("filter", 7), ("filter", 2)]));
    totals.record_at(Some("a"), &TABLES, &probes(&[("filter", 3), ("filter", 5)]));
    let text = serde_json::to_string(&totals).unwrap();
    let totals: CounterTotals = serde_json::from_str(&text).unwrap();
    let probes = totals.probe_totals().into_values().collect::<Vec<_>>();
    assert_eq!((total(&totals), probes), (5, vec![(10, 600)]));
}

#[test]
fn counters_of_tables_that_were_not_read_stay() {
    let mut totals = CounterTotals::default();
    totals.record_at(Some("a"), &TABLES, &installed(&[("filter", 7)], &[]));
    totals.record_at(Some("a"), &["inet"], &installed(&[("inet", 2)], &[]));
    assert_eq!(total(&totals), 9);
    totals.record_at(Some("a"), &TABLES, &installed(&[("filter", 8)], &[]));
    assert_eq!(total(&totals), 10);
    totals.record_at(Some("a"), &TABLES, &installed(&[], &[]));
    assert_eq!(total(&totals), 10);
}

#[test]
fn version_0_1_finds_the_counters_of_mangle_among_those_of_filter() {
    const ALL: [&str; 3] = ["filter", "mangle", "nat"];
    let counts = [("filter", 5), ("mangle", 7), ("nat", 2)];
    let mut totals = CounterTotals::default();
    totals.record_at(Some("a"), &ALL, &installed(&counts, &[("mangle", 3)]));
    totals.expect_removal(&installed(&[], &[("mangle", 3)]));
    let text = serde_json::to_string(&totals).unwrap();
    assert_eq!(serde_json::from_str::<CounterTotals>(&text).unwrap(), totals);
    // What 0.1 reads.
    let stored: serde_json::Value = serde_json::from_str(&text).unwrap();
    let packets = |list: &str, key: &str| stored[list][key][0].as_u64();
    let seen = ["filter v4 6379", "mangle v4 6379", "nat v4 6379"].map(|key| packets("seen", key));
    assert_eq!(seen, [Some(15), None, Some(2)]);
    assert_eq!(packets("leaving", "filter v4 6379"), Some(3));
    // What 0.1 wrote since has one number for both.
    let by_former = r#"{"since": "", "boot": "a", "gone": {}, "leaving": {},
        "seen": {"filter v4 6379": [20, 1200]}}"#;
    let mut totals: CounterTotals = serde_json::from_str(by_former).unwrap();
    totals.record_at(Some("a"), &ALL, &installed(&[("filter", 20), ("mangle", 4)], &[]));
    assert_eq!(total(&totals), 24);
}
