//! Every form in which a kernel's lines reach a file is counted or makes the report say so; a forged line never counts.

mod forms;

use self::forms::{AT, FORMS, Form};
use crate::support::cases;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use redisguard::report::{Aggregate, AnswerKind, Filter, LineFormat, TimestampParser, read_lines};

/// 2026-11-27T05:45:00Z, when the logs were last written.
const MODIFIED: i64 = 1_795_758_300_000;
const PACKET: &str = "IN=eth0 OUT= MAC=02:42:ac:11:00:02:02:42:ac:11:00:01:08:00 SRC=198.51.100.7 DST=203.0.113.1 \
                      LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=1 DF PROTO=TCP SPT=50000 DPT=6379 WINDOW=64240 RES=0x00 \
                      SYN URGP=0 ";

fn aggregate(log: &str, format: LineFormat) -> Aggregate {
    let filter = Filter { since: i64::MIN, until: i64::MAX, ports: Vec::new() };
    let mut timestamps = TimestampParser::new(TimeZone::UTC, MODIFIED);
    let mut aggregate = Aggregate::default();
    read_lines(&mut log.as_bytes(), format, &mut timestamps, &filter, &mut aggregate).unwrap();
    aggregate
}

/// The attempts, those without a time, the lines that could not be counted, and the first time in seconds.
fn counts(log: &str) -> (u64, u64, u64, Option<i64>) {
    let both = [LineFormat::Kernel, LineFormat::Detect].map(|format| {
        let aggregate = aggregate(log, format);
        let totals = aggregate.totals;
        let first = totals.is_dated().then(|| totals.first.div_euclid(1000));
        (totals.attempts(), aggregate.undated, aggregate.uncounted, first)
    });
    assert_eq!(both[0], both[1], "{log}");
    both[0]
}

/// A form's text with a message. In JSON it needs no escapes.
fn filled(form: &Form, packet: &str) -> String {
    form.1.replace('%', &format!("redisguard drop: {packet}"))
}

#[test]
fn a_packet_counts_once_in_every_form() {
    let ipv6 = PACKET.replace("TOS=0x00 PREC=0x00 TTL=64 ID=1 DF", "TC=0 HOPLIMIT=64 FLOWLBL=0");
    let bridged = PACKET.replace("OUT= ", "OUT= PHYSIN=veth1 ");
    let more = PACKET.replace("URGP=0 ", "URGP=0 OPT (020405B4) UID=1000 GID=1000 MARK=0x6379 ");
    let sixth = ipv6.replace("198.51.100.7", "2001:0db8:0000:0000:0000:0000:0000:0007");
    for packet in [PACKET, &sixth, &bridged, &more, PACKET.trim_end(), &format!("{PACKET}\t")] {
        for form in FORMS {
            // JSON has no tabs in texts.
            let is_json = form.1.contains('{');
            if packet.ends_with('\t') && is_json {
                continue;
            }
            let log = filled(form, packet);
            let expected = (1, u64::from(form.2.is_none()), 0, form.2);
            assert_eq!(counts(&log), expected, "{}: {log}", form.0);
            // A file that came by way of another system, and one that goes on.
            assert_eq!(counts(&(log.replace('\n', "\r\n") + "\r\n")).0, 1, "{} with CRLF", form.0);
            assert_eq!(counts(&(log + "\n")).0, 1, "{}", form.0);
        }
    }
}

#[test]
fn a_probe_counts_as_one_in_every_form() {
    for form in FORMS {
        for (answer, kind) in [("drop", AnswerKind::Dropped), ("reject", AnswerKind::Reset)] {
            let log = filled(form, PACKET).replace(" drop: ", &format!(" probe {answer}: "));
            assert_eq!(counts(&log), (0, 0, 0, None), "{}: {log}", form.0);
            let probes = aggregate(&log, LineFormat::Detect).probes.totals;
            let first = probes.is_dated().then(|| probes.first.div_euclid(1000));
            assert_eq!((probes.answers.of(kind), probes.attempts()), (1, 1), "{}: {log}", form.0);
            assert_eq!(first, form.2, "{}: {log}", form.0);
        }
    }
}

