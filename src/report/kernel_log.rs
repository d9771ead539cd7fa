//! Parses the lines that the kernel logs for packets that redisguard's rules drop or reset, from syslog
//! files and from journalctl.
//!
//! Guarantees: a line counts only if the kernel is named as its author, since any user can have the
//! same text logged under another name (logger(1)).

use super::record::{AnswerKind, Attempt, ClientDetails, Line, SkipReason};
use super::source::Source;
use super::timestamp::TimestampParser;
use memchr::memmem::Finder;
use serde::Deserialize;
use std::sync::LazyLock;

/// The beginning of every log prefix in redisguard's rules.
const PREFIX: &[u8] = b"redisguard ";
/// The longest line that is parsed, in bytes: a kernel message has about 1 KiB at most (printk), and the
/// journal's JSON adds fields to it.
const MAX_LINE: usize = 4096;

static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(PREFIX));

/// Parses one line, without its line end.
///
/// # Errors
/// Why the line is skipped.
pub fn parse<'a>(line: &'a [u8], timestamps: &mut TimestampParser) -> Result<Line<'a>, SkipReason> {
    if FINDER.find(line).is_none() {
        return Err(SkipReason::Foreign);
    }
    if line.len() > MAX_LINE {
        return Err(SkipReason::Malformed);
    }
    if line.starts_with(b"{") {
        return json(line);
    }
    let (at, message) = match timestamps.split_from(line) {
        Some((at, rest)) => (Ok(at), kernel_message(rest).ok_or(SkipReason::Foreign)?),
        None => (Err(SkipReason::Misdated), kernel_message(line).ok_or(SkipReason::Foreign)?),
    };
    let attempt = packet(message)?;
    Ok(Line::Attempt(Attempt { at: at?, ..attempt }))
}

/// The text after ` HOST kernel: `, or after ` kernel: ` where the host is left out, without the time
/// since boot (`[ 1234.567890] `).
fn kernel_message(line: &[u8]) -> Option<&[u8]> {
    const KERNEL: &[u8] = b"kernel: ";
    let line = line.strip_prefix(b" ").unwrap_or(line);
    let message = line.strip_prefix(KERNEL).or_else(|| {
        let host = line.iter().position(|byte| *byte == b' ')?;
        line[host + 1..].strip_prefix(KERNEL)
    })?;
    let Some(time) = message.strip_prefix(b"[") else { return Some(message) };
    let end = time.iter().position(|byte| *byte == b']')?;
    let plain = time[..end].iter().all(|byte| byte.is_ascii_digit() || b" .".contains(byte));
    time[end + 1..].strip_prefix(b" ").filter(|_| plain)
}

/// An entry of the journal (`journalctl -o json`). All its fields are strings.
#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(rename = "MESSAGE", borrow)]
    message: std::borrow::Cow<'a, str>,
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    timestamp: &'a str,
    #[serde(rename = "_TRANSPORT")]
    transport: Option<&'a str>,
}

fn json(line: &[u8]) -> Result<Line<'_>, SkipReason> {
    if line.last() != Some(&b'}') {
        return Err(SkipReason::Torn);
    }
    let entry: Entry<'_> = serde_json::from_slice(line).map_err(|_| SkipReason::Malformed)?;
    // The journal sets `_TRANSPORT` itself; every other field may be forged (systemd.journal-fields(7)).
    if entry.transport != Some("kernel") || !entry.message.as_bytes().starts_with(PREFIX) {
        return Err(SkipReason::Foreign);
    }
    let attempt = packet(entry.message.as_bytes())?;
    let microseconds: i64 = entry.timestamp.parse().map_err(|_| SkipReason::Misdated)?;
    Ok(Line::Attempt(Attempt { at: microseconds / 1000, ..attempt }))
}

