//! Owns the wording of a log line, as logfmt and as JSON. Must never let an outside byte end a
//! line, forge a field or reach a terminal raw, and never write a line beyond [`LONGEST`] bytes.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use jiff::Timestamp;

use super::super::dialogue::{Heard, Protocol};
use super::super::settings::LogFormat;

/// The most bytes of a line, its end included.
pub(in super::super) const LONGEST: usize = 512;
/// The most bytes of a library's name or version, escapes included.
const LIBRARY: usize = 64;
/// The most bytes of any other text; the longest address has 45.
const TEXT: usize = 48;

/// How a connection ended: the last field of its line. In a line that stands for several
/// connections that field is `folded` (too many from one source) or `dropped` (not writable).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Outcome {
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
    fn word(self) -> &'static str {
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
pub(in super::super) struct Attempt<'a> {
    /// Who connected.
    pub(in super::super) peer: SocketAddr,
    /// The reserved port that was meant.
    pub(in super::super) port: u16,
    /// Whether a redirect brought it here.
    pub(in super::super) redirected: bool,
    /// What was spoken.
    pub(in super::super) heard: &'a Heard,
    /// Answers sent in full.
    pub(in super::super) replies: u64,
    /// How long it lasted.
    pub(in super::super) duration: Duration,
    /// How it ended.
    pub(in super::super) outcome: Outcome,
}

/// Whose attempts were counted instead of written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum FoldedSource {
    /// One address.
    Address(IpAddr),
    /// Several addresses of one IPv6 /64, given by its first.
    Network(IpAddr),
    /// Everybody beyond the number of sources that are told apart.
    Others,
}

impl Attempt<'_> {
    /// The line of a connection that ended at `time`.
    pub(in super::super) fn line(&self, format: LogFormat, time: Timestamp) -> String {
        let mut line = Line::begin(format, time);
        line.text("peer", self.peer.ip().to_string().as_bytes(), TEXT);
        line.number("peer-port", u64::from(self.peer.port()));
        line.number("port", u64::from(self.port));
        line.number("family", if self.peer.is_ipv4() { 4 } else { 6 });
        line.word("via", if self.redirected { "redirected" } else { "local" });
        line.word("protocol", protocol(self.heard.protocol));
        line.text("command", self.heard.command.unwrap_or("none").as_bytes(), TEXT);
        if let Some(library) = &self.heard.library {
            line.text("library", library, LIBRARY);
        }
        if let Some(version) = &self.heard.library_version {
            line.text("library-version", version, LIBRARY);
        }
        line.number("replies", self.replies);
        line.number("duration-ms", u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX));
        line.word("outcome", self.outcome.word());
        line.end()
    }
}

/// The line that stands for `attempts` connections of one source.
pub(super) fn folded_line(
    format: LogFormat,
    time: Timestamp,
    source: FoldedSource,
    attempts: u64,
) -> String {
    let mut line = Line::begin(format, time);
    let peer = match source {
        FoldedSource::Address(address) => address.to_string(),
        FoldedSource::Network(address) => format!("{address}/64"),
        FoldedSource::Others => "others".to_owned(),
    };
    line.text("peer", peer.as_bytes(), TEXT);
    line.number("attempts", attempts);
    line.word("outcome", "folded");
    line.end()
}

/// The line that stands for lines that could not be written.
pub(super) fn dropped_line(
    format: LogFormat,
    time: Timestamp,
    lines: u64,
    attempts: u64,
) -> String {
    let mut line = Line::begin(format, time);
    line.number("lines", lines);
    line.number("attempts", attempts);
    line.word("outcome", "dropped");
    line.end()
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

/// A line under construction.
struct Line {
    format: LogFormat,
    text: String,
}

impl Line {
    fn begin(format: LogFormat, time: Timestamp) -> Line {
        let mut line = Line { format, text: String::with_capacity(256) };
        line.word("time", &format!("{time:.3}"));
        line
    }

    fn key(&mut self, key: &str) {
        let empty = self.text.is_empty();
        let _ = match self.format {
            LogFormat::Json if empty => write!(self.text, "{{\"{key}\":"),
            LogFormat::Json => write!(self.text, ",\"{key}\":"),
            LogFormat::Logfmt if empty => write!(self.text, "{key}="),
            LogFormat::Logfmt => write!(self.text, " {key}="),
        };
    }

    fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        let _ = write!(self.text, "{value}");
    }

    /// A value of our own, plain by construction.
    fn word(&mut self, key: &str, value: &str) {
        self.text(key, value.as_bytes(), TEXT);
    }

    /// A value that may hold anything, of at most `longest` bytes once it is escaped.
    fn text(&mut self, key: &str, value: &[u8], longest: usize) {
        self.key(key);
        let plain = !value.is_empty() && value.iter().all(|byte| is_plain(*byte));
        let quoted = self.format == LogFormat::Json || !plain;
        if quoted {
            self.text.push('"');
        }
        let end = self.text.len() + longest;
        for byte in value {
            let before = self.text.len();
            self.escaped(*byte);
            if self.text.len() > end {
                self.text.truncate(before);
                break;
            }
        }
        if quoted {
            self.text.push('"');
        }
    }

    fn escaped(&mut self, byte: u8) {
        let _ = match byte {
            b'"' | b'\\' => write!(self.text, "\\{}", char::from(byte)),
            b' '..=b'~' => write!(self.text, "{}", char::from(byte)),
            _ if self.format == LogFormat::Json => write!(self.text, "\\u{byte:04x}"),
            _ => write!(self.text, "\\x{byte:02x}"),
        };
    }

    fn end(mut self) -> String {
        if self.format == LogFormat::Json {
            self.text.push('}');
        }
        self.text.push('\n');
        debug_assert!(self.text.len() <= LONGEST, "{}", self.text);
        self.text
    }
}

/// Bytes that logfmt needs no quotes for.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._:/@+-".contains(&byte)
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
