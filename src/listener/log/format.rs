//! The format of log lines, as logfmt and as JSON.
//!
//! Never: lets a received byte end a line, forge a field or reach a terminal unescaped, or writes a
//! line of more than [`MAX_LOG_LINE_BYTES`].

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;

use super::line_batch::LineTotals;
use crate::listener::local_clients::{LocalClient, Name};
use crate::listener::protocol::client_info::{ClientInfo, TlsOutcome};
use crate::listener::protocol::known_commands::CommandName;
use crate::listener::settings::LogFormat;
use crate::listener_contract::{MAX_CLIENT_NAME_BYTES, MAX_LOCAL_CLIENT_BYTES, MAX_LOG_LINE_BYTES};

/// How a connection ended: the field `outcome`, the last one of its line. In a line that stands for
/// several connections that field is `folded` (over the limit of one source) or `dropped` (could not
/// be written).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The client ended it in good order, and was told.
    Told,
    /// The client ended it in good order, and was not told.
    Closed,
    /// The connection broke.
    Reset,
    /// The listener closed it after the idle time.
    Idle,
    /// The listener closed it to admit another one.
    Shed,
    /// The listener closed it at the limit of one connection's time or bytes.
    Limit,
    /// The listener stopped.
    Shutdown,
}

impl Outcome {
    /// All, in the order of their discriminants.
    pub const ALL: [Outcome; 7] = [
        Outcome::Told,
        Outcome::Closed,
        Outcome::Reset,
        Outcome::Idle,
        Outcome::Shed,
        Outcome::Limit,
        Outcome::Shutdown,
    ];

    /// The value in the log and in metrics.
    pub fn as_str(self) -> &'static str {
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

/// Whether the client's own call, and not only a library's set-up, was answered by the notice, and the
/// answer arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The peer has acknowledged the notice, or has sent something or its end after it.
    Yes,
    /// The notice was not sent, answered only set-up, or never arrived.
    No,
    /// The notice was sent, and a reset came before anything that says that it arrived.
    Unknown,
}

impl Told {
    /// The value in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Told::Yes => "true",
            Told::No => "false",
            Told::Unknown => "unknown",
        }
    }
}

/// One connection that has ended: what its log line says.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// The client's address.
    pub peer: SocketAddr,
    /// The reserved port that it connected to.
    pub port: u16,
    /// Whether a firewall rule redirected it to the notice port.
    pub redirected: bool,
    /// Which client of this host it was, if it was one.
    pub local: Option<&'a LocalClient>,
    /// Whether it came from a network that probes.
    pub is_probe: bool,
    /// What it sent, as far as it is logged.
    pub client: &'a ClientInfo,
    /// Replies sent in full.
    pub replies: u64,
    /// Whether the client's own call was answered by the notice.
    pub told: Told,
    /// How long it lasted.
    pub duration: Duration,
    /// How it ended.
    pub outcome: Outcome,
}

/// Attempts that were folded into one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded {
    /// Whose they were.
    pub source: FoldedSource,
    /// What the client of this host is called, if it was one.
    pub name: Option<Rc<Name>>,
    /// Whether they came from a network that probes.
    pub is_probe: bool,
    /// How many.
    pub attempts: u64,
}

/// The source of attempts that were folded into one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoldedSource {
    /// One address.
    Address(IpAddr),
    /// Several addresses of one IPv6 /64, given as the network's address.
    Network(IpAddr),
    /// Sources beyond the number that are limited one by one.
    Others,
}

impl Attempt<'_> {
    /// Whether redisguard itself asked whether the listener answers.
    pub fn is_own_question(&self) -> bool {
        self.local.is_some_and(|local| local.is_redisguard(self.client))
    }

    /// Appends the line of a connection that ended at `time`.
    pub fn write(&self, format: LogFormat, time: &str, out: &mut Vec<u8>) {
        let mut line = Line::begin(format, time, out);
        line.address("peer", self.peer.ip());
        line.number("peer-port", u64::from(self.peer.port()));
        line.number("port", u64::from(self.port));
        line.number("family", if self.peer.is_ipv4() { 4 } else { 6 });
        line.word("via", if self.redirected { "redirected" } else { "local" });
        line.word("protocol", self.client.protocol.as_str());
        if let Some(outcome) = self.client.tls {
            line.word("tls", tls(outcome));
        }
        line.word("command", self.client.command.map_or("none", CommandName::as_str));
        let stated = self.client.stated();
        line.stated("library", stated.library.as_deref());
        line.stated("library-version", stated.library_version.as_deref());
        line.number("replies", self.replies);
        line.number("duration-ms", u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX));
        if let Some(command) = self.client.refused {
            line.word("refused", command.as_str());
        }
        line.stated("client-name", stated.name.as_deref());
        if let Some(peer) = stated.peer {
            line.text("stated-peer", peer.to_string().as_bytes(), MAX_CLIENT_NAME_BYTES);
        }
        if let Some(LocalClient { name, uid, .. }) = self.local {
            line.name(name);
            if let Some(uid) = uid {
                line.number("uid", u64::from(*uid));
            }
        }
        line.probe(self.is_probe);
        line.word("told", self.told.as_str());
        line.word("outcome", self.outcome.as_str());
        line.end();
    }
}

