//! What a connection speaks, by its first bytes: Redis commands, TLS, or another protocol that somebody
//! pointed at the port; and the PROXY headers before it, which are consumed in silence.
//!
//! Guarantees: the same result however the bytes are split.
//! Never: does I/O, or holds more than [`MAX_HELD`] bytes or one PROXY header.

mod proxy_header;

use std::net::SocketAddr;

use self::proxy_header::{Header, ProxyHeader, V1_START, V2_START};
use super::client_info::Protocol;

/// The most bytes that are needed for a decision: those of MySQL.
const MAX_HELD: usize = 32;

/// What a connection turned out to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// Redis commands or lines of text, as far as is known: the parser reads on.
    Commands,
    /// A TLS record (RFC 8446, section 5.1).
    Tls,
    /// A hello of SSL 2's form, which announces TLS (RFC 5246, appendix E.2).
    SslV2Hello,
    /// Another protocol, whose clients do not understand any reply to a command.
    Foreign(Protocol),
    /// A PROXY header that is not one of version 1 or 2.
    MalformedProxy,
}

/// What came of the bytes that were read.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// All are consumed; more are needed.
    NeedsMore,
    /// A PROXY header is complete, and states this address.
    ProxyHeader(Option<SocketAddr>),
    /// The decision. `held` are the bytes that came before this read; they are the first of the
    /// protocol's.
    Opened {
        /// What the connection speaks.
        opening: Opening,
        /// The bytes that were held back.
        held: Vec<u8>,
    },
}

/// What was held back at the end of the input.
#[derive(Debug, PartialEq, Eq)]
pub enum Unfinished {
    /// The beginning of a PROXY header.
    ProxyHeader,
    /// Bytes that several protocols begin with; none if no byte came.
    Bytes(Vec<u8>),
}

/// The first bytes of a connection, while they are not enough.
#[derive(Debug, Default)]
pub struct FirstBytes {
    /// Boxed, because almost no connection needs it.
    partial: Option<Box<Partial>>,
}

#[derive(Debug)]
enum Partial {
    /// Bytes that several protocols can begin with.
    Undecided(Vec<u8>),
    ProxyHeader(ProxyHeader),
}

impl FirstBytes {
    /// Reads from the front of `bytes`. What is left there belongs to the protocol, behind the bytes that
    /// were held back.
    pub fn read(&mut self, bytes: &mut &[u8]) -> Progress {
        let mut held = match self.partial.take().map(|partial| *partial) {
            Some(Partial::ProxyHeader(header)) => return self.read_header(header, bytes),
            Some(Partial::Undecided(held)) => held,
            None => Vec::new(),
        };
        let before = held.len();
        let more = &bytes[..bytes.len().min(MAX_HELD - before)];
        let start = match recognise_joined(&mut held, more) {
            Match::Partial => {
                held.extend_from_slice(more);
                *bytes = &[];
                self.hold(Partial::Undecided(held));
                return Progress::NeedsMore;
            }
            Match::Proxy(start) => start,
            Match::Opening(opening) => return Progress::Opened { opening, held },
        };
        *bytes = &bytes[start.len() - before..];
        self.read_header(ProxyHeader::begin(start), bytes)
    }

    fn read_header(&mut self, mut header: ProxyHeader, bytes: &mut &[u8]) -> Progress {
        match header.read(bytes) {
            Header::Partial => {
                self.hold(Partial::ProxyHeader(header));
                Progress::NeedsMore
            }
            Header::Complete(stated) => Progress::ProxyHeader(stated),
            Header::Malformed => {
                Progress::Opened { opening: Opening::MalformedProxy, held: Vec::new() }
            }
        }
    }

    fn hold(&mut self, partial: Partial) {
        self.partial = Some(Box::new(partial));
    }

    /// Ends it: no more bytes will come.
    pub fn end(&mut self) -> Unfinished {
        match self.partial.take().map(|partial| *partial) {
            Some(Partial::ProxyHeader(_)) => Unfinished::ProxyHeader,
            Some(Partial::Undecided(held)) => Unfinished::Bytes(held),
            None => Unfinished::Bytes(Vec::new()),
        }
    }
}

