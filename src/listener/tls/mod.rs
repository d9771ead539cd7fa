//! Owns the ending of TLS: the certificate that the listener shows, and the layer between a
//! connection's sealed bytes and the plain ones that its dialogue reads. Must never do I/O on a
//! socket, keep anything of a session beyond its connection, or let a broken certificate be a
//! reason not to tell plain clients.
//!
//! No protocol is chosen for clients that offer some (ALPN, RFC 7301): who gets no answer to that
//! goes on with what it came for, HTTP/1.1 or Redis. To know only `http/1.1` would turn away, by
//! RFC 7301's own rule, whoever offers other names only.

pub(crate) mod handshake_limit;
mod identity;
mod session;

pub use self::identity::Identity;
pub(super) use self::session::{TlsOutcome, TlsSession};

/// What the first bytes of a connection say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// A record of TLS.
    Tls,
    /// Something else.
    Plain,
    /// Nothing yet: one more byte is needed.
    Undecided,
}

/// Whether a connection that begins with `first` speaks TLS: a handshake record, version 3.x
/// (RFC 8446, section 5.1).
pub(super) fn opening(first: &[u8]) -> Opening {
    match first {
        [] | [0x16] => Opening::Undecided,
        [0x16, 0x03, ..] => Opening::Tls,
        _ => Opening::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_bytes_tell_tls_from_all_else() {
        assert_eq!(opening(b""), Opening::Undecided);
        assert_eq!(opening(b"\x16"), Opening::Undecided);
        assert_eq!(opening(b"\x16\x03\x01"), Opening::Tls);
        for plain in [&b"\x16PING"[..], b"*1\r\n", b"\x15\x03", b"\x80\x2e\x01\x03"] {
            assert_eq!(opening(plain), Opening::Plain, "{plain:?}");
        }
    }
}
