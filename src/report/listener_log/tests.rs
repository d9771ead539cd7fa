//! Lines of the listener's log: what they are parsed as, and which are skipped.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::report::record::{AnswerKind, Attempt, ClientDetails, Library, LostLines};
use crate::report::source::{LocalClient, Source};
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
        is_probe: false,
        port: Some(6379),
        answer: AnswerKind::NoticeSent,
        attempts: 1,
        protocol: Some(Protocol::Resp),
        library: Some(Library { name: "redis-py".into(), version: "5.0.1".into() }),
        details: ClientDetails::default(),
    };
    assert_eq!(read(NOTICE_SENT), Ok(Line::Attempt(expected.clone())));
    assert_eq!(read(json), Ok(Line::Attempt(expected)));
}

/// The same line as logfmt and as JSON, of values without escapes.
fn both(fields: &[(&str, &str)]) -> [String; 2] {
    const NUMBERS: [&str; 7] =
        ["peer-port", "port", "family", "uid", "replies", "duration-ms", "attempts"];
    let logfmt = fields.iter().map(|(key, value)| match value.contains([' ', '[', '#']) {
        true => format!("{key}=\"{value}\""),
        false => format!("{key}={value}"),
    });
    let json = fields.iter().map(|(key, value)| match NUMBERS.contains(key) {
        true => format!("\"{key}\":{value}"),
        false => format!("\"{key}\":\"{value}\""),
    });
    let [logfmt, json] = [logfmt.collect::<Vec<_>>(), json.collect()];
    [logfmt.join(" "), format!("{{{}}}", json.join(","))]
}

const BEGIN: [(&str, &str); 6] = [
    ("time", "1970-01-01T00:00:01.002Z"),
    ("peer", "127.0.0.1"),
    ("peer-port", "50000"),
    ("port", "6379"),
    ("family", "4"),
    ("via", "local"),
];

/// A connection's line with these fields before its outcome, in both formats.
fn lines(fields: &[(&str, &str)], outcome: &str) -> [String; 2] {
    both(&[&BEGIN[..], fields, &[("duration-ms", "12"), ("outcome", outcome)]].concat())
}

#[test]
fn told_decides_and_without_it_the_outcome_does() {
    use AnswerKind::{Broken, Closed, NoticeSent, Unknown};
    // The answer without `told` (version 0.1), and with true, false and unknown; `None` is malformed.
    let table = [
        ("told", [Some(NoticeSent), Some(NoticeSent), None, None]),
        ("closed", [Some(Closed), Some(NoticeSent), Some(Closed), Some(Unknown)]),
        ("reset", [Some(Broken), Some(NoticeSent), Some(Broken), Some(Unknown)]),
        ("idle", [Some(Broken), Some(NoticeSent), Some(Broken), Some(Unknown)]),
        ("shed", [Some(Broken), Some(NoticeSent), Some(Broken), Some(Unknown)]),
        ("limit", [Some(Broken), Some(NoticeSent), Some(Broken), Some(Unknown)]),
        ("shutdown", [Some(Broken), Some(NoticeSent), Some(Broken), Some(Unknown)]),
        ("sold", [None, None, None, None]),
    ];
    for (outcome, answers) in table {
        for (told, expected) in
            [None, Some("true"), Some("false"), Some("unknown")].into_iter().zip(answers)
        {
            let field: Vec<(&str, &str)> = told.iter().map(|told| ("told", *told)).collect();
            for text in lines(&field, outcome) {
                let answer = match read(&text) {
                    Ok(Line::Attempt(attempt)) => Some(attempt.answer),
                    Ok(line) => panic!("{line:?}: {text}"),
                    Err(reason) => {
                        assert_eq!(reason, SkipReason::Malformed, "{text}");
                        None
                    }
                };
                assert_eq!(answer, expected, "{text}");
            }
        }
    }
}

