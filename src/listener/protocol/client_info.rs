//! What one connection tells about its client: the part of a log line that comes from received bytes.
//!
//! Never: a key, a value, a user or a password (see [`Command`] for what is kept of a command).

use super::command::{Command, Framing, LIB_NAME, LIB_VER};
use super::known_commands::CommandName;

/// What a connection turned out to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// Not known: too few bytes came.
    #[default]
    None,
    /// RESP arrays.
    Resp,
    /// Inline commands: lines of words.
    Inline,
    /// HTTP/1.
    Http,
    /// TLS.
    Tls,
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
    /// The client's library, if it named itself.
    pub library: Option<Box<ClientLibrary>>,
    /// What became of TLS; `None` if the client asked for none, or the listener has no certificate.
    pub tls: Option<TlsOutcome>,
}

/// What `CLIENT SETINFO` said about the client's library: cut to a few bytes, not escaped.
#[derive(Debug, Default)]
pub struct ClientLibrary {
    /// `LIB-NAME`.
    pub name: Option<Box<[u8]>>,
    /// `LIB-VER`.
    pub version: Option<Box<[u8]>>,
}

impl ClientInfo {
    /// The library's name, not escaped.
    pub fn library_name(&self) -> Option<&[u8]> {
        self.library.as_ref()?.name.as_deref()
    }

    /// The library's version, not escaped.
    pub fn library_version(&self) -> Option<&[u8]> {
        self.library.as_ref()?.version.as_deref()
    }

    /// The bytes held on the heap.
    pub fn retained_bytes(&self) -> usize {
        let texts = [self.library_name(), self.library_version()];
        texts.into_iter().flatten().map(<[u8]>::len).sum()
    }

    /// Records a command, whole or cut off.
    pub fn record_command(&mut self, command: &Command) {
        if self.command.is_none() {
            self.command = Some(command.name_for_log());
            self.protocol = match command.framing() {
                Framing::Array => Protocol::Resp,
                Framing::Inline => Protocol::Inline,
            };
        }
        if let Some(name) = command.library(LIB_NAME) {
            self.library.get_or_insert_default().name = Some(name.into());
        } else if let Some(version) = command.library(LIB_VER) {
            self.library.get_or_insert_default().version = Some(version.into());
        }
    }

    /// Records what became of TLS. If nothing was received inside of it, TLS is what was spoken.
    pub fn record_tls(&mut self, outcome: TlsOutcome) {
        self.tls = Some(outcome);
        if self.protocol == Protocol::None {
            self.protocol = Protocol::Tls;
        }
    }
}
