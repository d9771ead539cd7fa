//! Whether a connection speaks TLS, by its first two bytes.

/// The type of a TLS record that begins a handshake (RFC 8446, section 5.1). An inline command may begin
/// with this byte, so that the next one decides.
pub const HANDSHAKE: u8 = 0x16;
/// The first byte of the version in a record: 3.x for all versions from SSL 3 to TLS 1.3.
const MAJOR_VERSION: u8 = 0x03;

/// What a connection's first bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detected {
    /// A TLS record.
    Tls,
    /// Something else.
    Plain,
    /// Not known yet: one more byte is needed.
    NeedsMore,
}

/// Judges a connection by all bytes that came so far.
pub fn detect(first: &[u8]) -> Detected {
    match first {
        [] | [HANDSHAKE] => Detected::NeedsMore,
        [HANDSHAKE, MAJOR_VERSION, ..] => Detected::Tls,
        _ => Detected::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_bytes_tell_tls_from_anything_else() {
        assert_eq!(detect(b""), Detected::NeedsMore);
        assert_eq!(detect(b"\x16"), Detected::NeedsMore);
        assert_eq!(detect(b"\x16\x03\x01"), Detected::Tls);
        for plain in [&b"\x16PING"[..], b"*1\r\n", b"\x15\x03", b"\x80\x2e\x01\x03"] {
            assert_eq!(detect(plain), Detected::Plain, "{plain:?}");
        }
    }
}
