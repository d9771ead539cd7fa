//! What a line of the listener's is read as, and what is none.
#![allow(clippy::unwrap_used)]
use super::*;
use jiff::tz::TimeZone;

fn read(text: &str) -> Result<Line<'_>, Fault> {
    line(text.as_bytes(), &mut Calendar::new(TimeZone::UTC, 0))
}

const TOLD: &str = "time=1970-01-01T00:00:01.002Z peer=192.0.2.1 peer-port=50000 port=6379 family=4 \
                    via=local protocol=resp command=PING library=redis-py library-version=5.0.1 \
                    replies=3 duration-ms=12 outcome=told";

#[test]
fn a_line_is_read_alike_in_either_format() {
    let json = r#"{"time":"1970-01-01T00:00:01.002Z","peer":"192.0.2.1","peer-port":50000,"port":6379,"family":4,"via":"local","protocol":"resp","command":"PING","library":"redis-py","library-version":"5.0.1","replies":3,"duration-ms":12,"outcome":"told"}"#;
    let expected = Knock {
        at: 1002,
        source: Source::Address("192.0.2.1".parse().unwrap()),
        port: Some(6379),
        answer: Answer::Told,
        attempts: 1,
        protocol: Some(Protocol::Resp),
        library: Some(Library { name: "redis-py".into(), version: "5.0.1".into() }),
    };
    assert_eq!(read(TOLD), Ok(Line::Knock(expected.clone())));
    assert_eq!(read(json), Ok(Line::Knock(expected)));
}

#[test]
fn counts_are_read_with_their_exact_numbers() {
    let count = |peer: &str| {
        let text = format!("time=1970-01-01T00:00:00.000Z peer={peer} attempts=7 outcome=folded");
        match line(text.as_bytes(), &mut Calendar::new(TimeZone::UTC, 0)) {
            Ok(Line::Knock(knock)) => (knock.source.to_string(), knock.attempts, knock.port),
            other => panic!("{other:?}"),
        }
    };
    for peer in ["192.0.2.1", "2001:db8::/64", "others"] {
        assert_eq!(count(peer), (peer.to_owned(), 7, None));
    }
    let lost = r#"{"time":"1970-01-01T00:00:00.000Z","lines":2,"attempts":9,"outcome":"dropped"}"#;
    assert_eq!(read(lost), Ok(Line::Lost { at: 0, lines: 2, attempts: 9 }));
}

#[test]
fn a_hostile_name_is_one_text_and_the_same_in_either_format() {
    let logfmt = TOLD.replace("redis-py", r#""x\" outcome=told\x0atime=\\\xff""#);
    let json = r#"{"time":"1970-01-01T00:00:01.002Z","peer":"192.0.2.1","port":6379,"protocol":"resp","library":"x\" outcome=told\u000atime=\\\u00ff","outcome":"told"}"#;
    let expected = r#"x\" outcome=told\x0atime=\\\xff"#;
    for text in [logfmt.as_str(), json] {
        let Ok(Line::Knock(knock)) = read(text) else { panic!("{:?}", read(text)) };
        assert_eq!(knock.library.unwrap().name, expected);
        assert_eq!(knock.answer, Answer::Told);
    }
}

#[test]
fn every_piece_of_a_line_is_torn_and_never_counted() {
    let json = r#"{"time":"1970-01-01T00:00:01.002Z","peer":"192.0.2.1","port":6379,"protocol":"resp","library":"x\u000a","outcome":"told"}"#;
    let quoted = TOLD.replace("redis-py", r#""a\x0ab""#);
    for whole in [TOLD, &quoted, json] {
        for length in 8..whole.len() {
            let piece = &whole[..length];
            let fault = read(piece).unwrap_err();
            let expected = matches!(fault, Fault::Torn | Fault::Malformed);
            assert!(expected, "{fault:?}: {piece}");
        }
    }
}

#[test]
fn what_the_listener_never_writes_is_malformed() {
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
        let text = TOLD.replace(from, to);
        assert_eq!(read(&text), Err(Fault::Malformed), "{text}");
    }
    let long = TOLD.replace("redis-py", &"x".repeat(500));
    assert_eq!(read(&long), Err(Fault::Malformed));
    assert_eq!(read(&TOLD.replace("1970-01-01", "1970-13-01")), Err(Fault::Misdated));
    for foreign in ["", "x", "times=1", " time=1", "{\"level\":\"info\"}"] {
        assert_eq!(read(foreign), Err(Fault::Foreign), "{foreign}");
    }
    for json in [
        r#"{"time":"1970-01-01T00:00:01.002Z","peer":"192.0.2.1","port":6379,"library":"€","outcome":"told"}"#,
        r#"{"time":"1970-01-01T00:00:01.002Z","peer":"192.0.2.1","port":6379,"library":"\u20ac","outcome":"told"}"#,
        r#"{"time":"1970-01-01T00:00:01.002Z","peer":"192.0.2.1","peer":"192.0.2.1","port":6379,"outcome":"told"}"#,
        r#"{"time":"1970-01-01T00:00:01.002Z","peer":"192.0.2.1","port":-1,"outcome":"told"}"#,
    ] {
        assert_eq!(read(json), Err(Fault::Malformed), "{json}");
    }
}
