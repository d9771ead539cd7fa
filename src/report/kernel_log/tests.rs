//! Answers, families, and packets that cannot be counted. tests/unit/kernel_log_forms.rs has the forms of lines.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::report::record::AnswerKind;
use jiff::tz::TimeZone;

const LOGGED: &str = "Nov 27 05:45:00 web kernel: redisguard drop: IN=eth0 OUT= MAC=02:42:ac:11:00:02:02:42:ac:11:00:01:08:00 \
     SRC=198.51.100.7 DST=203.0.113.1 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=1 DF PROTO=TCP SPT=50000 DPT=6379 \
     WINDOW=64240 RES=0x00 SYN URGP=0 ";
const MODIFIED: i64 = 1_795_758_300_000;

fn read(text: &str) -> Result<Attempt<'static>, SkipReason> {
    let mut timestamps = TimestampParser::new(TimeZone::UTC, MODIFIED);
    let parsed = KernelLog::default().take(text.as_bytes(), &mut timestamps).unwrap();
    parsed.map(|logged| logged.attempt).map_err(|skipped| skipped.reason)
}

#[test]
fn the_prefix_gives_the_answer_and_both_families_are_parsed() {
    let text = LOGGED
        .replace(" drop: ", " reject: ")
        .replace("198.51.100.7", "2001:0db8:0000:0000:0000:0000:0000:0007");
    let attempt = read(&text).unwrap();
    let expected = ("2001:db8::7".to_owned(), AnswerKind::Reset, Some(6379));
    assert_eq!((attempt.source.to_string(), attempt.answer, attempt.port), expected);
}

#[test]
fn probes_have_a_prefix_of_their_own() {
    for (prefix, expected) in [
        ("drop", (false, AnswerKind::Dropped)),
        ("reject", (false, AnswerKind::Reset)),
        ("probe drop", (true, AnswerKind::Dropped)),
        ("probe reject", (true, AnswerKind::Reset)),
    ] {
        let attempt = read(&LOGGED.replace(" drop: ", &format!(" {prefix}: "))).unwrap();
        assert_eq!((attempt.is_probe, attempt.answer), expected, "{prefix}");
    }
}

#[test]
fn text_that_only_names_the_prefix_is_foreign() {
    for text in [
        LOGGED.replace("redisguard drop", "x redisguard drop"),
        LOGGED.replace("redisguard drop", "redisguard allow"),
        LOGGED.replace("redisguard drop", "redisguard probe allow"),
        LOGGED.replace("redisguard drop", "redisguard probe"),
        LOGGED.replace("redisguard", "redisguards"),
        LOGGED.replace("IN=eth0", "what is IN=eth0"),
        "Nov 27 05:45:00 web sshd[1]: Accepted publickey".to_owned(),
    ] {
        assert_eq!(read(&text), Err(SkipReason::Foreign), "{text}");
    }
}

#[test]
fn impossible_fields_are_malformed_and_cut_lines_are_torn() {
    for (from, to) in [
        ("198.51.100.7", "198.51.100.700"),
        ("198.51.100.7", "198.51.100.7 SRC=198.51.100.8"),
        ("DPT=6379", "DPT=63790000"),
        ("DPT=6379", "DPT=0"),
        ("PROTO=TCP", "PROTO=UDP"),
    ] {
        let text = LOGGED.replace(from, to);
        assert_eq!(read(&text), Err(SkipReason::Malformed), "{text}");
    }
    let end = LOGGED.find(" WINDOW").unwrap();
    for length in LOGGED.find("IN=").unwrap()..=end {
        let reason = read(&LOGGED[..length]).unwrap_err();
        let text = &LOGGED[..length];
        assert!(matches!(reason, SkipReason::Torn | SkipReason::Malformed), "{text}");
    }
}

#[test]
fn the_same_message_has_the_same_fingerprint_in_every_form() {
    let mut timestamps = TimestampParser::new(TimeZone::UTC, MODIFIED);
    let fingerprint = |text: &str, timestamps: &mut _| {
        let parsed = KernelLog::default().take(text.as_bytes(), timestamps).unwrap();
        parsed.unwrap().fingerprint
    };
    let other =
        LOGGED.replace("Nov 27 05:45:00 web kernel: ", "2026-11-27T05:45:01Z web kernel: [ 12.3] ");
    let first = fingerprint(LOGGED, &mut timestamps);
    assert_eq!(first, fingerprint(other.trim_end(), &mut timestamps));
    assert_ne!(first, fingerprint(&LOGGED.replace("ID=1", "ID=2"), &mut timestamps));
}
