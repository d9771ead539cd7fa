//! Sums are exact and memory is bounded, whatever comes in whatever order.
#![allow(clippy::unwrap_used)]
use super::*;
use std::net::{IpAddr, Ipv4Addr};

const NOW: Moment = 1_795_758_300_000;

fn everything() -> Scope {
    Scope { since: 0, until: NOW, ports: Vec::new() }
}

fn address(host: u32) -> Source {
    Source::Address(IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + host)))
}

fn knock(host: u32) -> Knock<'static> {
    Knock {
        at: NOW,
        source: address(host),
        port: Some(6379),
        answer: Answer::Told,
        attempts: 1,
        protocol: Some(Protocol::Resp),
        library: None,
    }
}

fn named(host: u32, name: String) -> Knock<'static> {
    let library = Some(Library { name: name.into(), version: "1".into() });
    Knock { library, ..knock(host) }
}

fn census(knocks: impl IntoIterator<Item = Knock<'static>>) -> Census {
    let mut census = Census::default();
    knocks.into_iter().for_each(|knock| census.add(Ok(Line::Knock(knock)), &everything()));
    census
}

fn sum(census: &Census) -> u64 {
    let rows: u64 = census.rows.iter().map(|row| row.count.answers.sum()).sum();
    rows + census.rest.1.answers.sum()
}

#[test]
fn the_heavy_stay_and_the_light_are_counted_together() {
    let many = u32::try_from(MOST_ROWS).unwrap() * 3;
    let heavy = |turn: u32| Knock { attempts: 5, ..knock(turn % 10) };
    let census = census((0..many).flat_map(|turn| [heavy(turn), knock(100 + turn)]));
    assert!(census.rows.len() <= MOST_ROWS && census.rest.0 > u64::from(many) / 2);
    assert_eq!(sum(&census), census.total.answers.sum());
    assert_eq!(census.total.answers.sum(), u64::from(many) * 6);
    for host in 0..10 {
        let row = census.rows.iter().find(|row| row.source == address(host)).unwrap();
        let turns = u64::from((0..many).filter(|turn| turn % 10 == host).count() as u32);
        assert_eq!(row.count.answers.sum(), 5 * turns);
    }
    // Whoever is not told apart still counts among the sources of the port in that step.
    let port = &census.ports[&Some(6379)];
    assert_eq!(u64::from(port.others.counts(census.span).sum::<u32>()), census.rest.0);
}

#[test]
fn a_source_that_changes_its_name_takes_no_room_from_others() {
    let liar = (0..10_000).map(|turn| named(1, format!("liar-{turn}")));
    let census = census(liar.chain([named(2, "redis-py".to_owned())]));
    let names: Vec<&str> = census.libraries.iter().map(|library| library.name.as_str()).collect();
    assert_eq!(names, ["liar-0", "liar-1", "liar-2", "liar-3", "redis-py"]);
    assert_eq!(census.more_libraries, 10_000 - 4);
    let many = (0..6000).map(|host| named(host, format!("name-{host}")));
    let census = self::census(many);
    assert_eq!(census.libraries.len(), MOST_LIBRARIES);
    assert_eq!(census.more_libraries, 6000 - MOST_LIBRARIES as u64);
}

#[test]
fn ports_beyond_the_bound_are_counted_together() {
    let knocks = (1..=2000).map(|port| Knock { port: Some(port), ..knock(1) });
    let census = census(knocks);
    assert_eq!((census.ports.len(), census.more_ports), (MOST_PORTS, 2000 - MOST_PORTS as u64));
    assert_eq!(sum(&census), 2000);
}

#[test]
fn parts_that_are_counted_apart_come_to_the_same_as_the_whole() {
    const DAY: Moment = 86_400_000;
    let all = |part: u32| {
        (0..3000).filter(move |turn| part == 2 || turn % 2 == part).map(|turn| Knock {
            // The parts differ in what their steps are, too.
            at: NOW - Moment::from(turn) * if turn % 2 == 0 { 1000 } else { DAY / 100 },
            answer: Answer::ALL[(turn % 6) as usize],
            port: (turn % 5 != 0).then_some(6379 + (turn % 3) as u16),
            attempts: u64::from(turn),
            ..named(turn % 50, format!("name-{}", turn % 7))
        })
    };
    let whole = census(all(2));
    for parts in [[0, 1], [1, 0]] {
        let mut merged = census(all(parts[0]));
        merged.merge(census(all(parts[1])));
        assert_eq!(
            (merged.span, merged.total, merged.lines),
            (whole.span, whole.total, whole.lines)
        );
        assert_eq!(merged.histories, whole.histories);
        for row in &whole.rows {
            let key = (row.source, row.port);
            let other = merged.rows.iter().find(|row| (row.source, row.port) == key).unwrap();
            assert_eq!((row.count, &row.history), (other.count, &other.history));
        }
        let named = |census: &Census| -> BTreeMap<String, Count> {
            census.libraries.iter().map(|row| (row.name.clone(), row.count)).collect()
        };
        assert_eq!(named(&merged), named(&whole));
    }
}

#[test]
fn what_was_not_asked_for_and_what_cannot_be_is_left_out_and_counted() {
    let mut census = Census::default();
    let scope = Scope { since: NOW - 1000, until: NOW, ports: vec![6380] };
    for line in [
        Ok(Line::Knock(Knock { port: Some(6380), ..knock(1) })),
        Ok(Line::Knock(knock(1))),
        Ok(Line::Knock(Knock { port: None, ..knock(1) })),
        Ok(Line::Knock(Knock { at: NOW - 1001, port: Some(6380), ..knock(1) })),
        Ok(Line::Knock(Knock { at: NOW + 1, port: Some(6380), ..knock(1) })),
        Ok(Line::Knock(Knock { at: 0, port: Some(6380), ..knock(1) })),
        Ok(Line::Lost { at: NOW, lines: 2, attempts: 9 }),
        Err(Fault::Foreign),
        Err(Fault::Torn),
        Err(Fault::Malformed),
    ] {
        census.add(line, &scope);
    }
    let lines = census.lines;
    assert_eq!((lines.read, lines.counted, lines.outside, lines.misdated), (10, 2, 3, 2));
    assert_eq!((lines.foreign, lines.torn, lines.malformed), (1, 1, 1));
    assert_eq!((census.total.answers.sum(), census.lost), (1, (2, 9)));
}

#[test]
fn no_count_overflows() {
    let most = |turn: u32| Knock { attempts: u64::MAX, ..named(turn % 2, "x".to_owned()) };
    let mut both = census((0..4).map(most));
    both.merge(census((0..4).map(most)));
    assert_eq!(both.total.answers.sum(), u64::MAX);
}
