//! Owns reading a line that the kernel wrote of a packet that a rule of ours dropped or reset: as syslog
//! files have it, and as journalctl prints it. Only a line that names the kernel as its writer counts:
//! any user can have the same words logged under another name.

use super::record::{Answer, Fault, Knock, Line, Source};
use super::timestamp::Calendar;
use memchr::memmem::Finder;
use serde::Deserialize;
use std::sync::LazyLock;

/// What the rules' prefixes begin with.
const MARK: &[u8] = b"redisguard ";
/// The most bytes of a line that is looked at.
const LONGEST: usize = 4096;

static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(MARK));

/// Reads one line, without its end.
///
/// # Errors
/// Why it cannot be counted.
pub fn line<'a>(line: &'a [u8], calendar: &mut Calendar) -> Result<Line<'a>, Fault> {
    if FINDER.find(line).is_none() {
        return Err(Fault::Foreign);
    }
    if line.len() > LONGEST {
        return Err(Fault::Malformed);
    }
    if line.starts_with(b"{") {
        return json(line);
    }
    let (at, message) = match calendar.take(line) {
        Some((at, rest)) => (Ok(at), said_by_the_kernel(rest).ok_or(Fault::Foreign)?),
        None => (Err(Fault::Misdated), said_by_the_kernel(line).ok_or(Fault::Foreign)?),
    };
    let knock = packet(message)?;
    Ok(Line::Knock(Knock { at: at?, ..knock }))
}

/// What stands behind ` HOST kernel: `, or ` kernel: ` where the host is left out, without the time since
/// the boot (`[ 1234.567890] `).
fn said_by_the_kernel(line: &[u8]) -> Option<&[u8]> {
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

/// An entry of the journal (`journalctl -o json`); its fields are texts.
#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(rename = "MESSAGE", borrow)]
    message: std::borrow::Cow<'a, str>,
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    written: &'a str,
    #[serde(rename = "_TRANSPORT")]
    transport: Option<&'a str>,
}

fn json(line: &[u8]) -> Result<Line<'_>, Fault> {
    if line.last() != Some(&b'}') {
        return Err(Fault::Torn);
    }
    let entry: Entry<'_> = serde_json::from_slice(line).map_err(|_| Fault::Malformed)?;
    // What did not come from the kernel is whatever somebody wished.
    if entry.transport != Some("kernel") || !entry.message.as_bytes().starts_with(MARK) {
        return Err(Fault::Foreign);
    }
    let knock = packet(entry.message.as_bytes())?;
    let (source, port, answer) = (knock.source, knock.port, knock.answer);
    let microseconds: i64 = entry.written.parse().map_err(|_| Fault::Misdated)?;
    let (at, protocol, library) = (microseconds / 1000, None, None);
    Ok(Line::Knock(Knock { at, source, port, answer, attempts: 1, protocol, library }))
}

