//! What log lines look like, and that no received byte breaks one.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::listener::protocol::client_info::{Protocol, StatedInfo};

fn attempt(client: &ClientInfo) -> Attempt<'_> {
    Attempt {
        peer: "192.0.2.1:50000".parse().unwrap(),
        port: 6379,
        redirected: false,
        local: None,
        is_probe: false,
        client,
        replies: 3,
        told: Told::Yes,
        duration: Duration::from_millis(12),
        outcome: Outcome::Told,
    }
}

fn line(attempt: &Attempt<'_>, format: LogFormat, time: Timestamp) -> String {
    let mut out = Vec::new();
    attempt.write(format, TimestampCache::default().format(time), &mut out);
    String::from_utf8(out).unwrap()
}

fn client(library: &[u8]) -> ClientInfo {
    ClientInfo {
        protocol: Protocol::Resp,
        command: CommandName::find(b"PING"),
        stated: Some(Box::new(StatedInfo {
            library: Some(library.into()),
            ..StatedInfo::default()
        })),
        ..ClientInfo::default()
    }
}

fn everything_stated() -> ClientInfo {
    ClientInfo {
        protocol: Protocol::Resp,
        command: CommandName::find(b"HELLO"),
        refused: CommandName::find(b"SET"),
        tls: None,
        stated: Some(Box::new(StatedInfo {
            library: Some((*b"lib").into()),
            library_version: Some((*b"1").into()),
            name: Some((*b"billing worker").into()),
            peer: Some("[2001:db8::7]:50000".parse().unwrap()),
        })),
    }
}

#[test]
fn a_connection_is_one_line_in_either_format() {
    let (client, time) = (client(b"redis-py"), Timestamp::UNIX_EPOCH);
    assert_eq!(
        line(&attempt(&client), LogFormat::Logfmt, time),
        "time=1970-01-01T00:00:00.000Z peer=192.0.2.1 peer-port=50000 port=6379 family=4 \
         via=local protocol=resp command=PING library=redis-py replies=3 duration-ms=12 \
         told=true outcome=told\n"
    );
    let json = line(&attempt(&client), LogFormat::Json, time);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["library"], "redis-py");
    assert_eq!(value["duration-ms"], 12);
}

