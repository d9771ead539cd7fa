//! Sums are exact and memory is bounded, whatever attempts come in whatever order.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::report::record::{ClientDetails, Library};
use crate::report::source::LocalClient;
use std::net::{IpAddr, Ipv4Addr};

const NOW: UnixMillis = 1_795_758_300_000;

fn everything() -> Filter {
    Filter { since: 0, until: NOW, ports: Vec::new() }
}

fn address(host: u32) -> Source<'static> {
    Source::Address(IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + host)))
}

fn attempt(host: u32) -> Attempt<'static> {
    Attempt {
        at: NOW,
        source: address(host),
        is_probe: false,
        port: Some(6379),
        answer: AnswerKind::NoticeSent,
        attempts: 1,
        protocol: Some(Protocol::Resp),
        library: None,
        details: ClientDetails::default(),
    }
}

fn named(host: u32, name: String) -> Attempt<'static> {
    let library = Some(Library { name: name.into(), version: "1".into() });
    Attempt { library, ..attempt(host) }
}

fn aggregate(attempts: impl IntoIterator<Item = Attempt<'static>>) -> Aggregate {
    let mut aggregate = Aggregate::default();
    for attempt in attempts {
        aggregate.add(Ok(Line::Attempt(attempt)), &everything());
    }
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

fn of_unit(name: String) -> Attempt<'static> {
    let source = Source::Local([127, 0, 0, 1].into(), LocalClient::Unit(name.into()));
    Attempt { source, ..attempt(1) }
}

#[test]
fn programs_on_the_host_are_counted_separately_and_in_bounded_memory() {
    let many = u32::try_from(MAX_ROWS).unwrap() * 2;
    let flood = (0..many).map(|turn| of_unit(format!("run-{turn}.service")));
    let steady = (0..30).map(|turn| Attempt {
        answer: if turn % 2 == 0 { AnswerKind::Folded } else { AnswerKind::Unknown },
        port: (turn % 2 != 0).then_some(6379),
        ..of_unit(format!("steady-{}.service", turn % 3))
    });
    let aggregate = aggregate(steady.chain(flood));
    assert!(aggregate.rows.len() <= MAX_ROWS);
    assert_eq!(aggregate.index.len(), aggregate.rows.len());
    assert_eq!(
        (sum(&aggregate), aggregate.totals.attempts()),
        (u64::from(many) + 30, u64::from(many) + 30)
    );
    for (port, answer) in [(None, AnswerKind::Folded), (Some(6379), AnswerKind::Unknown)] {
        for number in 0..3 {
            let source = of_unit(format!("steady-{number}.service")).source;
            let mut rows = aggregate.rows.iter();
            let row = rows.find(|row| row.source == source && row.port == port).unwrap();
            assert_eq!((row.totals.attempts(), row.totals.answers.of(answer)), (5, 5));
        }
    }
}

