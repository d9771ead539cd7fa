//! Owns reading a line of the listener's log, as logfmt and as JSON. Trusts nothing in it: addresses
//! and numbers are parsed, texts are held to what the listener can have written.

use super::record::{Answer, Fault, Knock, Library, Line, Moment, Protocol, Source};
use super::timestamp::Calendar;
use serde::Deserialize;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::IpAddr;

/// The most bytes of a line without its end; the listener writes none longer.
const LONGEST: usize = crate::listener_contract::MAX_LOG_LINE_BYTES - 1;

/// What a line says, before it is known which kind of line it is.
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

/// Reads one line, without its end.
///
/// # Errors
/// Why it cannot be counted.
pub fn line<'a>(line: &'a [u8], calendar: &mut Calendar) -> Result<Line<'a>, Fault> {
    if line.starts_with(b"time=") {
        logfmt(line, calendar)
    } else if line.starts_with(b"{\"time\":") {
        json(line, calendar)
    } else {
        Err(Fault::Foreign)
    }
}

/// Bytes that need no quotes in logfmt.
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

fn logfmt<'a>(line: &'a [u8], calendar: &mut Calendar) -> Result<Line<'a>, Fault> {
    if line.len() > LONGEST {
        return Err(Fault::Malformed);
    }
    let mut fields = Fields::default();
    let (mut time, mut rest) = (None, line);
    loop {
        let end = rest.iter().position(|byte| *byte == b'=').ok_or(Fault::Torn)?;
        let (key, value) = (&rest[..end], &rest[end + 1..]);
        let (value, after) = match value.strip_prefix(b"\"") {
            Some(text) => quoted(text)?,
            None => {
                let plain = value.iter().take_while(|byte| PLAIN[usize::from(**byte)]).count();
                value.split_at(plain)
            }
        };
        let twice = match key {
            b"time" => time.replace(value).is_some(),
            b"peer" => fields.peer.replace(value).is_some(),
            b"port" => fields.port.replace(number(value)?).is_some(),
            b"protocol" => fields.protocol.replace(protocol(value)?).is_some(),
            b"library" => fields.library.replace(text(value)?).is_some(),
            b"library-version" => fields.version.replace(text(value)?).is_some(),
            b"lines" => fields.lines.replace(number(value)?).is_some(),
            b"attempts" => fields.attempts.replace(number(value)?).is_some(),
            b"outcome" => fields.outcome.replace(value).is_some(),
            // What this version does not count, or a later one has added.
            _ if is_key(key) => false,
            _ => true,
        };
        match after.split_first() {
            _ if twice => return Err(Fault::Malformed),
            None => break,
            Some((b' ', after)) if fields.outcome.is_none() => rest = after,
            Some(_) => return Err(Fault::Malformed),
        }
    }
    let outcome = fields.outcome.ok_or(Fault::Torn)?;
    let at = moment(time.unwrap_or_default(), calendar)?;
    understood(fields, outcome, at)
}

fn is_key(key: &[u8]) -> bool {
    !key.is_empty() && key.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'-')
}

/// A text up to its closing quote, and what follows. It holds printable ASCII and the listener's
/// three escapes.
fn quoted(text: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let mut place = 0;
    loop {
        place += match text.get(place..).unwrap_or_default() {
            [b'"', ..] => return Ok((&text[..place], &text[place + 1..])),
            [b'\\', b'"' | b'\\', ..] => 2,
            [b'\\', b'x', high, low, ..] if is_hex(*high) && is_hex(*low) => 4,
            [] | [b'\\'] | [b'\\', b'x'] | [b'\\', b'x', _] => return Err(Fault::Torn),
            [b'\\', ..] => return Err(Fault::Malformed),
            [b' '..=b'~', ..] => 1,
            _ => return Err(Fault::Malformed),
        };
    }
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn text(value: &[u8]) -> Result<Cow<'_, str>, Fault> {
    std::str::from_utf8(value).map(Cow::Borrowed).map_err(|_| Fault::Malformed)
}

