//! TLS termination: the listener's certificate, the session between sealed and plain bytes, and how
//! many handshakes may begin.
//!
//! Guarantees: without a readable certificate plain clients still get the notice, and TLS clients an
//! alert.
//! Never: does I/O on a socket, or keeps anything of a session beyond its connection.
//!
//! No protocol is chosen for clients that offer several (ALPN, RFC 7301): a client that gets no answer to
//! its offer continues with what it came for, HTTP/1.1 or Redis. To know only `http/1.1` would
//! turn away, by RFC 7301's own rule, every client that offers only other names.

pub(super) mod handshake_limit;
mod identity;
mod session;
mod validity;

pub use self::identity::{Identity, validity_on_disk};
pub(super) use self::session::TlsSession;
pub use self::validity::Validity;