#[test]
fn a_source_with_many_details_keeps_the_most_frequent_ones() {
    let liar = (0..9000).map(|turn: u32| {
        let name =
            if turn.is_multiple_of(3) { "steady".to_owned() } else { format!("liar-{turn}") };
        let stated = Ipv4Addr::from_bits(if turn.is_multiple_of(3) { 1 } else { turn });
        let details = ClientDetails {
            name: Some(name.into()),
            refused: Some(["GET", "SET"][(turn % 3 / 2) as usize]),
            stated_peer: Some(stated.into()),
            uid: Some(turn % 2),
        };
        Attempt { details, ..attempt(1) }
    });
    let others = (0..10).map(attempt);
    let mut whole = aggregate(liar.chain(others));
    for merged in [false, true] {
        let row = whole.rows.iter().find(|row| row.source == address(1)).unwrap();
        let Details { client_names, refused, stated_peers, uids } = row.details.as_deref().unwrap();
        let times = if merged { 2 } else { 1 };
        assert_eq!(client_names.sorted()[0], (&"steady".to_owned(), 3000 * times));
        assert_eq!(client_names.sorted().len(), MAX_VALUES);
        assert_eq!(
            stated_peers.sorted()[0],
            (&Ipv4Addr::from_bits(1).into(), 3000 * times + times)
        );
        assert_eq!(stated_peers.sorted().len(), MAX_STATED_PEERS);
        let listed: u64 = client_names.sorted().iter().map(|(_, count)| count).sum();
        assert_eq!(listed + client_names.unlisted, 9000 * times);
        let counts = |values: Vec<(&String, u64)>| {
            values.iter().map(|(_, count)| *count).collect::<Vec<_>>()
        };
        assert_eq!(
            (counts(refused.sorted()), refused.unlisted),
            (vec![6000 * times, 3000 * times], 0)
        );
        assert_eq!(uids.sorted(), [(&0, 4500 * times), (&1, 4500 * times)]);
        // Nothing is allocated where a line has no details.
        let without = whole.rows.iter().find(|row| row.source == address(2)).unwrap();
        assert!(without.details.is_none());
        let other = whole.clone();
        whole.merge(other);
    }
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
            answer: AnswerKind::ALL[turn as usize % AnswerKind::ALL.len()],
            port: (turn % 5 != 0).then_some(6379 + (turn % 3) as u16),
            attempts: u64::from(turn),
            source: if turn % 4 == 0 {
                of_unit(format!("unit-{}.service", turn % 9)).source
            } else {
                address(turn % 50)
            },
            protocol: Some(Protocol::ALL[turn as usize % Protocol::ALL.len()]),
            details: ClientDetails {
                refused: Some(["GET", "SET", "other"][turn as usize % 3]),
                ..ClientDetails::default()
            },
            ..named(0, format!("name-{}", turn % 7))
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
            let key = (&row.source, row.port);
            let other = merged.rows.iter().find(|row| (&row.source, row.port) == key).unwrap();
            assert_eq!((row.totals, &row.histogram), (other.totals, &other.histogram));
            assert_eq!(row.protocols, other.protocols);
            let refused = |row: &Row| {
                row.details.as_ref().map(|details| format!("{:?}", details.refused.sorted()))
            };
            assert_eq!(refused(row), refused(other));
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
        Err(SkipReason::Foreign.into()),
        Err(SkipReason::Torn.into()),
        Err(SkipReason::Malformed.into()),
        Err(Skipped::of_kernel(SkipReason::Unattributed)),
        // Older than what is asked for: no reason to doubt the report.
        Err(Skipped { reason: SkipReason::Torn, at: Some(NOW - 1001), is_kernel: true }),
        // Whether it is as old as what is asked for is not known.
        Ok(Line::Undated(Attempt { at: 0, port: Some(6380), ..attempt(1) })),
    ] {
        aggregate.add(line, &filter);
    }
    let lines = aggregate.lines;
    assert_eq!((lines.read, lines.counted, lines.outside), (13, 2, 4));
    assert_eq!((lines.misdated, lines.future, lines.unattributed), (2, 1, 1));
    assert_eq!((lines.foreign, lines.torn, lines.malformed), (1, 1, 1));
    assert_eq!(aggregate.uncounted, 4);
    assert_eq!(
        (aggregate.totals.attempts(), aggregate.lost),
        (1, LostLines { lines: 2, attempts: 9 })
    );
}

#[test]
fn attempts_without_a_time_are_counted_everywhere_but_on_the_time_axis() {
    let mut aggregate = Aggregate::default();
    let undated = || Ok(Line::Undated(Attempt { at: 0, attempts: 3, ..attempt(1) }));
    aggregate.add(undated(), &everything());
    assert!(!aggregate.totals.is_dated());
    let mut other = Aggregate::default();
    other.add(Ok(Line::Attempt(attempt(1))), &everything());
    other.add(undated(), &everything());
    aggregate.merge(other);
    assert_eq!(
        (aggregate.totals.attempts(), aggregate.undated, aggregate.lines.counted),
        (7, 6, 3)
    );
    assert_eq!((aggregate.totals.first, aggregate.totals.last), (NOW, NOW));
    assert_eq!((aggregate.rows.len(), aggregate.rows[0].totals.attempts()), (1, 7));
    assert_eq!(aggregate.ports[&Some(6379)].totals.attempts(), 7);
    let steps = aggregate.histograms.iter().flat_map(|histogram| histogram.counts(aggregate.axis));
    assert_eq!(steps.sum::<u32>(), 1);
}

#[test]
fn no_count_overflows() {
    let most = |turn: u32| Attempt { attempts: u64::MAX, ..named(turn % 2, "x".to_owned()) };
    let mut both = aggregate((0..4).map(most));
    both.merge(aggregate((0..4).map(most)));
    assert_eq!(both.totals.attempts(), u64::MAX);
}

#[test]
fn probes_are_counted_apart_from_everything_else() {
    let probe = |turn: u32| Attempt {
        is_probe: true,
        attempts: 2,
        at: NOW - 60_000 * i64::from(turn),
        ..attempt(turn % 9)
    };
    let lines =
        |whose: fn(u32) -> bool| (0..20).map(probe).zip(0..).filter(move |(_, turn)| whose(*turn));
    let both = |whose| aggregate(lines(whose).map(|(probe, _)| probe).chain([attempt(7)]));
    let mut apart = both(|turn| turn < 10);
    let users = aggregate([attempt(7)]);
    let same = |one: &Aggregate| {
        (one.totals, one.histograms.clone(), one.rows.len(), one.ports.len(), one.axis)
    };
    assert_eq!(same(&apart), same(&users));
    apart.merge(aggregate(lines(|turn| turn >= 10).map(|(probe, _)| probe)));
    assert_eq!(same(&apart), same(&users));
    assert_eq!(apart.probes.totals.attempts(), 40);
    assert_eq!((apart.probes.totals.first, apart.probes.totals.last), (NOW - 19 * 60_000, NOW));
    assert_eq!(apart.probes.sources.sorted().len(), 8);
}
