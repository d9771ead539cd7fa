//! One log line as plain data: who tried to connect to which port, when, and how that was answered.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type UnixMillis = i64;

/// Where connection attempts come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// One address.
    Address(IpAddr),
    /// Several addresses of one IPv6 /64, given by its first.
    Network(Ipv6Addr),
    /// Several sources that the listener counted together.
    Others,
}

impl Source {
    /// The address, where the source is exactly one.
    pub fn address(self) -> Option<IpAddr> {
        match self {
            Source::Address(address) => Some(address),
            Source::Network(_) | Source::Others => None,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Address(address) => write!(formatter, "{address}"),
            Source::Network(first) => write!(formatter, "{first}/64"),
            Source::Others => formatter.write_str("others"),
        }
    }
}

/// How an attempt was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerKind {
    /// The listener sent the notice.
    NoticeSent,
    /// The listener answered a library's set-up commands; the client closed before the notice was due.
    Closed,
    /// The listener accepted the connection, which then broke off.
    Broken,
    /// The listener counted the attempt with others instead of writing a line for it.
    Folded,
    /// The kernel dropped the packet; it logs only a few lines a minute.
    Dropped,
    /// The kernel reset the connection; it logs only a few lines a minute.
    Reset,
}

impl AnswerKind {
    /// Every kind, in the order in which reports list them.
    pub const ALL: [AnswerKind; 6] = [
        AnswerKind::NoticeSent,
        AnswerKind::Closed,
        AnswerKind::Broken,
        AnswerKind::Folded,
        AnswerKind::Dropped,
        AnswerKind::Reset,
    ];

    /// Its name in JSON, CSV and filters.
    pub fn name(self) -> &'static str {
        match self {
            AnswerKind::NoticeSent => "told",
            AnswerKind::Closed => "closed",
            AnswerKind::Broken => "broken",
            AnswerKind::Folded => "folded",
            AnswerKind::Dropped => "dropped",
            AnswerKind::Reset => "reset",
        }
    }

    /// What happened to the client, for people.
    pub fn meaning(self) -> &'static str {
        match self {
            AnswerKind::NoticeSent => "was sent the notice",
            AnswerKind::Closed => "sent nothing but a library's set-up",
            AnswerKind::Broken => "reached the listener and broke off",
            AnswerKind::Folded => "reached the listener too often to be listed",
            AnswerKind::Dropped => "dropped by the kernel",
            AnswerKind::Reset => "reset by the kernel",
        }
    }
}

/// The protocol that the client used with the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// The client sent nothing.
    None,
    /// The Redis protocol.
    Resp,
    /// Redis commands as plain lines.
    Inline,
    /// HTTP.
    Http,
    /// TLS in which no other protocol was recognised.
    Tls,
}

impl Protocol {
    /// Every protocol, in the order in which reports list them.
    pub const ALL: [Protocol; 5] =
        [Protocol::None, Protocol::Resp, Protocol::Inline, Protocol::Http, Protocol::Tls];

    /// Its name in the listener's log.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::None => "none",
            Protocol::Resp => "resp",
            Protocol::Inline => "inline",
            Protocol::Http => "http",
            Protocol::Tls => "tls",
        }
    }
}

/// A client library, as it named itself: printable ASCII, everything else escaped as `\xNN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Its version; empty where it gave none.
    pub version: Cow<'a, str>,
}

/// The connection attempts of one source that one line records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt<'a> {
    /// When it happened; for a line that counts several attempts, when the line was written.
    pub at: UnixMillis,
    /// The client.
    pub source: Source,
    /// The reserved port that the client asked for, where the line names one.
    pub port: Option<u16>,
    /// How it was answered.
    pub answer: AnswerKind,
    /// How many attempts; 1 unless the line counts several.
    pub attempts: u64,
    /// The protocol, where the listener saw the attempt.
    pub protocol: Option<Protocol>,
    /// The client library, where the client named one.
    pub library: Option<Library<'a>>,
}

/// Log lines that the listener could not write, and the attempts that they would have recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LostLines {
    /// The number of lines.
    pub lines: u64,
    /// The number of attempts; no other number includes them.
    pub attempts: u64,
}

/// A parsed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Connection attempts.
    Attempt(Attempt<'a>),
    /// The listener's own count of lines that it could not write.
    Lost {
        /// When the count was written.
        at: UnixMillis,
        /// The count.
        lost: LostLines,
    },
}

impl Line<'_> {
    /// The line's timestamp.
    pub fn at(&self) -> UnixMillis {
        match self {
            Line::Attempt(attempt) => attempt.at,
            Line::Lost { at, .. } => *at,
        }
    }
}

/// Why a line is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// Another program wrote it.
    Foreign,
    /// It begins like one of redisguard's lines and has no end.
    Torn,
    /// It looks like one of redisguard's lines and contains something that redisguard never writes.
    Malformed,
    /// It has no timestamp, or an impossible one.
    Misdated,
}