#[test]
fn every_detail_is_read_in_both_formats() {
    let fields = [
        ("stated-peer", "[2001:db8::7]:51000"),
        ("unit", "billing.service"),
        ("uid", "1000"),
        ("protocol", "cluster-bus"),
        ("tls", "1.3"),
        ("command", "GET"),
        ("refused", "FT.SEARCH"),
        ("client-name", "billing worker-1"),
        ("replies", "3"),
        ("told", "unknown"),
        ("later-field", "anything"),
    ];
    let unit = LocalClient::Unit("billing.service".into());
    let expected = Attempt {
        at: 1002,
        source: Source::Local("127.0.0.1".parse().unwrap(), unit),
        is_probe: false,
        port: Some(6379),
        answer: AnswerKind::Unknown,
        attempts: 1,
        protocol: Some(Protocol::ClusterBus),
        library: None,
        details: ClientDetails {
            name: Some("billing worker-1".into()),
            refused: Some("FT.SEARCH"),
            stated_peer: Some("2001:db8::7".parse().unwrap()),
            uid: Some(1000),
        },
    };
    for text in lines(&fields, "reset") {
        assert_eq!(read(&text), Ok(Line::Attempt(expected.clone())), "{text}");
    }
}

#[test]
fn every_protocol_is_read_in_both_formats() {
    for protocol in Protocol::ALL {
        for text in lines(&[("protocol", protocol.name())], "closed") {
            let Ok(Line::Attempt(attempt)) = read(&text) else { panic!("{:?}", read(&text)) };
            assert_eq!(attempt.protocol, Some(protocol));
        }
    }
}

#[test]
fn local_clients_have_sources_of_their_own_in_connections_and_counts() {
    for (field, value, name) in [
        ("unit", "billing.service", "billing.service"),
        ("container", "1a2b3c4d5e6f", "container 1a2b3c4d5e6f"),
        ("cgroup", "/user.slice/session-3.scope", "cgroup /user.slice/session-3.scope"),
        ("cgroup", "#4711", "cgroup #4711"),
        ("cgroup", "unknown", "unidentified program"),
    ] {
        let folded =
            both(&[BEGIN[0], BEGIN[1], (field, value), ("attempts", "7"), ("outcome", "folded")]);
        for (text, attempts) in lines(&[(field, value)], "closed")
            .into_iter()
            .zip([1, 1])
            .chain(folded.into_iter().zip([7, 7]))
        {
            let Ok(Line::Attempt(attempt)) = read(&text) else {
                panic!("{:?}: {text}", read(&text))
            };
            let client = attempt.source.local_client().map(ToString::to_string);
            assert_eq!((client.as_deref(), attempt.attempts), (Some(name), attempts), "{text}");
            assert_eq!(attempt.source.to_string(), "127.0.0.1");
        }
    }
    // A name cannot be that of several addresses. The count is kept.
    for peer in ["2001:db8::/64", "others"] {
        let fields =
            [("time", BEGIN[0].1), ("peer", peer), ("unit", "a.service"), ("attempts", "7")];
        for text in both(&[&fields[..], &[("outcome", "folded")]].concat()) {
            let Ok(Line::Attempt(attempt)) = read(&text) else {
                panic!("{:?}: {text}", read(&text))
            };
            assert_eq!((attempt.source.to_string().as_str(), attempt.attempts), (peer, 7));
            assert_eq!(attempt.source.local_client(), None);
        }
    }
}

