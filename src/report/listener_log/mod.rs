//! Parses the lines of the listener's log, as logfmt and as JSON.
//!
//! Never: trusts a line. Addresses and numbers are parsed; texts must be what the listener can write.

mod fields;

use self::fields::{Fields, Told, is_hex};
use super::record::{Line, Protocol, SkipReason, UnixMillis};
use super::timestamp::TimestampParser;
use std::borrow::Cow;
use std::fmt::Write as _;

/// The longest line in bytes, without its line end: the listener writes none longer.
const MAX_LINE: usize = crate::listener_contract::MAX_LOG_LINE_BYTES - 1;

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

/// When a line was written that cannot be counted, where it says so.
pub fn time(line: &[u8], timestamps: &mut TimestampParser) -> Option<UnixMillis> {
    let text = line.strip_prefix(b"time=").or_else(|| line.strip_prefix(b"{\"time\":\""))?;
    timestamps.rfc3339(text).map(|(at, _)| at)
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
    let mut rest = line;
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
        // Only where a field is used: for every value this was 18 % of a line's instructions (callgrind).
        let text = || std::str::from_utf8(value).map_err(|_| SkipReason::Malformed);
        let is_duplicate = match key {
            b"time" => fields.time.replace(text()?).is_some(),
            b"peer" => fields.peer.replace(text()?).is_some(),
            b"port" => fields.port.replace(number(text()?)?).is_some(),
            b"protocol" => fields.protocol.replace(protocol(text()?)?).is_some(),
            b"probe" => fields.probe.replace(text()?).is_some(),
            b"told" => fields.told.replace(told(text()?)?).is_some(),
            b"refused" => fields.refused.replace(text()?).is_some(),
            b"client-name" => fields.client_name.replace(text()?.into()).is_some(),
            b"stated-peer" => fields.stated_peer.replace(text()?).is_some(),
            b"unit" => fields.unit.replace(text()?.into()).is_some(),
            b"container" => fields.container.replace(text()?.into()).is_some(),
            b"cgroup" => fields.cgroup.replace(text()?.into()).is_some(),
            b"uid" => fields.uid.replace(number(text()?)?).is_some(),
            b"library" => fields.library.replace(text()?.into()).is_some(),
            b"library-version" => fields.library_version.replace(text()?.into()).is_some(),
            b"lines" => fields.lines.replace(number(text()?)?).is_some(),
            b"attempts" => fields.attempts.replace(number(text()?)?).is_some(),
            b"outcome" => fields.outcome.replace(text()?).is_some(),
            // A field that is not counted, or that a later version has added.
            _ if is_key(key) => false,
            _ => true,
        };
        match after.split_first() {
            _ if is_duplicate => return Err(SkipReason::Malformed),
            None if fields.outcome.is_none() => return Err(SkipReason::Torn),
            None => return fields.into_line(timestamps),
            Some((b' ', after)) if fields.outcome.is_none() => rest = after,
            Some(_) => return Err(SkipReason::Malformed),
        }
    }
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

fn number<T: std::str::FromStr>(value: &str) -> Result<T, SkipReason> {
    let is_decimal = value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|_| is_decimal).ok_or(SkipReason::Malformed)
}

fn protocol(name: &str) -> Result<Protocol, SkipReason> {
    let known = Protocol::ALL.into_iter().find(|protocol| protocol.name() == name);
    known.ok_or(SkipReason::Malformed)
}

fn told(word: &str) -> Result<Told, SkipReason> {
    Told::from_word(word).ok_or(SkipReason::Malformed)
}

fn json<'a>(line: &'a [u8], timestamps: &mut TimestampParser) -> Result<Line<'a>, SkipReason> {
    if line.last() != Some(&b'}') {
        return Err(SkipReason::Torn);
    }
    if line.len() > MAX_LINE || !line.iter().all(|byte| (b' '..=b'~').contains(byte)) {
        return Err(SkipReason::Malformed);
    }
    let mut fields: Fields<'a> = serde_json::from_slice(line).map_err(|_| SkipReason::Malformed)?;
    for text in fields.received_texts() {
        *text = text.take().map(escaped).transpose()?;
    }
    fields.into_line(timestamps)
}

/// A JSON text in logfmt's escapes, so that both formats name a client alike. A character U+0000 to
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

#[cfg(test)]
mod tests;
