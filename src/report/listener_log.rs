//! Parses the lines of the listener's log, as logfmt and as JSON.
//!
//! Never: trusts a line. Addresses and numbers are parsed; texts must be what the listener can write.

use super::record::{
    AnswerKind, Attempt, Library, Line, LostLines, Protocol, SkipReason, Source, UnixMillis,
};
use super::timestamp::TimestampParser;
use serde::Deserialize;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::IpAddr;

/// The longest line in bytes, without its line end: the listener writes none longer.
const MAX_LINE: usize = crate::listener_contract::MAX_LOG_LINE_BYTES - 1;

/// A line's fields, before its `outcome` tells which kind of line it is.
#[derive(Default)]
struct Fields<'a> {
    peer: Option<&'a [u8]>,
    port: Option<u16>,
    protocol: Option<Protocol>,
    library: Option<Cow<'a, str>>,
    version: Option<Cow<'a, str>>,
    lines: Option<u64>,
    attempts: Option<u64>,
    outcome: Option<&'a [u8]>,
}

/// Parses one line, without its line end.
///
/// # Errors
/// Why the line is skipped.
pub fn parse<'a>(line: &'a [u8], timestamps: &mut TimestampParser) -> Result<Line<'a>, SkipReason> {
    if line.starts_with(b"time=") {
        logfmt(line, timestamps)
    } else if line.starts_with(b"{\"time\":") {
        json(line, timestamps)
    } else {
        Err(SkipReason::Foreign)
    }
}

/// Bytes that the listener writes without quotes in logfmt. A table, because every byte of every log is
/// looked up here.
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte: u8 = 0;
    while byte < 128 {
        plain[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(byte, b'.' | b'_' | b':' | b'/' | b'@' | b'+' | b'-');
        byte += 1;
    }
    plain
};

fn logfmt<'a>(line: &'a [u8], timestamps: &mut TimestampParser) -> Result<Line<'a>, SkipReason> {
    if line.len() > MAX_LINE {
        return Err(SkipReason::Malformed);
    }
    let mut fields = Fields::default();
    let (mut time, mut rest) = (None, line);
    loop {
        let end = rest.iter().position(|byte| *byte == b'=').ok_or(SkipReason::Torn)?;
        let (key, value) = (&rest[..end], &rest[end + 1..]);
        let (value, after) = match value.strip_prefix(b"\"") {
            Some(text) => quoted(text)?,
            None => {
                let plain = value.iter().take_while(|byte| PLAIN[usize::from(**byte)]).count();
                value.split_at(plain)
            }
        };
        let is_duplicate = match key {
            b"time" => time.replace(value).is_some(),
            b"peer" => fields.peer.replace(value).is_some(),
            b"port" => fields.port.replace(number(value)?).is_some(),
            b"protocol" => fields.protocol.replace(protocol(value)?).is_some(),
            b"library" => fields.library.replace(text(value)?).is_some(),
            b"library-version" => fields.version.replace(text(value)?).is_some(),
            b"lines" => fields.lines.replace(number(value)?).is_some(),
            b"attempts" => fields.attempts.replace(number(value)?).is_some(),
            b"outcome" => fields.outcome.replace(value).is_some(),
            // A field that is not counted, or that a later version has added.
            _ if is_key(key) => false,
            _ => true,
        };
        match after.split_first() {
            _ if is_duplicate => return Err(SkipReason::Malformed),
            None => break,
            Some((b' ', after)) if fields.outcome.is_none() => rest = after,
            Some(_) => return Err(SkipReason::Malformed),
        }
    }
    let outcome = fields.outcome.ok_or(SkipReason::Torn)?;
    let at = timestamp(time.unwrap_or_default(), timestamps)?;
    record(fields, outcome, at)
}

fn is_key(key: &[u8]) -> bool {
    !key.is_empty() && key.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'-')
}

/// Splits a quoted text from what follows its closing quote. The text may hold printable ASCII and the
/// listener's three escapes.
fn quoted(text: &[u8]) -> Result<(&[u8], &[u8]), SkipReason> {
    let mut end = 0;
    loop {
        end += match text.get(end..).unwrap_or_default() {
            [b'"', ..] => return Ok((&text[..end], &text[end + 1..])),
            [b'\\', b'"' | b'\\', ..] => 2,
            [b'\\', b'x', high, low, ..] if is_hex(*high) && is_hex(*low) => 4,
            [] | [b'\\'] | [b'\\', b'x'] | [b'\\', b'x', _] => return Err(SkipReason::Torn),
            [b'\\', ..] => return Err(SkipReason::Malformed),
            [b' '..=b'~', ..] => 1,
            _ => return Err(SkipReason::Malformed),
        };
    }
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn text(value: &[u8]) -> Result<Cow<'_, str>, SkipReason> {
    std::str::from_utf8(value).map(Cow::Borrowed).map_err(|_| SkipReason::Malformed)
}

fn number<T: std::str::FromStr>(value: &[u8]) -> Result<T, SkipReason> {
    let digits = value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| digits);
    text.and_then(|text| text.parse().ok()).ok_or(SkipReason::Malformed)
}