#[test]
fn what_holds_the_prefix_counts_or_makes_the_report_say_so() {
    for form in [
        // Nothing says who wrote it, or when.
        "%",
        "web kernel. %",
        "Nov 26 05:45:00 web 192.0.2.1 kernel: %",
        "26/Nov/2026:05:45:00 web kernel: %",
        "Nov 31 05:45:00 web kernel: %",
        "Thu 2026-11-26 05:45:00 XYZ web kernel: %",
        "2026-02-30T05:45:00Z web kernel: %",
        r#"{"message":"%"}"#,
        r#"{"_TRANSPORT":"kernel","__REALTIME_TIMESTAMP":"x","MESSAGE":"%"}"#,
        r#"{"_TRANSPORT":"kernel","MESSAGE":"%""#,
        "1970-01-01T00:00:07Z web kernel: %",
    ] {
        let (attempts, _, uncounted, _) = counts(&filled(&Form("", form, None), PACKET));
        assert_eq!((attempts, uncounted), (0, 1), "{form}");
    }
    for (from, to) in
        [("DPT=6379", "DPT=0"), ("PROTO=TCP", "PROTO=UDP"), ("SRC=198.51.100.7", "SRC=1")]
    {
        let log = filled(&FORMS[0], &PACKET.replace(from, to));
        assert_eq!((counts(&log).0, counts(&log).2), (0, 1), "{log}");
    }
}

#[test]
fn repeated_messages_count_as_often_as_they_were_logged() {
    let log = filled(
        &Form("", "Nov 26 05:45:00 web kernel: message repeated 3 times: [ [ 12.3] %]", None),
        PACKET,
    );
    assert_eq!(counts(&log), (3, 0, 0, AT));
}

/// Lines that somebody else had logged, as far as a line tells.
const FORGED: &[&str] = &[
    "Nov 26 05:45:00 web mallory: %",
    "Nov 26 05:45:00 web mallory[1]: kernel: %",
    "Nov 26 05:45:00 web kernel[4711]: %",
    "Nov 26 05:45:00 web mallory: [ 12.3] %",
    "Nov 26 05:45:00 mallory: kernel: [ 12.3] %",
    "Nov 26 05:45:00 web user.notice kernel: [ 12.3] %",
    "Nov 26 05:45:00 web local0.warn kernel: %",
    "Nov 26 05:45:00 web sudo: root : COMMAND=/usr/bin/grep %",
    "Nov 26 05:45:00 web kernel: mallory: %",
    "Nov 26 05:45:00 web kernel: [mallory] %",
    "Nov 26 05:45:00 [mallory] [ 12.3] %",
    "<13>Nov 26 05:45:00 web kernel: %",
    "<13>1 2026-11-26T05:45:00Z web kernel - - - %",
    "<4>1 2026-11-26T05:45:00Z web mallory - - - kernel: %",
    "<12>[ 12.3] %",
    "12,123,12345678,-;%",
    "user  :warn  : [   12.345678] %",
    "user.warn: Nov 26 05:45:00 web kernel: %",
    "[   12.345678] mallory[1]: %",
    "[   12.345678] web mallory: kernel: %",
    "Nov 26 05:45:00 web mallory: two lines\n                         %",
    "Nov 26 05:45:00 web mallory: two lines\n  kernel: %",
    r#"{"_TRANSPORT":"syslog","SYSLOG_IDENTIFIER":"kernel","__REALTIME_TIMESTAMP":"1795671900123456","MESSAGE":"%"}"#,
    r#"{"appname":"kernel","facility":"user","message":"%","timestamp":"2026-11-26T05:45:00Z"}"#,
    r#"{"appname":"mallory","message":"Nov 26 05:45:00 web kernel: %"}"#,
    "{\n\t\"_TRANSPORT\" : \"syslog\",\n\t\"SYSLOG_IDENTIFIER\" : \"kernel\",\n\t\"MESSAGE\" : \"%\"\n}",
    "__CURSOR=s=0\n__REALTIME_TIMESTAMP=1795671900123456\n_TRANSPORT=syslog\nMESSAGE=%\n\n",
    "Thu 2026-11-26 05:45:00.123456 UTC [s=0;i=1]\n    _TRANSPORT=syslog\n    MESSAGE=x\n            _TRANSPORT=kernel\n            %\n    A=\n      MESSAGE=%",
];

