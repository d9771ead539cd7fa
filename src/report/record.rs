//! Owns what one line of a log tells: who knocked where, when, and how that was answered. Plain data.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// Milliseconds since 1970 in UTC.
pub type Moment = i64;

/// Who knocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// One address.
    Address(IpAddr),
    /// Several addresses of one IPv6 /64, given by its first.
    Network(Ipv6Addr),
    /// Several that the log did not tell apart.
    Others,
}

impl Source {
    /// Its one address, where there is one.
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
pub enum Answer {
    /// The listener sent the sentence.
    Told,
    /// The listener answered a library's set-up, and the sentence was never due.
    Closed,
    /// The listener was reached, and the connection ended otherwise than in order.
    Broken,
    /// The listener was reached, and has counted this instead of writing a line of it.
    Folded,
    /// The kernel dropped it.
    Dropped,
    /// The kernel reset it.
    Reset,
}

impl Answer {
    /// Every answer, in the order in which they are told.
    pub const ALL: [Answer; 6] = [
        Answer::Told,
        Answer::Closed,
        Answer::Broken,
        Answer::Folded,
        Answer::Dropped,
        Answer::Reset,
    ];

    /// How it is named in JSON, CSV and filters.
    pub fn name(self) -> &'static str {
        match self {
            Answer::Told => "told",
            Answer::Closed => "closed",
            Answer::Broken => "broken",
            Answer::Folded => "folded",
            Answer::Dropped => "dropped",
            Answer::Reset => "reset",
        }
    }

    /// What that means, for people.
    pub fn meaning(self) -> &'static str {
        match self {
            Answer::Told => "was sent the notice",
            Answer::Closed => "sent nothing but a library's set-up",
            Answer::Broken => "reached the listener and broke off",
            Answer::Folded => "reached the listener too often to be listed",
            Answer::Dropped => "dropped by the kernel",
            Answer::Reset => "reset by the kernel",
        }
    }
}

/// What was spoken with the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Nothing.
    None,
    /// The Redis protocol.
    Resp,
    /// Redis commands as plain lines.
    Inline,
    /// HTTP.
    Http,
    /// TLS that came to nothing else.
    Tls,
}

impl Protocol {
    /// Every protocol, in the order in which they are told.
    pub const ALL: [Protocol; 5] =
        [Protocol::None, Protocol::Resp, Protocol::Inline, Protocol::Http, Protocol::Tls];

    /// How the log names it.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::None => "none",
            Protocol::Resp => "resp",
            Protocol::Inline => "inline",
            Protocol::Http => "http",
            Protocol::Tls => "tls",
        }
    }

    /// The one of that name.
    pub(super) fn named(name: &[u8]) -> Option<Protocol> {
        Protocol::ALL.into_iter().find(|protocol| protocol.name().as_bytes() == name)
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

/// Attempts of one source that one line tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knock<'a> {
    /// When; of a line that counts several, when it was written.
    pub at: Moment,
    /// Who.
    pub source: Source,
    /// The reserved port that was asked for, where the line says so.
    pub port: Option<u16>,
    /// How it was answered.
    pub answer: Answer,
    /// How many; one unless the line counts several.
    pub attempts: u64,
    /// What was spoken, with the listener.
    pub protocol: Option<Protocol>,
    /// What the client calls its library, where it did.
    pub library: Option<Library<'a>>,
}

/// What a line of a log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Attempts.
    Knock(Knock<'a>),
    /// The listener could not write lines, and counted them.
    Lost {
        /// When the count was written.
        at: Moment,
        /// How many lines.
        lines: u64,
        /// For how many attempts.
        attempts: u64,
    },
}

/// Why a line is not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is no line of ours.
    Foreign,
    /// It begins as one of ours and has no end.
    Torn,
    /// It claims to be ours, and holds what ours never do.
    Malformed,
    /// It has no time, or one that cannot be.
    Misdated,
}