fn protocol(value: &[u8]) -> Result<Protocol, SkipReason> {
    Protocol::by_name(value).ok_or(SkipReason::Malformed)
}

/// A line as JSON. Fields that a later version adds are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Object<'a> {
    #[serde(borrow)]
    time: &'a str,
    peer: Option<&'a str>,
    port: Option<u16>,
    protocol: Option<&'a str>,
    #[serde(borrow)]
    library: Option<Cow<'a, str>>,
    #[serde(borrow)]
    library_version: Option<Cow<'a, str>>,
    lines: Option<u64>,
    attempts: Option<u64>,
    outcome: &'a str,
}

fn json<'a>(line: &'a [u8], timestamps: &mut TimestampParser) -> Result<Line<'a>, SkipReason> {
    if line.last() != Some(&b'}') {
        return Err(SkipReason::Torn);
    }
    let is_raw = line.len() > MAX_LINE || !line.iter().all(|byte| (b' '..=b'~').contains(byte));
    let object: Object<'a> = serde_json::from_slice(line).map_err(|_| SkipReason::Malformed)?;
    if is_raw {
        return Err(SkipReason::Malformed);
    }
    let at = timestamp(object.time.as_bytes(), timestamps)?;
    let fields = Fields {
        peer: object.peer.map(str::as_bytes),
        port: object.port,
        protocol: object.protocol.map(|name| protocol(name.as_bytes())).transpose()?,
        library: object.library.map(escaped).transpose()?,
        version: object.library_version.map(escaped).transpose()?,
        lines: object.lines,
        attempts: object.attempts,
        outcome: None,
    };
    record(fields, object.outcome.as_bytes(), at)
}

/// A JSON text in logfmt's escapes, so that both formats name a library alike. A character U+0000 to
/// U+00FF stands for one byte.
fn escaped(text: Cow<'_, str>) -> Result<Cow<'_, str>, SkipReason> {
    let plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        return Ok(text);
    }
    let mut escaped = String::new();
    for character in text.chars() {
        let byte = u8::try_from(character).map_err(|_| SkipReason::Malformed)?;
        let _ = match byte {
            b'"' | b'\\' => write!(escaped, "\\{character}"),
            b' '..=b'~' => write!(escaped, "{character}"),
            _ => write!(escaped, "\\x{byte:02x}"),
        };
    }
    Ok(Cow::Owned(escaped))
}

fn timestamp(time: &[u8], timestamps: &mut TimestampParser) -> Result<UnixMillis, SkipReason> {
    match timestamps.rfc3339(time) {
        Some((at, [])) => Ok(at),
        _ => Err(SkipReason::Misdated),
    }
}

/// The record that a line's fields make together.
fn record<'a>(fields: Fields<'a>, outcome: &[u8], at: UnixMillis) -> Result<Line<'a>, SkipReason> {
    let answer = match outcome {
        b"told" => AnswerKind::NoticeSent,
        b"closed" => AnswerKind::Closed,
        b"reset" | b"idle" | b"shed" | b"limit" | b"shutdown" => AnswerKind::Broken,
        b"folded" => AnswerKind::Folded,
        b"dropped" => {
            let lost = fields.lines.zip(fields.attempts).ok_or(SkipReason::Malformed)?;
            let lost = LostLines { lines: lost.0, attempts: lost.1 };
            return Ok(Line::Lost { at, lost });
        }
        _ => return Err(SkipReason::Malformed),
    };
    let source = source(fields.peer.ok_or(SkipReason::Malformed)?)?;
    // A connection's line names its address and port; a count may be for several of both.
    let is_connection = matches!(source, Source::Address(_)) && fields.port.is_some();
    let attempts = match answer {
        AnswerKind::Folded => fields.attempts,
        _ => is_connection.then_some(1),
    };
    let attempts = attempts.filter(|_| fields.port != Some(0)).ok_or(SkipReason::Malformed)?;
    let version = fields.version.unwrap_or_default();
    let library = fields.library.map(|name| Library { name, version });
    let Fields { port, protocol, .. } = fields;
    Ok(Line::Attempt(Attempt { at, source, port, answer, attempts, protocol, library }))
}

fn source(peer: &[u8]) -> Result<Source, SkipReason> {
    if peer == b"others" {
        return Ok(Source::Others);
    }
    let (address, is_network) = match peer.strip_suffix(b"/64") {
        Some(address) => (address, true),
        None => (peer, false),
    };
    let text = std::str::from_utf8(address).map_err(|_| SkipReason::Malformed)?;
    match (text.parse().map_err(|_| SkipReason::Malformed)?, is_network) {
        (IpAddr::V6(address), true) => Ok(Source::Network(address)),
        (address, false) => Ok(Source::Address(address)),
        (IpAddr::V4(_), true) => Err(SkipReason::Malformed),
    }
}

#[cfg(test)]
#[path = "listener_log_tests.rs"]
mod tests;