/// Parses a log prefix of redisguard's and the packet that the kernel describes after it. The
/// timestamp is left at 0.
fn packet(message: &[u8]) -> Result<Attempt<'static>, SkipReason> {
    let text = message.strip_prefix(PREFIX).map(String::from_utf8_lossy);
    let (answer, is_probe, packet) = match text.as_deref().and_then(|text| text.split_once(": ")) {
        Some(("drop", packet)) => (AnswerKind::Dropped, false, packet),
        Some(("reject", packet)) => (AnswerKind::Reset, false, packet),
        Some(("probe drop", packet)) => (AnswerKind::Dropped, true, packet),
        Some(("probe reject", packet)) => (AnswerKind::Reset, true, packet),
        _ => return Err(SkipReason::Foreign),
    };
    let (mut source, mut protocol, mut port) = (None, None, None);
    for (name, value) in packet.split(' ').filter_map(|word| word.split_once('=')) {
        let field = match name {
            "SRC" => &mut source,
            "PROTO" => &mut protocol,
            "DPT" => &mut port,
            _ => continue,
        };
        if field.replace(value).is_some() {
            return Err(SkipReason::Malformed);
        }
    }
    let source = source.ok_or(SkipReason::Torn)?;
    let source = source.parse().map(Source::Address).map_err(|_| SkipReason::Malformed)?;
    if protocol.ok_or(SkipReason::Torn)? != "TCP" {
        return Err(SkipReason::Malformed);
    }
    let digits = port.ok_or(SkipReason::Torn)?;
    let port: u16 = digits.parse().map_err(|_| SkipReason::Malformed)?;
    if packet.ends_with(&format!("DPT={digits}")) {
        // The line ends with the port: more digits may have been cut off.
        return Err(SkipReason::Torn);
    }
    if port == 0 {
        return Err(SkipReason::Malformed);
    }
    Ok(Attempt {
        at: 0,
        source,
        is_probe,
        port: Some(port),
        answer,
        attempts: 1,
        protocol: None,
        library: None,
        details: ClientDetails::default(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    const DROPPED: &str = "redisguard drop: IN=eth0 OUT= MAC=02:42:ac:11:00:02:02:42:ac:11:00:01:08:00 \
                           SRC=198.51.100.7 DST=203.0.113.1 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=1 DF \
                           PROTO=TCP SPT=50000 DPT=6379 WINDOW=64240 RES=0x00 SYN URGP=0 ";
    const MODIFIED: i64 = 1_795_758_300_000;

    fn read(text: &str) -> Result<(i64, String, Option<u16>, AnswerKind), SkipReason> {
        match parse(text.as_bytes(), &mut TimestampParser::new(TimeZone::UTC, MODIFIED))? {
            Line::Attempt(attempt) => {
                assert_eq!(
                    (attempt.attempts, attempt.protocol, &attempt.library),
                    (1, None, &None)
                );
                Ok((attempt.at, attempt.source.to_string(), attempt.port, attempt.answer))
            }
            other @ Line::Lost { .. } => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_packet_is_parsed_from_every_form_of_the_kernel_log() {
        let json = format!(
            r#"{{"__CURSOR":"x","__REALTIME_TIMESTAMP":"1795758300123456","_TRANSPORT":"kernel","PRIORITY":"5","MESSAGE":"{DROPPED}"}}"#
        );
        let forms = [
            (format!("Nov 27 05:45:00 web kernel: [ 1234.567890] {DROPPED}"), 1_795_758_300_000),
            (format!("Nov 27 05:45:00 web kernel: {DROPPED}"), 1_795_758_300_000),
            (
                format!("2026-11-27T05:45:00.123456+00:00 web kernel: [1.2] {DROPPED}"),
                1_795_758_300_123,
            ),
            (format!("2026-11-27T05:45:00+0000 web kernel: {DROPPED}"), 1_795_758_300_000),
            (format!("1795758300.123456 web kernel: {DROPPED}"), 1_795_758_300_123),
            (format!("1795758300.123456 kernel: {}", DROPPED.trim_end()), 1_795_758_300_123),
            (json, 1_795_758_300_123),
        ];
        for (text, at) in forms {
            let expected = (at, "198.51.100.7".to_owned(), Some(6379), AnswerKind::Dropped);
            assert_eq!(read(&text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn the_prefix_gives_the_answer_and_both_families_are_parsed() {
        let text = format!("Nov 27 05:45:00 web kernel: {DROPPED}")
            .replace(" drop: ", " reject: ")
            .replace("198.51.100.7", "2001:0db8:0000:0000:0000:0000:0000:0007");
        let (_, source, _, answer) = read(&text).unwrap();
        assert_eq!((source.as_str(), answer), ("2001:db8::7", AnswerKind::Reset));
    }

    #[test]
    fn probes_have_a_prefix_of_their_own() {
        let logged = format!("Nov 27 05:45:00 web kernel: {DROPPED}");
        for (prefix, wanted) in [
            ("drop", (false, AnswerKind::Dropped)),
            ("reject", (false, AnswerKind::Reset)),
            ("probe drop", (true, AnswerKind::Dropped)),
            ("probe reject", (true, AnswerKind::Reset)),
        ] {
            let text = logged.replace(" drop: ", &format!(" {prefix}: "));
            let mut timestamps = TimestampParser::new(TimeZone::UTC, MODIFIED);
            let Ok(Line::Attempt(attempt)) = parse(text.as_bytes(), &mut timestamps) else {
                panic!("{text}")
            };
            assert_eq!((attempt.is_probe, attempt.answer), wanted);
        }
    }

    #[test]
    fn a_line_that_the_kernel_did_not_write_is_foreign() {
        let logged = format!("Nov 27 05:45:00 web kernel: {DROPPED}");
        let json = format!(
            r#"{{"__REALTIME_TIMESTAMP":"1","_TRANSPORT":"syslog","SYSLOG_IDENTIFIER":"kernel","MESSAGE":"{DROPPED}"}}"#
        );
        for text in [
            logged.replace("kernel:", "kernel[1]:"),
            logged.replace("kernel:", "mallory:"),
            logged.replace("web kernel:", "web mallory: kernel:"),
            logged.replace("redisguard drop", "x redisguard drop"),
            logged.replace("redisguard drop", "redisguard allow"),
            logged.replace("redisguard drop", "redisguard probe allow"),
            logged.replace("redisguard", "redisguards"),
            logged.replace("kernel: ", "kernel: [mallory] "),
            json,
            "Nov 27 05:45:00 web sshd[1]: Accepted publickey".to_owned(),
        ] {
            assert_eq!(read(&text), Err(SkipReason::Foreign), "{text}");
        }
    }

    #[test]
    fn impossible_fields_are_malformed_and_cut_lines_are_torn() {
        let logged = format!("Nov 27 05:45:00 web kernel: {DROPPED}");
        for (from, to) in [
            ("198.51.100.7", "198.51.100.700"),
            ("198.51.100.7", "198.51.100.7 SRC=198.51.100.8"),
            ("DPT=6379", "DPT=63790000"),
            ("DPT=6379", "DPT=0"),
            ("PROTO=TCP", "PROTO=UDP"),
        ] {
            let text = logged.replace(from, to);
            assert_eq!(read(&text), Err(SkipReason::Malformed), "{text}");
        }
        let end = logged.find(" WINDOW").unwrap();
        for length in logged.find("IN=").unwrap()..=end {
            let reason = read(&logged[..length]).unwrap_err();
            assert!(
                matches!(reason, SkipReason::Torn | SkipReason::Malformed),
                "{}",
                &logged[..length]
            );
        }
        assert_eq!(read(&format!("kernel: {DROPPED}")), Err(SkipReason::Misdated));
        assert_eq!(
            read(&format!("Nov 31 05:45:00 web kernel: {DROPPED}")),
            Err(SkipReason::Foreign)
        );
    }
}