/// What a connection that begins with some bytes may speak.
enum Match {
    /// More bytes decide.
    Partial,
    /// A PROXY header that begins like this.
    Proxy(&'static [u8]),
    Opening(Opening),
}

/// Judges `held` and `more` together; `held` is what it was afterwards.
fn recognise_joined(held: &mut Vec<u8>, more: &[u8]) -> Match {
    if held.is_empty() {
        return recognise(more);
    }
    let before = held.len();
    held.extend_from_slice(more);
    let result = recognise(held);
    held.truncate(before);
    result
}

/// Judges the first bytes, at least one.
fn recognise(bytes: &[u8]) -> Match {
    // Almost all clients: a RESP array.
    if bytes[0] == b'*' {
        return Match::Opening(Opening::Commands);
    }
    let mut partial = false;
    for (pattern, opening) in PATTERNS {
        match pattern.compare(bytes) {
            Some(true) => return Match::Opening(*opening),
            None => partial = true,
            Some(false) => {}
        }
    }
    for start in [V1_START, V2_START] {
        match starts_with(bytes, start) {
            Some(true) => return Match::Proxy(start),
            None => partial = true,
            Some(false) => {}
        }
    }
    if partial { Match::Partial } else { Match::Opening(Opening::Commands) }
}

/// How a protocol begins.
enum Pattern {
    /// With these bytes.
    Prefix(&'static [u8]),
    /// With bytes for which this holds; `None` while more are needed.
    Rule(fn(&[u8]) -> Option<bool>),
}

impl Pattern {
    /// Whether `bytes` begin like this; `None` while more are needed.
    fn compare(&self, bytes: &[u8]) -> Option<bool> {
        match self {
            Pattern::Prefix(prefix) => starts_with(bytes, prefix),
            Pattern::Rule(rule) => rule(bytes),
        }
    }
}

static PATTERNS: &[(Pattern, Opening)] = &[
    (Pattern::Prefix(&[0x16, 0x03]), Opening::Tls),
    (Pattern::Rule(ssl_v2_hello), Opening::SslV2Hello),
    // RFC 4253, section 4.2.
    (Pattern::Prefix(b"SSH-"), Opening::Foreign(Protocol::Ssh)),
    // RFC 9113, section 3.4.
    (Pattern::Prefix(b"PRI * HTTP/2"), Opening::Foreign(Protocol::Http2)),
    // The header of the Redis cluster's bus.
    (Pattern::Prefix(b"RCmb"), Opening::Foreign(Protocol::ClusterBus)),
    // AMQP 0-9-1, section 4.2.2; AMQP 1.0, section 2.2.
    (Pattern::Prefix(b"AMQP"), Opening::Foreign(Protocol::Amqp)),
    (Pattern::Rule(mqtt), Opening::Foreign(Protocol::Mqtt)),
    (Pattern::Rule(postgresql), Opening::Foreign(Protocol::PostgreSql)),
    (Pattern::Rule(mysql), Opening::Foreign(Protocol::MySql)),
    (Pattern::Rule(mongodb), Opening::Foreign(Protocol::MongoDb)),
];

/// Whether `bytes` start with `start`; `None` if they are too few to tell.
fn starts_with(bytes: &[u8], start: &[u8]) -> Option<bool> {
    let compared = bytes.len().min(start.len());
    if bytes[..compared] != start[..compared] {
        return Some(false);
    }
    (compared == start.len()).then_some(true)
}

/// Whether the bytes from `offset` on start with one of `alternatives`; `None` if they are too few.
fn continues_with(bytes: &[u8], offset: usize, alternatives: &[&[u8]]) -> Option<bool> {
    let rest = bytes.get(offset..)?;
    let results: Vec<Option<bool>> =
        alternatives.iter().map(|alternative| starts_with(rest, alternative)).collect();
    if results.contains(&Some(true)) {
        Some(true)
    } else if results.contains(&None) {
        None
    } else {
        Some(false)
    }
}

/// Both conditions, of which the first is known earlier.
fn both(first: Option<bool>, second: impl FnOnce() -> Option<bool>) -> Option<bool> {
    if first? { second() } else { Some(false) }
}

/// A length with the high bit, message 1 (client hello), and version 2.0 or 3.x.
fn ssl_v2_hello(bytes: &[u8]) -> Option<bool> {
    if bytes[0] & 0x80 == 0 {
        return Some(false);
    }
    continues_with(bytes, 2, &[&[0x01, 0x00, 0x02], &[0x01, 0x03]])
}

/// CONNECT: type 1, a length of one to four bytes, and the protocol's name (MQTT 5, section 3.1).
fn mqtt(bytes: &[u8]) -> Option<bool> {
    both(starts_with(bytes, &[0x10]), || {
        let length = bytes[1..].iter().take(4).take_while(|byte| **byte & 0x80 != 0).count() + 1;
        if length > 4 {
            return Some(false);
        }
        continues_with(bytes, 1 + length, &[b"\0\x04MQTT", b"\0\x06MQIsdp"])
    })
}

/// A length below 64 KiB, then protocol 3, or a request for TLS, GSSAPI or a cancellation ("Message
/// Formats" in PostgreSQL's documentation).
fn postgresql(bytes: &[u8]) -> Option<bool> {
    both(starts_with(bytes, &[0, 0]), || {
        continues_with(bytes, 4, &[&[0, 3, 0], &[0x04, 0xd2, 0x16]])
    })
}

/// Two bytes of a length, which may be any but a line that somebody typed: that one is answered at once.
fn short_length(bytes: &[u8]) -> Option<bool> {
    if bytes[..bytes.len().min(2)].contains(&b'\n') {
        return Some(false);
    }
    (bytes.len() >= 2).then_some(true)
}

/// A packet below 64 KiB with sequence number 1, a client that speaks protocol 4.1, and the reserved
/// zeros ("HandshakeResponse" in MySQL's documentation).
fn mysql(bytes: &[u8]) -> Option<bool> {
    let start = both(short_length(bytes), || continues_with(bytes, 2, &[&[0, 1]]));
    both(start, || {
        let speaks_4_1 = bytes.get(5).map(|capabilities| capabilities & 0x02 != 0);
        both(speaks_4_1, || continues_with(bytes, 13, &[&[0; 19]]))
    })
}

/// A length below 64 KiB, any request, an answer to none, and the operation OP_MSG or OP_QUERY ("MongoDB
/// Wire Protocol" in MongoDB's documentation).
fn mongodb(bytes: &[u8]) -> Option<bool> {
    let start = both(short_length(bytes), || continues_with(bytes, 2, &[&[0, 0]]));
    both(start, || {
        let (message, query) = (&[0, 0, 0, 0, 0xdd, 0x07, 0, 0], &[0, 0, 0, 0, 0xd4, 0x07, 0, 0]);
        continues_with(bytes, 8, &[message, query])
    })
}

#[cfg(test)]
mod tests;
