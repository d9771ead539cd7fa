//! What one connection tells about its client: the part of a log line that comes from received bytes.
//!
//! Never: a key, a value, a user or a password (see [`Command`] for what is kept of a command).

use std::net::SocketAddr;

use super::command::{Command, Framing, LIB_NAME, LIB_VER};
use super::known_commands::CommandName;

/// What a connection turned out to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Protocol {
    /// No byte came.
    #[default]
    None,
    /// RESP arrays.
    Resp,
    /// Inline commands: lines of words.
    Inline,
    /// HTTP/1.
    Http,
    /// HTTP/2 without TLS.
    Http2,
    /// TLS.
    Tls,
    /// A PROXY header, and nothing behind it.
    Proxy,
    /// SSH.
    Ssh,
    /// The bus of a Redis cluster.
    ClusterBus,
    /// MQTT.
    Mqtt,
    /// AMQP.
    Amqp,
    /// PostgreSQL.
    PostgreSql,
    /// MySQL.
    MySql,
    /// MongoDB.
    MongoDb,
    /// Bytes came, and they are none of these, or too few.
    Unknown,
}

impl Protocol {
    /// Its name in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::None => "none",
            Protocol::Resp => "resp",
            Protocol::Inline => "inline",
            Protocol::Http => "http",
            Protocol::Http2 => "http2",
            Protocol::Tls => "tls",
            Protocol::Proxy => "proxy",
            Protocol::Ssh => "ssh",
            Protocol::ClusterBus => "cluster-bus",
            Protocol::Mqtt => "mqtt",
            Protocol::Amqp => "amqp",
            Protocol::PostgreSql => "postgresql",
            Protocol::MySql => "mysql",
            Protocol::MongoDb => "mongodb",
            Protocol::Unknown => "unknown",
        }
    }
}

/// What became of TLS on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsOutcome {
    /// The handshake is not complete.
    Unfinished,
    /// TLS 1.2 was negotiated.
    Version12,
    /// TLS 1.3 was negotiated.
    Version13,
    /// The client refused the listener's certificate.
    Untrusted,
    /// Client and listener have no version or cipher in common.
    Incompatible,
    /// The client sent something that is not TLS or violates it.
    Broken,
}

/// What the log says about a client, apart from its address and the times.
#[derive(Debug, Default)]
pub struct ClientInfo {
    /// What the first bytes were.
    pub protocol: Protocol,
    /// The first command's name.
    pub command: Option<CommandName>,
    /// The name of the first command that got the notice as its reply.
    pub refused: Option<CommandName>,
    /// What became of TLS; `None` if the client asked for none, or the listener has no certificate.
    pub tls: Option<TlsOutcome>,
    /// What the client or a proxy stated, if anything.
    pub stated: Option<Box<StatedInfo>>,
}

/// What a client said about itself, or a proxy about it: texts cut to a few bytes, not escaped, and
/// nothing of it verified.
#[derive(Debug, Default)]
pub struct StatedInfo {
    /// The library's name: `CLIENT SETINFO LIB-NAME`.
    pub library: Option<Box<[u8]>>,
    /// The library's version: `CLIENT SETINFO LIB-VER`.
    pub library_version: Option<Box<[u8]>>,
    /// The client's own name: `CLIENT SETNAME`, or `HELLO` with `SETNAME`.
    pub name: Option<Box<[u8]>>,
    /// The client's address in the latest PROXY header.
    pub peer: Option<SocketAddr>,
}

impl ClientInfo {
    /// What was stated, empty where nothing was.
    pub fn stated(&self) -> &StatedInfo {
        static NOTHING: StatedInfo =
            StatedInfo { library: None, library_version: None, name: None, peer: None };
        self.stated.as_deref().unwrap_or(&NOTHING)
    }

    /// The bytes held on the heap.
    pub fn retained_bytes(&self) -> usize {
        let StatedInfo { library, library_version, name, .. } = self.stated();
        let texts = [library, library_version, name].into_iter().flatten();
        texts.map(|text| text.len()).sum()
    }

    /// Records the protocol of the first bytes behind a PROXY header, if there was one.
    pub fn record_protocol(&mut self, protocol: Protocol) {
        if matches!(self.protocol, Protocol::None | Protocol::Proxy) {
            self.protocol = protocol;
        }
    }

    /// Records a whole command.
    pub fn record_command(&mut self, command: &Command) {
        if self.command.is_none() {
            self.protocol = match command.framing() {
                Framing::Array => Protocol::Resp,
                Framing::Inline => Protocol::Inline,
            };
        }
        self.record_partial_command(command);
    }

    /// Records a command that may be cut off; its first byte has said the protocol.
    pub fn record_partial_command(&mut self, command: &Command) {
        self.command.get_or_insert_with(|| command.name_for_log());
        if let Some(value) = command.library(LIB_NAME) {
            self.stated.get_or_insert_default().library = Some(value.into());
        } else if let Some(value) = command.library(LIB_VER) {
            self.stated.get_or_insert_default().library_version = Some(value.into());
        } else if let Some(value) = command.client_name() {
            self.stated.get_or_insert_default().name = Some(value.into());
        }
    }

    /// Records that `command` gets the notice as its reply; the first one counts.
    pub fn record_refusal(&mut self, command: &Command) {
        self.refused.get_or_insert_with(|| command.name_for_log());
    }

    /// Records the client's address in a PROXY header.
    pub fn record_proxy_header(&mut self, peer: Option<SocketAddr>) {
        self.record_protocol(Protocol::Proxy);
        if peer.is_some() {
            self.stated.get_or_insert_default().peer = peer;
        }
    }

    /// Records what became of TLS. If nothing was received inside of it, TLS is what was spoken.
    pub fn record_tls(&mut self, outcome: TlsOutcome) {
        self.tls = Some(outcome);
        self.record_protocol(Protocol::Tls);
    }
}