/// A message with one of our prefixes, and the packet that the kernel describes behind it.
fn packet(message: &[u8]) -> Result<Knock<'_>, Fault> {
    let said = message.strip_prefix(MARK).ok_or(Fault::Foreign)?;
    let (answer, packet) = if let Some(packet) = said.strip_prefix(b"drop: ") {
        (Answer::Dropped, packet)
    } else if let Some(packet) = said.strip_prefix(b"reject: ") {
        (Answer::Reset, packet)
    } else {
        return Err(Fault::Foreign);
    };
    let (mut source, mut protocol, mut port) = (None, None, None);
    for word in packet.split(|byte| *byte == b' ') {
        let (place, value) = match word {
            [b'S', b'R', b'C', b'=', value @ ..] => (&mut source, value),
            [b'P', b'R', b'O', b'T', b'O', b'=', value @ ..] => (&mut protocol, value),
            [b'D', b'P', b'T', b'=', value @ ..] => (&mut port, value),
            _ => continue,
        };
        if place.replace(value).is_some() {
            return Err(Fault::Malformed);
        }
    }
    let parsed = |value: Option<&[u8]>| {
        let value = value.ok_or(Fault::Torn)?;
        std::str::from_utf8(value).map(str::to_owned).map_err(|_| Fault::Malformed)
    };
    let address = parsed(source)?.parse().map_err(|_| Fault::Malformed)?;
    if protocol != Some(b"TCP") {
        return Err(if protocol.is_none() { Fault::Torn } else { Fault::Malformed });
    }
    let digits = parsed(port)?;
    let port: u16 = digits.parse().map_err(|_| Fault::Malformed)?;
    if packet.ends_with(format!("DPT={digits}").as_bytes()) {
        // Nothing follows: there may have been more digits.
        return Err(Fault::Torn);
    }
    if port == 0 {
        return Err(Fault::Malformed);
    }
    Ok(Knock {
        at: 0,
        source: Source::Address(address),
        port: Some(port),
        answer,
        attempts: 1,
        protocol: None,
        library: None,
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
    const WRITTEN: i64 = 1_795_758_300_000;

    fn read(text: &str) -> Result<(i64, String, Option<u16>, Answer), Fault> {
        match line(text.as_bytes(), &mut Calendar::new(TimeZone::UTC, WRITTEN))? {
            Line::Knock(knock) => {
                assert_eq!((knock.attempts, knock.protocol, &knock.library), (1, None, &None));
                Ok((knock.at, knock.source.to_string(), knock.port, knock.answer))
            }
            other @ Line::Lost { .. } => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_packet_is_read_from_whatever_keeps_the_kernel_s_log() {
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
            let expected = (at, "198.51.100.7".to_owned(), Some(6379), Answer::Dropped);
            assert_eq!(read(&text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn the_prefix_says_how_it_was_answered_and_either_family_is_read() {
        let text = format!("Nov 27 05:45:00 web kernel: {DROPPED}")
            .replace(" drop: ", " reject: ")
            .replace("198.51.100.7", "2001:0db8:0000:0000:0000:0000:0000:0007");
        let (_, source, _, answer) = read(&text).unwrap();
        assert_eq!((source.as_str(), answer), ("2001:db8::7", Answer::Reset));
    }

    #[test]
    fn what_the_kernel_did_not_say_is_foreign() {
        let said = format!("Nov 27 05:45:00 web kernel: {DROPPED}");
        let json = format!(
            r#"{{"__REALTIME_TIMESTAMP":"1","_TRANSPORT":"syslog","SYSLOG_IDENTIFIER":"kernel","MESSAGE":"{DROPPED}"}}"#
        );
        for text in [
            said.replace("kernel:", "kernel[1]:"),
            said.replace("kernel:", "mallory:"),
            said.replace("web kernel:", "web mallory: kernel:"),
            said.replace("redisguard drop", "x redisguard drop"),
            said.replace("redisguard drop", "redisguard allow"),
            said.replace("redisguard", "redisguards"),
            said.replace("kernel: ", "kernel: [mallory] "),
            json,
            "Nov 27 05:45:00 web sshd[1]: Accepted publickey".to_owned(),
        ] {
            assert_eq!(read(&text), Err(Fault::Foreign), "{text}");
        }
    }

    #[test]
    fn what_the_kernel_never_writes_is_malformed_and_what_lacks_its_end_torn() {
        let said = format!("Nov 27 05:45:00 web kernel: {DROPPED}");
        for (from, to) in [
            ("198.51.100.7", "198.51.100.700"),
            ("198.51.100.7", "198.51.100.7 SRC=198.51.100.8"),
            ("DPT=6379", "DPT=63790000"),
            ("DPT=6379", "DPT=0"),
            ("PROTO=TCP", "PROTO=UDP"),
        ] {
            let text = said.replace(from, to);
            assert_eq!(read(&text), Err(Fault::Malformed), "{text}");
        }
        let end = said.find(" WINDOW").unwrap();
        for length in said.find("IN=").unwrap()..=end {
            let fault = read(&said[..length]).unwrap_err();
            assert!(matches!(fault, Fault::Torn | Fault::Malformed), "{}", &said[..length]);
        }
        assert_eq!(read(&format!("kernel: {DROPPED}")), Err(Fault::Misdated));
        assert_eq!(read(&format!("Nov 31 05:45:00 web kernel: {DROPPED}")), Err(Fault::Foreign));
    }
}