/// `time` in RFC 3339, in UTC, to the millisecond.
fn rfc3339(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// Formats the time of lines, once for all lines of one millisecond.
#[derive(Debug, Default)]
pub(super) struct TimestampCache {
    millisecond: i64,
    text: String,
}

impl TimestampCache {
    /// `time` as [`rfc3339`] has it.
    pub(super) fn format(&mut self, time: Timestamp) -> &str {
        let millisecond = time.as_millisecond();
        if self.text.is_empty() || self.millisecond != millisecond {
            *self = TimestampCache { millisecond, text: rfc3339(time) };
        }
        &self.text
    }
}

/// Appends the line that stands for several connections of one source.
pub(super) fn write_folded(format: LogFormat, time: &str, folded: &Folded, out: &mut Vec<u8>) {
    let mut line = Line::begin(format, time, out);
    let peer = match folded.source {
        FoldedSource::Address(address) => address.to_string(),
        FoldedSource::Network(address) => format!("{address}/64"),
        FoldedSource::Others => "others".to_owned(),
    };
    line.word("peer", &peer);
    line.number("attempts", folded.attempts);
    if let Some(name) = &folded.name {
        line.name(name);
    }
    line.probe(folded.is_probe);
    line.word("outcome", "folded");
    line.end();
}

/// The line that stands for lines that could not be written.
pub(super) fn dropped_line(format: LogFormat, time: Timestamp, totals: LineTotals) -> Vec<u8> {
    let mut out = Vec::new();
    let mut line = Line::begin(format, &rfc3339(time), &mut out);
    line.number("lines", totals.lines);
    line.number("attempts", totals.attempts);
    line.word("outcome", "dropped");
    line.end();
    out
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

/// A line under construction, at the end of `out`.
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

    /// An address, which needs no escapes.
    fn address(&mut self, key: &str, address: IpAddr) {
        self.key(key);
        self.quote();
        let _ = write!(self.out, "{address}");
        self.quote();
    }

    /// What a client states, if it does.
    fn stated(&mut self, key: &str, value: Option<&[u8]>) {
        if let Some(value) = value {
            self.text(key, value, MAX_CLIENT_NAME_BYTES);
        }
    }

    /// The mark of a probe; what is none has no such field.
    fn probe(&mut self, is_probe: bool) {
        if is_probe {
            self.word("probe", "true");
        }
    }

    /// What a client of this host is called.
    fn name(&mut self, name: &Name) {
        match name {
            Name::Unit(unit) => self.text("unit", unit, MAX_LOCAL_CLIENT_BYTES),
            Name::Container(id) => self.text("container", id, MAX_LOCAL_CLIENT_BYTES),
            Name::Path(path) => self.text("cgroup", path, MAX_LOCAL_CLIENT_BYTES),
            Name::Id(id) => {
                self.text("cgroup", format!("#{id}").as_bytes(), MAX_LOCAL_CLIENT_BYTES)
            }
            Name::Unknown => self.word("cgroup", "unknown"),
        }
    }

    /// One of the listener's own values, which need no escapes.
    fn word(&mut self, key: &str, value: &str) {
        debug_assert!(value.bytes().all(is_plain), "{value}");
        self.key(key);
        self.quote();
        self.out.extend_from_slice(value.as_bytes());
        self.quote();
    }

    /// A quote around a text, in JSON only.
    fn quote(&mut self) {
        if self.format == LogFormat::Json {
            self.out.push(b'"');
        }
    }

    /// A received value, escaped, and cut to `max_bytes` after that.
    fn text(&mut self, key: &str, value: &[u8], max_bytes: usize) {
        self.key(key);
        let plain = !value.is_empty() && value.iter().all(|byte| is_plain(*byte));
        let quoted = self.format == LogFormat::Json || !plain;
        if quoted {
            self.out.push(b'"');
        }
        if plain {
            self.out.extend_from_slice(&value[..value.len().min(max_bytes)]);
        } else {
            self.escaped_up_to(value, max_bytes);
        }
        if quoted {
            self.out.push(b'"');
        }
    }

    fn escaped_up_to(&mut self, value: &[u8], max_bytes: usize) {
        let end = self.out.len() + max_bytes;
        for byte in value {
            let before = self.out.len();
            self.escaped(*byte);
            if self.out.len() > end {
                self.out.truncate(before);
                break;
            }
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
        debug_assert!(length <= MAX_LOG_LINE_BYTES, "{length}");
    }
}

/// Bytes that need no quotes in logfmt.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._:/@+-".contains(&byte)
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
