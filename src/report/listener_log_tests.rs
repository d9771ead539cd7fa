//! Lines of the listener's log: what they are parsed as, and which are skipped.
#![allow(clippy::unwrap_used)]
use super::*;
use jiff::tz::TimeZone;

fn read(text: &str) -> Result<Line<'_>, SkipReason> {
    parse(text.as_bytes(), &mut TimestampParser::new(TimeZone::UTC, 0))
}

const NOTICE_SENT: &str = "time=1970-01-01T00:00:01.002Z peer=192.0.2.1 peer-port=50000 port=6379 family=4 \
                    via=local protocol=resp command=PING library=redis-py library-version=5.0.1 \
                    replies=3 duration-ms=12 outcome=told";

#[test]
fn logfmt_and_json_parse_to_the_same_attempt() {
    let json = r#"{"time":"1970-01-01T00:00:01.002Z","peer":"192.0.2.1","peer-port":50000,"port":6379,"family":4,"via":"local","protocol":"resp","command":"PING","library":"redis-py","library-version":"5.0.1","replies":3,"duration-ms":12,"outcome":"told"}"#;
    let expected = Attempt {
        at: 1002,
        source: Source::Address("192.0.2.1".parse().unwrap()),
        port: Some(6379),
        answer: AnswerKind::NoticeSent,
        attempts: 1,
        protocol: Some(Protocol::Resp),
        library: Some(Library { name: "redis-py".into(), version: "5.0.1".into() }),
    };
    assert_eq!(read(NOTICE_SENT), Ok(Line::Attempt(expected.clone())));
    assert_eq!(read(json), Ok(Line::Attempt(expected)));
}

#[test]
fn folded_and_lost_counts_are_exact() {
    let count = |peer: &str| {
        let text = format!("time=1970-01-01T00:00:00.000Z peer={peer} attempts=7 outcome=folded");
        match parse(text.as_bytes(), &mut TimestampParser::new(TimeZone::UTC, 0)) {
            Ok(Line::Attempt(attempt)) => {
                (attempt.source.to_string(), attempt.attempts, attempt.port)
            }
            other => panic!("{other:?}"),
        }
    };
    for peer in ["192.0.2.1", "2001:db8::/64", "others"] {
        assert_eq!(count(peer), (peer.to_owned(), 7, None));
    }
    let json = r#"{"time":"1970-01-01T00:00:00.000Z","lines":2,"attempts":9,"outcome":"dropped"}"#;
    let lost = LostLines { lines: 2, attempts: 9 };
    assert_eq!(read(json), Ok(Line::Lost { at: 0, lost }));
}

#[test]
fn a_hostile_library_name_is_one_text_and_the_same_in_both_formats() {
    let logfmt = NOTICE_SENT.replace("redis-py", r#""x\" outcome=told\x0atime=\\\xff""#);
    let json = r#"{"time":"1970-01-01T00:00:01.002Z","peer":"192.0.2.1","port":6379,"protocol":"resp","library":"x\" outcome=told\u000atime=\\\u00ff","outcome":"told"}"#;
    let expected = r#"x\" outcome=told\x0atime=\\\xff"#;
    for text in [logfmt.as_str(), json] {
        let Ok(Line::Attempt(attempt)) = read(text) else { panic!("{:?}", read(text)) };
        assert_eq!(attempt.library.unwrap().name, expected);
        assert_eq!(attempt.answer, AnswerKind::NoticeSent);
    }
}

#[test]
fn every_prefix_of_a_line_is_torn_or_malformed() {
    let json = r#"{"time":"1970-01-01T00:00:01.002Z","peer":"192.0.2.1","port":6379,"protocol":"resp","library":"x\u000a","outcome":"told"}"#;
    let quoted = NOTICE_SENT.replace("redis-py", r#""a\x0ab""#);
    for whole in [NOTICE_SENT, &quoted, json] {
        for length in 8..whole.len() {
            let prefix = &whole[..length];
            let reason = read(prefix).unwrap_err();
            let expected = matches!(reason, SkipReason::Torn | SkipReason::Malformed);
            assert!(expected, "{reason:?}: {prefix}");
        }
    }
}

#[test]
fn a_line_that_the_listener_cannot_have_written_is_malformed() {
    for (from, to) in [
        ("192.0.2.1", "192.0.2.256"),
        ("192.0.2.1", "evil.example"),
        ("192.0.2.1", "192.0.2.0/64"),
        ("192.0.2.1", "2001:db8::/64"),
        ("192.0.2.1", "others"),
        ("port=6379", "port=65536"),
        ("port=6379", "port=0"),
        ("port=6379", "port=+6379"),
        (" port=6379", ""),
        ("redis-py", "redis\u{1b}[2J"),
        ("redis-py", "\"a\u{1b}[2J\""),
        ("redis-py", r#""a\q""#),
        ("redis-py", "r\u{e9}dis"),
        ("outcome=told", "outcome=sold"),
        ("outcome=told", "outcome=told outcome=told"),
        ("outcome=told", "outcome=told more=1"),
        ("peer=192.0.2.1", "peer=192.0.2.1 peer=192.0.2.2"),
        ("family=4", "FAMILY=4"),
        ("protocol=resp", "protocol=gopher"),
    ] {
        let text = NOTICE_SENT.replace(from, to);
        assert_eq!(read(&text), Err(SkipReason::Malformed), "{text}");
    }
    let long = NOTICE_SENT.replace("redis-py", &"x".repeat(1000));
    assert_eq!(read(&long), Err(SkipReason::Malformed));
    assert_eq!(read(&NOTICE_SENT.replace("1970-01-01", "1970-13-01")), Err(SkipReason::Misdated));
    for foreign in ["", "x", "times=1", " time=1", "{\"level\":\"info\"}"] {
        assert_eq!(read(foreign), Err(SkipReason::Foreign), "{foreign}");
    }
    for json in [
        r#"{"time":"1970-01-01T00:00:01.002Z","peer":"192.0.2.1","port":6379,"library":"€","outcome":"told"}"#,
        r#"{"time":"1970-01-01T00:00:01.002Z","peer":"192.0.2.1","port":6379,"library":"\u20ac","outcome":"told"}"#,
        r#"{"time":"1970-01-01T00:00:01.002Z","peer":"192.0.2.1","peer":"192.0.2.1","port":6379,"outcome":"told"}"#,
        r#"{"time":"1970-01-01T00:00:01.002Z","peer":"192.0.2.1","port":-1,"outcome":"told"}"#,
    ] {
        assert_eq!(read(json), Err(SkipReason::Malformed), "{json}");
    }
}