#[test]
fn forged_lines_never_count_and_are_no_reason_to_doubt_the_report() {
    for form in FORGED {
        let log = filled(&Form("", form, None), PACKET);
        assert_eq!(counts(&log), (0, 0, 0, None), "{log}");
        let probe = log.replace(" drop: ", " probe drop: ");
        assert_eq!(counts(&probe), (0, 0, 0, None), "{probe}");
        assert_eq!(aggregate(&probe, LineFormat::Detect).probes.totals.attempts(), 0, "{probe}");
    }
    // A field with line ends has its length before it: what it holds is no field.
    let inner = format!(
        "\n\n__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795671900123456\n_TRANSPORT=kernel\nMESSAGE=redisguard drop: {PACKET}\n\n"
    );
    let length: String =
        u64::try_from(inner.len()).unwrap().to_le_bytes().map(char::from).iter().collect();
    assert!(length.is_ascii() || inner.len() > 127);
    let mut log =
        b"__CURSOR=s=0\n__REALTIME_TIMESTAMP=1795671900123456\n_TRANSPORT=syslog\nMESSAGE\n"
            .to_vec();
    log.extend(u64::try_from(inner.len()).unwrap().to_le_bytes());
    log.extend(inner.as_bytes());
    log.extend(b"\n_HOSTNAME=web\n\n__CURSOR=s=2\n__REALTIME_TIMESTAMP=1795671900123456\n_TRANSPORT=kernel\n");
    log.extend(format!("MESSAGE=redisguard drop: {PACKET}\n\n").as_bytes());
    let filter = Filter { since: i64::MIN, until: i64::MAX, ports: Vec::new() };
    let mut aggregate = Aggregate::default();
    let mut timestamps = TimestampParser::new(TimeZone::UTC, MODIFIED);
    read_lines(&mut &log[..], LineFormat::Detect, &mut timestamps, &filter, &mut aggregate)
        .unwrap();
    assert_eq!(aggregate.totals.attempts(), 1);
}

/// The years that lines are dated to, `None` for an unknown one.
fn years(stamps: &[&str], modified: &str) -> Vec<Option<i16>> {
    let modified: jiff::Timestamp = modified.parse().unwrap();
    let mut timestamps = TimestampParser::new(TimeZone::UTC, modified.as_millisecond());
    let log: String = stamps
        .iter()
        .enumerate()
        .map(|(place, stamp)| {
            let packet = PACKET.replace("198.51.100.7", &format!("198.51.100.{place}"));
            format!("{stamp} web kernel: redisguard drop: {packet}\n")
        })
        .collect();
    let mut found = vec![None; stamps.len()];
    redisguard::report::scan(
        &mut log.as_bytes(),
        LineFormat::Kernel,
        &mut timestamps,
        |line, at| {
            if let Ok(redisguard::report::Line::Attempt(attempt)) = line {
                let at_time = jiff::Timestamp::from_millisecond(attempt.at).unwrap();
                found[usize::try_from(at.number).unwrap() - 1] =
                    Some(at_time.to_zoned(TimeZone::UTC).year());
            }
        },
    )
    .unwrap();
    found
}