fn number<T: std::str::FromStr>(value: &[u8]) -> Result<T, Fault> {
    let digits = value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| digits);
    text.and_then(|text| text.parse().ok()).ok_or(Fault::Malformed)
}

fn protocol(value: &[u8]) -> Result<Protocol, Fault> {
    Protocol::named(value).ok_or(Fault::Malformed)
}

/// A line as JSON. What a later version adds is passed over.
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

fn json<'a>(line: &'a [u8], calendar: &mut Calendar) -> Result<Line<'a>, Fault> {
    if line.last() != Some(&b'}') {
        return Err(Fault::Torn);
    }
    let raw = line.len() > LONGEST || !line.iter().all(|byte| (b' '..=b'~').contains(byte));
    let object: Object<'a> = serde_json::from_slice(line).map_err(|_| Fault::Malformed)?;
    if raw {
        return Err(Fault::Malformed);
    }
    let at = moment(object.time.as_bytes(), calendar)?;
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
    understood(fields, object.outcome.as_bytes(), at)
}

/// A text of JSON as logfmt has it between its quotes: a character there is a byte here.
fn escaped(text: Cow<'_, str>) -> Result<Cow<'_, str>, Fault> {
    let plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        return Ok(text);
    }
    let mut escaped = String::new();
    for character in text.chars() {
        let byte = u8::try_from(character).map_err(|_| Fault::Malformed)?;
        let _ = match byte {
            b'"' | b'\\' => write!(escaped, "\\{character}"),
            b' '..=b'~' => write!(escaped, "{character}"),
            _ => write!(escaped, "\\x{byte:02x}"),
        };
    }
    Ok(Cow::Owned(escaped))
}

fn moment(time: &[u8], calendar: &mut Calendar) -> Result<Moment, Fault> {
    match calendar.rfc3339(time) {
        Some((at, [])) => Ok(at),
        _ => Err(Fault::Misdated),
    }
}

fn understood<'a>(fields: Fields<'a>, outcome: &[u8], at: Moment) -> Result<Line<'a>, Fault> {
    let answer = match outcome {
        b"told" => Answer::Told,
        b"closed" => Answer::Closed,
        b"reset" | b"idle" | b"shed" | b"limit" | b"shutdown" => Answer::Broken,
        b"folded" => Answer::Folded,
        b"dropped" => {
            let (lines, attempts) = fields.lines.zip(fields.attempts).ok_or(Fault::Malformed)?;
            return Ok(Line::Lost { at, lines, attempts });
        }
        _ => return Err(Fault::Malformed),
    };
    let source = source(fields.peer.ok_or(Fault::Malformed)?)?;
    let folded = answer == Answer::Folded;
    let one = matches!(source, Source::Address(_));
    // A line of its own is of one address and has a port; a count has neither of need.
    let fits = if folded { fields.attempts.is_some() } else { one && fields.port.is_some() };
    if !fits || fields.port == Some(0) {
        return Err(Fault::Malformed);
    }
    let version = fields.version.unwrap_or_default();
    let library = fields.library.map(|name| Library { name, version });
    let attempts = if folded { fields.attempts.unwrap_or_default() } else { 1 };
    let Fields { port, protocol, .. } = fields;
    Ok(Line::Knock(Knock { at, source, port, answer, attempts, protocol, library }))
}

fn source(peer: &[u8]) -> Result<Source, Fault> {
    if peer == b"others" {
        return Ok(Source::Others);
    }
    let (address, network) = match peer.strip_suffix(b"/64") {
        Some(address) => (address, true),
        None => (peer, false),
    };
    let text = std::str::from_utf8(address).map_err(|_| Fault::Malformed)?;
    match (text.parse().map_err(|_| Fault::Malformed)?, network) {
        (IpAddr::V6(address), true) => Ok(Source::Network(address)),
        (address, false) => Ok(Source::Address(address)),
        (IpAddr::V4(_), true) => Err(Fault::Malformed),
    }
}

#[cfg(test)]
#[path = "listener_log_tests.rs"]
mod tests;