#[test]
fn no_received_byte_breaks_a_line() {
    let every: Vec<u8> = (0..=255).collect();
    for piece in every.chunks(8) {
        let client = client(piece);
        for format in [LogFormat::Logfmt, LogFormat::Json] {
            let line = line(&attempt(&client), format, Timestamp::UNIX_EPOCH);
            assert_eq!(line.matches('\n').count(), 1);
            assert!(line.trim_end().bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        }
        let json = line(&attempt(&client), LogFormat::Json, Timestamp::UNIX_EPOCH);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        let expected: String = piece.iter().map(|byte| char::from(*byte)).collect();
        assert_eq!(value["library"], expected.as_str());
    }
}

#[test]
fn a_forged_field_stays_inside_its_quotes() {
    let client = client(b"x\" outcome=told\ntime=1");
    let line = line(&attempt(&client), LogFormat::Logfmt, Timestamp::UNIX_EPOCH);
    assert!(line.contains(r#"library="x\" outcome=told\x0atime=1" replies=3"#), "{line}");
}

#[test]
fn the_longest_line_is_within_the_bound() {
    let client = ClientInfo {
        protocol: Protocol::Inline,
        command: CommandName::find(b"GEORADIUSBYMEMBER_RO"),
        refused: CommandName::find(b"GEORADIUSBYMEMBER_RO"),
        stated: Some(Box::new(StatedInfo {
            library: Some(vec![0xff; 64].into()),
            library_version: Some(vec![b'"'; 64].into()),
            name: Some(vec![0; 64].into()),
            peer: Some("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535".parse().unwrap()),
        })),
        tls: Some(TlsOutcome::Incompatible),
    };
    let local = LocalClient {
        name: Rc::new(Name::Path(vec![0xff; 4096].into())),
        uid: Some(u32::MAX),
        cgroup: None,
        is_own: false,
    };
    let longest = Attempt {
        peer: "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535".parse().unwrap(),
        port: 65535,
        redirected: true,
        local: Some(&local),
        is_probe: true,
        client: &client,
        replies: u64::MAX,
        told: Told::Unknown,
        duration: Duration::from_millis(u64::MAX),
        outcome: Outcome::Shutdown,
    };
    for format in [LogFormat::Logfmt, LogFormat::Json] {
        let line = line(&longest, format, Timestamp::MAX);
        assert!(line.len() <= MAX_LOG_LINE_BYTES, "{}: {line}", line.len());
    }
}

#[test]
fn the_line_of_a_probe_is_marked_and_no_other() {
    let client = client(b"redis-py");
    let plain = attempt(&client);
    let probe = Attempt { is_probe: true, ..attempt(&client) };
    for (format, mark) in
        [(LogFormat::Logfmt, " probe=true"), (LogFormat::Json, ",\"probe\":\"true\"")]
    {
        let [plain, probe] = [&plain, &probe].map(|one| line(one, format, Timestamp::UNIX_EPOCH));
        assert_eq!(probe.matches(mark).count(), 1, "{probe}");
        assert_eq!(probe.replace(mark, ""), plain);
    }
}

#[test]
fn what_is_stated_and_refused_is_named() {
    let client = everything_stated();
    let told = Attempt { told: Told::Unknown, outcome: Outcome::Reset, ..attempt(&client) };
    let text = line(&told, LogFormat::Logfmt, Timestamp::UNIX_EPOCH);
    let expected = " command=HELLO library=lib library-version=1 replies=3 duration-ms=12 refused=SET \
        client-name=\"billing worker\" stated-peer=\"[2001:db8::7]:50000\" told=unknown outcome=reset\n";
    assert!(text.ends_with(expected), "{text}");
    let json = line(&told, LogFormat::Json, Timestamp::UNIX_EPOCH);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["stated-peer"], "[2001:db8::7]:50000");
    assert_eq!(value["client-name"], "billing worker");
    assert_eq!(value["told"], "unknown");
}

#[test]
fn every_field_is_documented() {
    let page = include_str!("../../../docs/reference/log.md");
    let client = ClientInfo { tls: Some(TlsOutcome::Version13), ..everything_stated() };
    let local =
        |name| LocalClient { name: Rc::new(name), uid: Some(0), cgroup: None, is_own: false };
    for name in [Name::Unit((*b"a").into()), Name::Container((*b"a").into()), Name::Unknown] {
        let local = local(name);
        let attempt = Attempt { local: Some(&local), ..attempt(&client) };
        let text = line(&attempt, LogFormat::Json, Timestamp::UNIX_EPOCH);
        let fields: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&text).unwrap();
        assert_eq!(fields.len(), 20, "{text}");
        for key in fields.keys() {
            assert!(page.contains(&format!("`{key}`")), "{key}");
        }
    }
}

#[test]
fn the_tls_outcome_comes_after_the_protocol_spoken_inside() {
    let mut client = client(b"redis-py");
    client.tls = Some(TlsOutcome::Version13);
    let line = line(&attempt(&client), LogFormat::Logfmt, Timestamp::UNIX_EPOCH);
    assert!(line.contains(" protocol=resp tls=1.3 command=PING "), "{line}");
}

#[test]
fn a_local_client_is_named_and_its_name_breaks_no_line() {
    let client = client(b"redis-py");
    for (name, uid, fields) in [
        (Name::Unit((*b"billing.service").into()), Some(0), "unit=billing.service uid=0"),
        (Name::Unit((*br"a\x2db.mount").into()), None, r#"unit="a\\x2db.mount""#),
        (Name::Container((*b"0123456789ab").into()), Some(7), "container=0123456789ab uid=7"),
        (Name::Path((*b"/").into()), None, "cgroup=/"),
        (Name::Path((*b"/a b\nc").into()), None, r#"cgroup="/a b\x0ac""#),
        (Name::Id(4711), Some(7), r##"cgroup="#4711" uid=7"##),
        (Name::Unknown, None, "cgroup=unknown"),
    ] {
        let local = LocalClient { name: Rc::new(name), uid, cgroup: None, is_own: false };
        let attempt = Attempt { local: Some(&local), ..attempt(&client) };
        let line = line(&attempt, LogFormat::Logfmt, Timestamp::UNIX_EPOCH);
        assert!(line.contains(&format!(" duration-ms=12 {fields} told=true ")), "{line}");
    }
}

#[test]
fn folded_and_dropped_attempts_are_lines_with_counts() {
    let time = Timestamp::UNIX_EPOCH;
    for (name, field) in
        [(None, ""), (Some(Name::Unit((*b"billing.service").into())), "unit=billing.service ")]
    {
        let source = FoldedSource::Address([192, 0, 2, 1].into());
        let folded = Folded { source, name: name.map(Rc::new), is_probe: false, attempts: 7 };
        let mut line = Vec::new();
        let time = TimestampCache::default().format(time).to_owned();
        write_folded(LogFormat::Logfmt, &time, &folded, &mut line);
        let expected = format!("time={time} peer=192.0.2.1 attempts=7 {field}outcome=folded\n");
        assert_eq!(String::from_utf8(line).unwrap(), expected);
    }
    let dropped = String::from_utf8(dropped_line(
        LogFormat::Json,
        time,
        LineTotals { lines: 2, attempts: 9 },
    ))
    .unwrap();
    let expected = ",\"lines\":2,\"attempts\":9,\"outcome\":\"dropped\"}\n";
    assert!(dropped.ends_with(expected), "{dropped}");
}

#[test]
fn the_time_is_formatted_again_for_every_millisecond() {
    let mut timestamps = TimestampCache::default();
    for (nanosecond, expected) in [(0, ".000Z"), (999_999, ".000Z"), (1_000_000, ".001Z")] {
        let time = Timestamp::new(7, nanosecond).unwrap();
        assert!(timestamps.format(time).ends_with(&format!("00:00:07{expected}")), "{nanosecond}");
    }
}

#[test]
fn the_report_reads_what_the_log_says() {
    use crate::report::{
        AnswerKind, Line, LineFormat, LostLines, Protocol as Spoken, Source, TimestampParser, scan,
    };
    let read = |line: &str, check: &dyn Fn(Line<'_>)| {
        let mut timestamps = TimestampParser::new(jiff::tz::TimeZone::UTC, 0);
        let mut bytes = line.as_bytes();
        scan(&mut bytes, LineFormat::Listener, &mut timestamps, |read, _| match read {
            Ok(line) => check(line),
            Err(fault) => panic!("{fault:?}: {line}"),
        })
        .unwrap();
    };
    let every: Vec<u8> = (0..=255).collect();
    for format in [LogFormat::Logfmt, LogFormat::Json] {
        for piece in every.chunks(8) {
            let client = client(piece);
            let mut attempt = attempt(&client);
            for (outcome, told, answer) in [
                (Outcome::Told, Told::Yes, AnswerKind::NoticeSent),
                (Outcome::Closed, Told::No, AnswerKind::Closed),
                (Outcome::Reset, Told::No, AnswerKind::Broken),
                (Outcome::Reset, Told::Unknown, AnswerKind::Unknown),
                (Outcome::Reset, Told::Yes, AnswerKind::NoticeSent),
                (Outcome::Idle, Told::Yes, AnswerKind::NoticeSent),
                (Outcome::Idle, Told::No, AnswerKind::Broken),
                (Outcome::Shed, Told::No, AnswerKind::Broken),
                (Outcome::Limit, Told::No, AnswerKind::Broken),
                (Outcome::Shutdown, Told::No, AnswerKind::Broken),
            ] {
                (attempt.outcome, attempt.told) = (outcome, told);
                let text = line(&attempt, format, Timestamp::UNIX_EPOCH);
                read(&text, &|line| {
                    let Line::Attempt(knock) = line else { panic!("{text}") };
                    assert_eq!(
                        (knock.source, knock.answer),
                        (Source::Address([192, 0, 2, 1].into()), answer)
                    );
                    assert_eq!((knock.port, knock.protocol), (Some(6379), Some(Spoken::Resp)));
                    let escaped = piece.iter().map(|byte| match byte {
                        b'"' | b'\\' => format!("\\{}", char::from(*byte)),
                        b' '..=b'~' => char::from(*byte).to_string(),
                        byte => format!("\\x{byte:02x}"),
                    });
                    assert_eq!(knock.library.unwrap().name, escaped.collect::<String>());
                });
            }
        }
        let mut folded = Vec::new();
        let source = FoldedSource::Network("2001:db8::".parse().unwrap());
        let network = Folded { source, name: None, is_probe: true, attempts: 7 };
        write_folded(format, "1970-01-01T00:00:00.000Z", &network, &mut folded);
        read(&String::from_utf8(folded).unwrap(), &|line| {
            let Line::Attempt(knock) = line else { panic!("{line:?}") };
            assert_eq!((knock.attempts, knock.answer, knock.port), (7, AnswerKind::Folded, None));
            assert_eq!(knock.source, Source::Network("2001:db8::".parse().unwrap()));
            assert!(knock.is_probe);
        });
        let dropped =
            dropped_line(format, Timestamp::UNIX_EPOCH, LineTotals { lines: 2, attempts: 9 });
        read(&String::from_utf8(dropped).unwrap(), &|line| {
            assert_eq!(line, Line::Lost { at: 0, lost: LostLines { lines: 2, attempts: 9 } });
        });
    }
}

#[test]
fn the_report_reads_the_name_of_every_local_client() {
    use crate::report::{Line, LineFormat, TimestampParser, scan};
    let client = client(b"redis-py");
    let long = |byte| -> Box<[u8]> { vec![byte; 4096].into() };
    for format in [LogFormat::Logfmt, LogFormat::Json] {
        for name in [
            Name::Unit((*b"billing.service").into()),
            Name::Unit((*br"a\x2db.mount").into()),
            Name::Unit(long(b'\\')),
            Name::Container((*b"0123456789ab").into()),
            Name::Path((*b"/").into()),
            Name::Path([&b"/"[..], &long(0xff)].concat().into()),
            Name::Path([&b"/"[..], &long(b'a')].concat().into()),
            Name::Id(u64::MAX),
            Name::Unknown,
        ] {
            let local =
                LocalClient { name: Rc::new(name), uid: Some(7), cgroup: None, is_own: false };
            let attempt = Attempt { local: Some(&local), ..attempt(&client) };
            let mut text = line(&attempt, format, Timestamp::UNIX_EPOCH).into_bytes();
            let (source, attempts) = (FoldedSource::Address(attempt.peer.ip()), 7);
            let folded = Folded { source, name: Some(local.name), is_probe: true, attempts };
            write_folded(format, "1970-01-01T00:00:00.000Z", &folded, &mut text);
            let text = String::from_utf8(text).unwrap();
            assert_eq!(text.lines().count(), 2);
            for line in text.lines() {
                let mut timestamps = TimestampParser::new(jiff::tz::TimeZone::UTC, 0);
                let mut bytes = line.as_bytes();
                scan(&mut bytes, LineFormat::Listener, &mut timestamps, |read, _| {
                    let Ok(Line::Attempt(knock)) = read else { panic!("{read:?}: {line}") };
                    assert!(knock.source.local_client().is_some(), "{line}");
                })
                .unwrap();
            }
        }
    }
}
