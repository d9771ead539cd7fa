//! Owns the wording of a log line, as logfmt and as JSON. Must never let an outside byte end a
//! line, forge a field or reach a terminal raw, and never write a line beyond [`MAX_LINE_BYTES`] bytes.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use jiff::Timestamp;

use crate::listener::protocol::client_info::{ClientInfo, Protocol, TlsOutcome};
use crate::listener::protocol::known_commands::CommandName;
use crate::listener::settings::LogFormat;

/// The most bytes of a line, its end included.
pub(in crate::listener) const MAX_LINE_BYTES: usize = 512;
/// The most bytes of a library's name or version, escapes included.
const LIBRARY: usize = 64;

/// How a connection ended: the last field of its line. In a line that stands for several
/// connections that field is `folded` (too many from one source) or `dropped` (not writable).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::listener) enum Outcome {
    /// In order, and the sentence was sent.
    Told,
    /// In order, and the sentence was never due: nothing but a library's set-up.
    Closed,
    /// The connection broke.
    Reset,
    /// Closed here after the idle time.
    Idle,
    /// Closed here to make room for others.
    Shed,
    /// Closed here at the bound on the whole connection's time or bytes.
    Limit,
    /// Closed here because the listener stopped.
    Shutdown,
}

impl Outcome {
    /// Every one, in the order of their numbers.
    pub(in crate::listener) const ALL: [Outcome; 7] = [
        Outcome::Told,
        Outcome::Closed,
        Outcome::Reset,
        Outcome::Idle,
        Outcome::Shed,
        Outcome::Limit,
        Outcome::Shutdown,
    ];

    /// In one word.
    pub(in crate::listener) fn word(self) -> &'static str {
        match self {
            Outcome::Told => "told",
            Outcome::Closed => "closed",
            Outcome::Reset => "reset",
            Outcome::Idle => "idle",
            Outcome::Shed => "shed",
            Outcome::Limit => "limit",
            Outcome::Shutdown => "shutdown",
        }
    }
}

/// One connection, as the log tells it.
#[derive(Debug)]
pub(in crate::listener) struct Attempt<'a> {
    /// The client's address.
    pub(in crate::listener) peer: SocketAddr,
    /// The reserved port that it connected to.
    pub(in crate::listener) port: u16,
    /// Whether a redirect brought it here.
    pub(in crate::listener) redirected: bool,
    /// What it sent, as far as it is logged.
    pub(in crate::listener) client: &'a ClientInfo,
    /// Replies sent in full.
    pub(in crate::listener) replies: u64,
    /// Whether the notice was sent in full.
    pub(in crate::listener) notice_sent: bool,
    /// How long it lasted.
    pub(in crate::listener) duration: Duration,
    /// How it ended.
    pub(in crate::listener) outcome: Outcome,
}

/// Whose attempts were counted instead of written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::listener) enum FoldedSource {
    /// One address.
    Address(IpAddr),
    /// Several addresses of one IPv6 /64, given by its first.
    Network(IpAddr),
    /// Everybody beyond the number of sources that are told apart.
    Others,
}

impl Attempt<'_> {
    /// Appends the line of a connection that ended at `time`.
    pub(in crate::listener) fn write(&self, format: LogFormat, time: &str, out: &mut Vec<u8>) {
        let mut line = Line::begin(format, time, out);
        line.address("peer", self.peer.ip());
        line.number("peer-port", u64::from(self.peer.port()));
        line.number("port", u64::from(self.port));
        line.number("family", if self.peer.is_ipv4() { 4 } else { 6 });
        line.word("via", if self.redirected { "redirected" } else { "local" });
        line.word("protocol", protocol(self.client.protocol));
        if let Some(outcome) = self.client.tls {
            line.word("tls", tls(outcome));
        }
        line.word("command", self.client.command.map_or("none", CommandName::as_str));
        if let Some(library) = self.client.library_name() {
            line.text("library", library, LIBRARY);
        }
        if let Some(version) = self.client.library_version() {
            line.text("library-version", version, LIBRARY);
        }
        line.number("replies", self.replies);
        line.number("duration-ms", u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX));
        line.word("outcome", self.outcome.word());
        line.end();
    }
}

/// Words the time of lines: once for all lines of one millisecond.
#[derive(Debug, Default)]
pub(super) struct TimestampCache {
    millisecond: i64,
    text: String,
}

impl TimestampCache {
    /// `time` in RFC 3339, in UTC.
    pub(super) fn word(&mut self, time: Timestamp) -> &str {
        let millisecond = time.as_millisecond();
        if self.text.is_empty() || self.millisecond != millisecond {
            *self = TimestampCache { millisecond, text: format!("{time:.3}") };
        }
        &self.text
    }
}