#[test]
fn a_year_is_told_by_the_order_of_lines_or_is_unknown() {
    let this = "2026-11-27T05:45:00Z";
    for (stamps, modified, expected) in [
        (vec!["Nov 26 05:45:00", "Nov 27 05:45:00"], this, vec![Some(2026), Some(2026)]),
        // Over new year, and over two of them.
        (
            vec!["Dec 31 23:59:59", "Jan  1 00:00:00"],
            "2027-01-01T00:00:00Z",
            vec![Some(2026), Some(2027)],
        ),
        (
            vec!["Nov 30 05:45:00", "Feb  1 05:45:00", "Nov 30 05:45:00", "Mar  1 05:45:00"],
            this,
            vec![Some(2024), Some(2025), Some(2025), Some(2026)],
        ),
        // The file was last written long after its last line, and before it by a clock that was ahead.
        (vec!["Dec 30 05:45:00"], this, vec![Some(2025)]),
        (vec!["Nov 28 05:00:00"], this, vec![Some(2026)]),
        (vec!["Feb 29 01:02:03"], this, vec![Some(2024)]),
        // Lines of several programs are a little out of order.
        (vec!["Nov 27 00:00:01", "Nov 26 23:59:59", "Nov 27 00:00:02"], this, vec![Some(2026); 3]),
        (
            vec!["Dec 31 23:59:59", "Jan  1 00:00:01", "Dec 31 23:59:59", "Jan  1 00:00:02"],
            "2027-01-01T00:00:00Z",
            vec![Some(2026), Some(2027), Some(2026), Some(2027)],
        ),
        // Eleven months without a line, or a clock that was set back.
        (vec!["Nov 26 05:45:00", "Oct 30 05:45:00"], this, vec![None, Some(2026)]),
        // A boot without a clock.
        (
            vec!["Nov 26 05:45:00", "Jan  1 00:00:07", "Nov 27 05:45:00"],
            this,
            vec![Some(2026), None, Some(2026)],
        ),
    ] {
        assert_eq!(years(&stamps, modified), expected, "{stamps:?}");
    }
    // Other programs' lines tell the order, too.
    let log = filled(&FORMS[0], PACKET) + "\nJan  2 05:45:00 web cron: x\n";
    assert_eq!(counts(&log).3, Some(1_795_671_900 - 365 * 86_400));
}

proptest! {
    #![proptest_config(cases(256))]

    /// A line that is cut at either end counts as it is, or not at all.
    #[test]
    fn a_cut_line_never_counts_wrongly(form in 0..FORMS.len(), cut in 0.0..1.0, at_end in any::<bool>()) {
        let log = filled(&FORMS[form], PACKET);
        let mut place = (log.len() as f64 * cut) as usize;
        while !log.is_char_boundary(place) {
            place -= 1;
        }
        let rest = if at_end { &log[..place] } else { &log[place..] };
        let aggregate = aggregate(rest, LineFormat::Detect);
        prop_assert!(aggregate.totals.attempts() <= 1);
        for row in &aggregate.rows {
            prop_assert_eq!((row.source.to_string(), row.port), ("198.51.100.7".to_owned(), Some(6379)));
        }
    }

    /// Text before a forged message, put together from pieces of headers, never makes it the kernel's if a program
    /// is named first.
    #[test]
    fn a_named_program_is_the_author(pieces in prop::collection::vec(prop::sample::select(vec![
        "kernel: ", "kernel:", "[ 12.3] ", "web ", "kern.warn ", "<4>", "Nov 26 05:45:00 ", "kernel - - - ", "\t", "[kernel] ",
    ]), 0..6)) {
        for begin in ["Nov 26 05:45:00 web mallory: ", "<14>Nov 26 05:45:00 web ", "2026-11-26T05:45:00Z web m[1]: ", "[ 12.3] m: "] {
            let log = format!("{begin}{}redisguard drop: {PACKET}", pieces.concat());
            let aggregate = aggregate(&log, LineFormat::Detect);
            prop_assert_eq!((aggregate.totals.attempts(), aggregate.uncounted), (0, 0), "{}", log);
        }
    }
}
