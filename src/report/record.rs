//! One log line as plain data: who tried to connect to which port, when, and how that was answered.

use super::source::Source;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::net::IpAddr;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type UnixMillis = i64;

/// How an attempt was answered. A client is told when its own call is answered with the notice: a reply to a
/// library's set-up commands does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerKind {
    /// The client was told, however the connection ended. In lines of version 0.1: the listener sent the
    /// notice and the client closed.
    NoticeSent,
    /// The listener sent the notice, and the client reset the connection before it acknowledged it: nobody
    /// knows whether it arrived. Never in lines of version 0.1.
    Unknown,
    /// The client closed before it was told: it sent nothing but a library's set-up, or got a TLS alert.
    Closed,
    /// The connection broke off before the client was told.
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
    pub const ALL: [AnswerKind; 7] = [
        AnswerKind::NoticeSent,
        AnswerKind::Unknown,
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
            AnswerKind::Unknown => "unknown",
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
            AnswerKind::NoticeSent => "got the notice",
            AnswerKind::Unknown => "was sent the notice, then reset: arrival unknown",
            AnswerKind::Closed => "closed before it was told",
            AnswerKind::Broken => "broke off before it was told",
            AnswerKind::Folded => "reached the listener too often to be listed",
            AnswerKind::Dropped => "dropped by the kernel",
            AnswerKind::Reset => "reset by the kernel",
        }
    }

    /// Whether the client reached the listener, by the listener's log.
    pub fn is_listener(self) -> bool {
        !matches!(self, AnswerKind::Dropped | AnswerKind::Reset)
    }
}

/// The protocol that the client used with the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// The client sent nothing.
    None,
    /// The Redis protocol.
    Resp,
    /// Redis commands as plain lines.
    Inline,
    /// HTTP/1.
    Http,
    /// TLS in which no other protocol was recognised.
    Tls,
    /// The header of a proxy, and nothing after it.
    Proxy,
    /// HTTP/2.
    Http2,
    /// SSH.
    Ssh,
    /// The bus between the nodes of a Redis Cluster.
    ClusterBus,
    /// MQTT.
    Mqtt,
    /// AMQP.
    Amqp,
    /// PostgreSQL.
    Postgresql,
    /// MySQL.
    Mysql,
    /// MongoDB.
    Mongodb,
    /// The client sent bytes that the listener did not recognise.
    Unknown,
}

impl Protocol {
    /// Every protocol, in the order in which reports list them.
    pub const ALL: [Protocol; 15] = [
        Protocol::None,
        Protocol::Resp,
        Protocol::Inline,
        Protocol::Http,
        Protocol::Tls,
        Protocol::Proxy,
        Protocol::Http2,
        Protocol::Ssh,
        Protocol::ClusterBus,
        Protocol::Mqtt,
        Protocol::Amqp,
        Protocol::Postgresql,
        Protocol::Mysql,
        Protocol::Mongodb,
        Protocol::Unknown,
    ];

    /// Its name in the listener's log.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::None => "none",
            Protocol::Resp => "resp",
            Protocol::Inline => "inline",
            Protocol::Http => "http",
            Protocol::Tls => "tls",
            Protocol::Proxy => "proxy",
            Protocol::Http2 => "http2",
            Protocol::Ssh => "ssh",
            Protocol::ClusterBus => "cluster-bus",
            Protocol::Mqtt => "mqtt",
            Protocol::Amqp => "amqp",
            Protocol::Postgresql => "postgresql",
            Protocol::Mysql => "mysql",
            Protocol::Mongodb => "mongodb",
            Protocol::Unknown => "unknown",
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

/// What else the listener learned about a client. The client chose all of it but `uid`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientDetails<'a> {
    /// Its name for the connection (`CLIENT SETNAME`): printable ASCII, everything else escaped as `\xNN`.
    pub name: Option<Cow<'a, str>>,
    /// The first command that the notice answered, in upper case; `other` for one that is not known.
    pub refused: Option<&'a str>,
    /// The client's address by a PROXY header, which anybody can forge.
    pub stated_peer: Option<IpAddr>,
    /// The user id of a client on this host.
    pub uid: Option<u32>,
}

impl ClientDetails<'_> {
    /// Whether the line has none of them.
    pub fn is_empty(&self) -> bool {
        let Self { name, refused, stated_peer, uid } = self;
        name.is_none() && refused.is_none() && stated_peer.is_none() && uid.is_none()
    }
}

/// The connection attempts of one source that one line records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt<'a> {
    /// When it happened; for a line that counts several attempts, when the line was written.
    pub at: UnixMillis,
    /// The client.
    pub source: Source<'a>,
    /// Whether it came from a network in `[probe] from`. Probes are counted apart.
    pub is_probe: bool,
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
    /// What else the listener learned about the client.
    pub details: ClientDetails<'a>,
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
    /// Connection attempts whose line does not say when they were: it has no time, only the time since boot, or a
    /// date of which the log does not tell the year. Their `at` is 0.
    Undated(Attempt<'a>),
    /// The listener's own count of lines that it could not write.
    Lost {
        /// When the count was written.
        at: UnixMillis,
        /// The count.
        lost: LostLines,
    },
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
    /// Its timestamp lies in the future.
    Future,
    /// It holds what the kernel logs for redisguard's rules, and does not tell who wrote it.
    Unattributed,
}

impl SkipReason {
    /// Its name in JSON, and for people.
    pub fn name(self) -> &'static str {
        match self {
            SkipReason::Foreign => "foreign",
            SkipReason::Torn => "torn",
            SkipReason::Malformed => "malformed",
            SkipReason::Misdated => "misdated",
            SkipReason::Future => "future",
            SkipReason::Unattributed => "unattributed",
        }
    }
}

/// A line that is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Why.
    pub reason: SkipReason,
    /// When it was written, where it says so.
    pub at: Option<UnixMillis>,
    /// Whether it holds what the kernel logs for redisguard's rules, and another author is not named.
    pub is_kernel: bool,
}

impl Skipped {
    /// One of the kernel's lines, which does not say when it was written.
    pub(super) fn of_kernel(reason: SkipReason) -> Skipped {
        Skipped { reason, at: None, is_kernel: true }
    }
}

impl From<SkipReason> for Skipped {
    fn from(reason: SkipReason) -> Skipped {
        Skipped { reason, at: None, is_kernel: false }
    }
}
