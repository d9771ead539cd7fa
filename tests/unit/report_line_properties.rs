//! Any bytes in a log are read without a panic, and every line is counted or skipped.

use crate::support::cases;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use redisguard::report::{Aggregate, Filter, LineFormat, Summary, TimestampParser, read_lines};

fn aggregate(bytes: &[u8], format: LineFormat) -> Aggregate {
    let filter = Filter { since: 0, until: i64::MAX, ports: Vec::new() };
    let (mut aggregate, mut timestamps) =
        (Aggregate::default(), TimestampParser::new(TimeZone::UTC, 1_795_758_300_000));
    let mut log = bytes;
    read_lines(&mut log, format, &mut timestamps, &filter, &mut aggregate).unwrap();
    aggregate
}

fn hold(bytes: &[u8]) -> Result<(), TestCaseError> {
    for format in [LineFormat::Listener, LineFormat::Kernel, LineFormat::Detect] {
        let aggregate = aggregate(bytes, format);
        let lines = aggregate.lines;
        let ends = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        let unfinished = u64::from(!bytes.is_empty() && !bytes.ends_with(b"\n"));
        prop_assert_eq!(lines.read, ends + unfinished);
        let parts = [
            lines.counted,
            lines.outside,
            lines.foreign,
            lines.torn,
            lines.malformed,
            lines.misdated,
            lines.future,
            lines.unattributed,
            lines.repeated,
        ];
        prop_assert_eq!(lines.read, parts.iter().sum::<u64>());
        let summary = Summary::new(&aggregate, usize::MAX);
        let answers = summary.answers.nonzero().map(|(_, count)| count);
        prop_assert_eq!(answers.fold(0, u64::saturating_add), summary.attempts);
        let libraries = summary.libraries.iter().map(|library| library.name.clone());
        for text in libraries.chain(texts(&summary)) {
            prop_assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{}", text);
        }
    }
    Ok(())
}

/// Every text of the listed sources.
fn texts(summary: &Summary) -> Vec<String> {
    let texts = summary.by_source.iter().flat_map(|source| {
        let names = source.client_names.iter().map(|used| used.name.clone());
        let refused = source.refused.iter().map(|used| used.command.clone());
        let local = [&source.unit, &source.container, &source.cgroup, &source.local_client];
        names.chain(refused).chain(local.into_iter().flatten().cloned()).collect::<Vec<_>>()
    });
    texts.collect()
}

/// Lines that nearly are ours: pieces of real ones, put together anyhow.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "time=2026-11-27T05:45:00.123Z",
        " peer=",
        "192.0.2.1",
        "2001:db8::1",
        "2001:db8::/64",
        "others",
        " port=6379",
        " port=",
        " protocol=resp",
        " library=\"",
        "\\x1b",
        "\\",
        "\"",
        " library-version=1",
        " client-name=\"",
        " refused=GET",
        " refused=",
        " stated-peer=192.0.2.7:1",
        " stated-peer=\"[2001:db8::7]:1\"",
        " unit=a.service",
        " unit=\"",
        " container=1a2b3c4d5e6f",
        " cgroup=\"/a",
        " cgroup=\"#1\"",
        " uid=1000",
        " protocol=cluster-bus",
        " told=true",
        " probe=true",
        " told=unknown",
        " told=",
        " outcome=reset",
        ",\"told\":\"true\"",
        ",\"unit\":\"\\u00ff\"",
        ",\"client-name\":\"\\\"",
        " attempts=",
        "18446744073709551615",
        " lines=2",
        " outcome=told",
        " outcome=folded",
        " outcome=dropped",
        "\n",
        "{\"time\":\"",
        "\",\"peer\":\"192.0.2.1\"",
        ",\"port\":6379",
        ",\"outcome\":\"told\"}",
        "Nov 27 05:45:00 web kernel: ",
        "Feb 29 ",
        "1795758300.1 kernel: ",
        "[1.2] ",
        "redisguard drop: ",
        "redisguard reject: ",
        "redisguard probe drop: ",
        "SRC=192.0.2.1 ",
        "PROTO=TCP ",
        "DPT=6379 ",
        "SYN",
        "{\"MESSAGE\":\"redisguard drop: ",
        "\",\"_TRANSPORT\":\"kernel\",\"__REALTIME_TIMESTAMP\":\"1\"}",
        " ",
    ]);
    let piece = prop_oneof![
        9 => known.prop_map(|text: &str| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn any_bytes_are_counted_or_skipped(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        hold(&bytes)?;
    }

    #[test]
    fn nearly_valid_lines_are_counted_or_skipped(bytes in pieces()) {
        hold(&bytes)?;
    }
}