/// Appends the line that stands for `attempts` connections of one source.
pub(super) fn write_folded(
    format: LogFormat,
    time: &str,
    source: FoldedSource,
    attempts: u64,
    out: &mut Vec<u8>,
) {
    let mut line = Line::begin(format, time, out);
    let peer = match source {
        FoldedSource::Address(address) => address.to_string(),
        FoldedSource::Network(address) => format!("{address}/64"),
        FoldedSource::Others => "others".to_owned(),
    };
    line.word("peer", &peer);
    line.number("attempts", attempts);
    line.word("outcome", "folded");
    line.end();
}

/// The line that stands for lines that could not be written.
pub(super) fn dropped_line(
    format: LogFormat,
    time: Timestamp,
    lines: u64,
    attempts: u64,
) -> Vec<u8> {
    let (mut stamp, mut out) = (TimestampCache::default(), Vec::new());
    let mut line = Line::begin(format, stamp.word(time), &mut out);
    line.number("lines", lines);
    line.number("attempts", attempts);
    line.word("outcome", "dropped");
    line.end();
    out
}

fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::None => "none",
        Protocol::Resp => "resp",
        Protocol::Inline => "inline",
        Protocol::Http => "http",
        Protocol::Tls => "tls",
    }
}

fn tls(outcome: TlsOutcome) -> &'static str {
    match outcome {
        TlsOutcome::Unfinished => "unfinished",
        TlsOutcome::Version12 => "1.2",
        TlsOutcome::Version13 => "1.3",
        TlsOutcome::Untrusted => "untrusted",
        TlsOutcome::Incompatible => "incompatible",
        TlsOutcome::Broken => "broken",
    }
}

/// A line under construction, at the end of others.
struct Line<'a> {
    format: LogFormat,
    out: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Line<'a> {
    fn begin(format: LogFormat, time: &str, out: &'a mut Vec<u8>) -> Line<'a> {
        let start = out.len();
        let mut line = Line { format, out, start };
        line.word("time", time);
        line
    }

    fn key(&mut self, key: &str) {
        let is_first = self.out.len() == self.start;
        let (before, after): (&[u8], &[u8]) = match (self.format, is_first) {
            (LogFormat::Json, true) => (b"{\"", b"\":"),
            (LogFormat::Json, false) => (b",\"", b"\":"),
            (LogFormat::Logfmt, true) => (b"", b"="),
            (LogFormat::Logfmt, false) => (b" ", b"="),
        };
        for part in [before, key.as_bytes(), after] {
            self.out.extend_from_slice(part);
        }
    }

    fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    /// An address; plain by construction.
    fn address(&mut self, key: &str, address: IpAddr) {
        self.key(key);
        self.quote();
        let _ = write!(self.out, "{address}");
        self.quote();
    }

    /// A value of our own, plain by construction.
    fn word(&mut self, key: &str, value: &str) {
        debug_assert!(value.bytes().all(is_plain), "{value}");
        self.key(key);
        self.quote();
        self.out.extend_from_slice(value.as_bytes());
        self.quote();
    }

    /// What JSON has around every text.
    fn quote(&mut self) {
        if self.format == LogFormat::Json {
            self.out.push(b'"');
        }
    }

    /// A value that may hold anything, of at most `longest` bytes once it is escaped.
    fn text(&mut self, key: &str, value: &[u8], longest: usize) {
        self.key(key);
        let plain = !value.is_empty() && value.iter().all(|byte| is_plain(*byte));
        let quoted = self.format == LogFormat::Json || !plain;
        if quoted {
            self.out.push(b'"');
        }
        let end = self.out.len() + longest;
        for byte in value {
            let before = self.out.len();
            self.escaped(*byte);
            if self.out.len() > end {
                self.out.truncate(before);
                break;
            }
        }
        if quoted {
            self.out.push(b'"');
        }
    }

    fn escaped(&mut self, byte: u8) {
        let _ = match byte {
            b'"' | b'\\' => write!(self.out, "\\{}", char::from(byte)),
            b' '..=b'~' => write!(self.out, "{}", char::from(byte)),
            _ if self.format == LogFormat::Json => write!(self.out, "\\u{byte:04x}"),
            _ => write!(self.out, "\\x{byte:02x}"),
        };
    }

    fn end(self) {
        if self.format == LogFormat::Json {
            self.out.push(b'}');
        }
        self.out.push(b'\n');
        let length = self.out.len() - self.start;
        debug_assert!(length <= MAX_LINE_BYTES, "{length}");
    }
}

/// Bytes that logfmt needs no quotes for.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._:/@+-".contains(&byte)
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
