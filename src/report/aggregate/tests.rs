//! Sums are exact and memory is bounded, whatever attempts come in whatever order.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::report::record::Library;
use std::net::{IpAddr, Ipv4Addr};

const NOW: UnixMillis = 1_795_758_300_000;

fn everything() -> Filter {
    Filter { since: 0, until: NOW, ports: Vec::new() }
}

fn address(host: u32) -> Source {
    Source::Address(IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + host)))
}

fn attempt(host: u32) -> Attempt<'static> {
    Attempt {
        at: NOW,
        source: address(host),
        port: Some(6379),
        answer: AnswerKind::NoticeSent,
        attempts: 1,
        protocol: Some(Protocol::Resp),
        library: None,
    }
}

fn named(host: u32, name: String) -> Attempt<'static> {
    let library = Some(Library { name: name.into(), version: "1".into() });
    Attempt { library, ..attempt(host) }
}

fn aggregate(attempts: impl IntoIterator<Item = Attempt<'static>>) -> Aggregate {
    let mut aggregate = Aggregate::default();
    attempts
        .into_iter()
        .for_each(|attempt| aggregate.add(Ok(Line::Attempt(attempt)), &everything()));
    aggregate
}

fn sum(aggregate: &Aggregate) -> u64 {
    let rows: u64 = aggregate.rows.iter().map(|row| row.totals.attempts()).sum();
    rows + aggregate.evicted.totals.attempts()
}

#[test]
fn rows_with_the_fewest_attempts_are_evicted_and_still_counted() {
    let many = u32::try_from(MAX_ROWS).unwrap() * 3;
    let heavy = |turn: u32| Attempt { attempts: 5, ..attempt(turn % 10) };
    let aggregate = aggregate((0..many).flat_map(|turn| [heavy(turn), attempt(100 + turn)]));
    assert!(aggregate.rows.len() <= MAX_ROWS && aggregate.evicted.rows > u64::from(many) / 2);
    assert_eq!(sum(&aggregate), aggregate.totals.attempts());
    assert_eq!(aggregate.totals.attempts(), u64::from(many) * 6);
    for host in 0..10 {
        let row = aggregate.rows.iter().find(|row| row.source == address(host)).unwrap();
        let turns = u64::from((0..many).filter(|turn| turn % 10 == host).count() as u32);
        assert_eq!(row.totals.attempts(), 5 * turns);
    }
    // An evicted source still counts among the sources of its port in that step.
    let port = &aggregate.ports[&Some(6379)];
    assert_eq!(
        u64::from(port.evicted_presence.counts(aggregate.axis).sum::<u32>()),
        aggregate.evicted.rows
    );
}

#[test]
fn a_source_with_many_library_names_takes_no_room_from_others() {
    let liar = (0..10_000).map(|turn| named(1, format!("liar-{turn}")));
    let aggregate = aggregate(liar.chain([named(2, "redis-py".to_owned())]));
    let names: Vec<&str> =
        aggregate.libraries.iter().map(|(_, library)| library.name.as_str()).collect();
    assert_eq!(names, ["liar-0", "liar-1", "liar-2", "liar-3", "redis-py"]);
    assert_eq!(aggregate.libraries.overflow, 10_000 - 4);
    let many = (0..6000).map(|host| named(host, format!("name-{host}")));
    let aggregate = self::aggregate(many);
    assert_eq!(aggregate.libraries.iter().count(), MAX_LIBRARIES);
    assert_eq!(aggregate.libraries.overflow, 6000 - MAX_LIBRARIES as u64);
}

#[test]
fn ports_beyond_the_bound_are_counted_together() {
    let attempts = (1..=2000).map(|port| Attempt { port: Some(port), ..attempt(1) });
    let aggregate = aggregate(attempts);
    assert_eq!(
        (aggregate.ports.len(), aggregate.port_overflow),
        (MAX_PORTS, 2000 - MAX_PORTS as u64)
    );
    assert_eq!(sum(&aggregate), 2000);
}

#[test]
fn merged_parts_equal_the_whole() {
    const DAY: UnixMillis = 86_400_000;
    let all = |part: u32| {
        (0..3000).filter(move |turn| part == 2 || turn % 2 == part).map(|turn| Attempt {
            // The steps of the parts have different widths, too.
            at: NOW - UnixMillis::from(turn) * if turn % 2 == 0 { 1000 } else { DAY / 100 },
            answer: AnswerKind::ALL[(turn % 6) as usize],
            port: (turn % 5 != 0).then_some(6379 + (turn % 3) as u16),
            attempts: u64::from(turn),
            ..named(turn % 50, format!("name-{}", turn % 7))
        })
    };
    let whole = aggregate(all(2));
    for parts in [[0, 1], [1, 0]] {
        let mut merged = aggregate(all(parts[0]));
        merged.merge(aggregate(all(parts[1])));
        assert_eq!(
            (merged.axis, merged.totals, merged.lines),
            (whole.axis, whole.totals, whole.lines)
        );
        assert_eq!(merged.histograms, whole.histograms);
        for row in &whole.rows {
            let key = (row.source, row.port);
            let other = merged.rows.iter().find(|row| (row.source, row.port) == key).unwrap();
            assert_eq!((row.totals, &row.histogram), (other.totals, &other.histogram));
        }
        let named = |aggregate: &Aggregate| -> BTreeMap<String, Totals> {
            aggregate.libraries.iter().map(|(_, row)| (row.name.clone(), row.totals)).collect()
        };
        assert_eq!(named(&merged), named(&whole));
    }
}

#[test]
fn filtered_and_impossible_lines_are_skipped_by_reason() {
    let mut aggregate = Aggregate::default();
    let filter = Filter { since: NOW - 1000, until: NOW, ports: vec![6380] };
    for line in [
        Ok(Line::Attempt(Attempt { port: Some(6380), ..attempt(1) })),
        Ok(Line::Attempt(attempt(1))),
        Ok(Line::Attempt(Attempt { port: None, ..attempt(1) })),
        Ok(Line::Attempt(Attempt { at: NOW - 1001, port: Some(6380), ..attempt(1) })),
        Ok(Line::Attempt(Attempt { at: NOW + 1, port: Some(6380), ..attempt(1) })),
        Ok(Line::Attempt(Attempt { at: 0, port: Some(6380), ..attempt(1) })),
        Ok(Line::Lost { at: NOW, lost: LostLines { lines: 2, attempts: 9 } }),
        Err(SkipReason::Foreign),
        Err(SkipReason::Torn),
        Err(SkipReason::Malformed),
    ] {
        aggregate.add(line, &filter);
    }
    let lines = aggregate.lines;
    assert_eq!((lines.read, lines.counted, lines.outside, lines.misdated), (10, 2, 3, 2));
    assert_eq!((lines.foreign, lines.torn, lines.malformed), (1, 1, 1));
    assert_eq!(
        (aggregate.totals.attempts(), aggregate.lost),
        (1, LostLines { lines: 2, attempts: 9 })
    );
}

#[test]
fn no_count_overflows() {
    let most = |turn: u32| Attempt { attempts: u64::MAX, ..named(turn % 2, "x".to_owned()) };
    let mut both = aggregate((0..4).map(most));
    both.merge(aggregate((0..4).map(most)));
    assert_eq!(both.totals.attempts(), u64::MAX);
}