#[test]
fn details_that_the_listener_cannot_have_written_are_malformed() {
    let (long_name, long_path) = ("n".repeat(65), format!("/{}", "p".repeat(128)));
    for (key, value) in [
        ("told", "maybe"),
        ("told", ""),
        ("refused", "get"),
        ("refused", ""),
        ("refused", "GET SECRET"),
        ("refused", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG"),
        ("client-name", &long_name),
        ("stated-peer", "192.0.2.7"),
        ("stated-peer", "192.0.2.256:1"),
        ("stated-peer", "192.0.2.7:65536"),
        ("stated-peer", "2001:db8::7:51000"),
        ("stated-peer", "evil.example:1"),
        ("unit", ""),
        ("unit", &long_path),
        ("container", "1a2b3c4d5e6"),
        ("container", "1A2B3C4D5E6F"),
        ("container", "1a2b3c4d5e6f7"),
        ("cgroup", ""),
        ("cgroup", "user.slice"),
        ("cgroup", "#"),
        ("cgroup", "#12a"),
        ("cgroup", &long_path),
        ("uid", "4294967296"),
        ("uid", "-1"),
    ] {
        for text in lines(&[(key, value)], "closed") {
            assert_eq!(read(&text), Err(SkipReason::Malformed), "{text}");
        }
    }
    for fields in [
        [("unit", "a.service"), ("container", "1a2b3c4d5e6f")],
        [("unit", "a.service"), ("cgroup", "/a")],
        [("told", "true"), ("told", "true")],
        [("refused", "GET"), ("refused", "GET")],
        [("client-name", "a"), ("client-name", "a")],
        [("stated-peer", "192.0.2.7:1"), ("stated-peer", "192.0.2.7:1")],
        [("unit", "a"), ("unit", "a")],
        [("container", "1a2b3c4d5e6f"), ("container", "1a2b3c4d5e6f")],
        [("cgroup", "/a"), ("cgroup", "/a")],
        [("uid", "1"), ("uid", "1")],
    ] {
        for text in lines(&fields, "closed") {
            assert_eq!(read(&text), Err(SkipReason::Malformed), "{text}");
        }
    }
    for json in [
        r#"{"time":"1970-01-01T00:00:01.002Z","peer":"192.0.2.1","port":6379,"told":true,"outcome":"closed"}"#,
        r#"{"time":"1970-01-01T00:00:01.002Z","peer":"192.0.2.1","port":6379,"told":null,"outcome":"sold"}"#,
        r#"{"time":"1970-01-01T00:00:01.002Z","peer":"192.0.2.1","port":6379,"client-name":"€","outcome":"closed"}"#,
    ] {
        assert_eq!(read(json), Err(SkipReason::Malformed), "{json}");
    }
    for text in ["cgroup=#1", "stated-peer=[::1]:1"] {
        let text = lines(&[], "closed")[0].replace("family=4", text);
        assert_eq!(read(&text), Err(SkipReason::Malformed), "{text}");
    }
    // The longest texts that it can write.
    for (key, value) in [("client-name", &long_name[..64]), ("cgroup", &long_path[..128])] {
        for text in lines(&[(key, value)], "closed") {
            assert!(read(&text).is_ok(), "{text}");
        }
    }
}

#[test]
fn hostile_names_of_clients_are_one_text_and_the_same_in_both_formats() {
    let logfmt = r#"time=1970-01-01T00:00:01.002Z peer=127.0.0.1 port=6379 unit="a\\x2d\xff.service" client-name="x\" told=true\x0a" told=false outcome=closed"#;
    let json = r#"{"time":"1970-01-01T00:00:01.002Z","peer":"127.0.0.1","port":6379,"unit":"a\\x2d\u00ff.service","client-name":"x\" told=true\u000a","told":"false","outcome":"closed"}"#;
    for text in [logfmt, json] {
        let Ok(Line::Attempt(attempt)) = read(text) else { panic!("{:?}: {text}", read(text)) };
        assert_eq!(attempt.details.name.as_deref(), Some(r#"x\" told=true\x0a"#));
        let unit = attempt.source.local_client().and_then(LocalClient::unit);
        assert_eq!((unit, attempt.answer), (Some(r"a\\x2d\xff.service"), AnswerKind::Closed));
    }
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
        ("outcome=told", "probe=false outcome=told"),
        ("outcome=told", "probe=true probe=true outcome=told"),
    ] {
        let text = NOTICE_SENT.replace(from, to);
        assert_eq!(read(&text), Err(SkipReason::Malformed), "{text}");
    }
    let long = NOTICE_SENT.replace("redis-py", &"x".repeat(MAX_LINE));
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
