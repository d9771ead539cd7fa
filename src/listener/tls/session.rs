//! The TLS session of one connection, sans-IO: received records in, plaintext out, and back.
//!
//! Never: does I/O, holds more than one rendered batch of replies, or grows with what a hostile client
//! sends.

use std::fmt;
use std::io::{self, BufRead, ErrorKind, IoSlice, Write};
use std::sync::Arc;

use rustls::{AlertDescription, Error, ProtocolVersion, ServerConfig, ServerConnection};

use crate::listener::protocol::client_info::TlsOutcome;
use crate::listener::protocol::encode::ACCESS_DENIED;

/// The most received bytes without any plaintext among them. It limits the handshake, key updates and
/// whatever else is no data; a full record of data (RFC 8446, section 5.2) has half as many.
const MAX_OVERHEAD_BYTES: usize = 32 * 1024;
/// Records below this size are joined into one write, so that they make one packet.
const COALESCE_BYTES: usize = 4096;

/// The session failed. Nothing more can be received or encrypted; a queued alert can still be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TlsBroken;

/// The server's side of TLS on one connection.
pub struct TlsSession {
    /// `None` once the session failed, so that it holds no memory.
    connection: Option<Box<ServerConnection>>,
    /// What a failed session still has to send.
    final_alert: Vec<u8>,
    /// Received bytes since the last plaintext.
    overhead: usize,
    outcome: TlsOutcome,
    closed: bool,
    peer_closed: bool,
}

impl TlsSession {
    /// A session that waits for the client's hello.
    pub fn new(config: &Arc<ServerConfig>) -> TlsSession {
        let connection = ServerConnection::new(Arc::clone(config)).ok().map(|mut connection| {
            // The caller limits what it encrypts; a limit here would cut a reply in two.
            connection.set_buffer_limit(None);
            Box::new(connection)
        });
        let final_alert = if connection.is_none() { ACCESS_DENIED.to_vec() } else { Vec::new() };
        TlsSession {
            connection,
            final_alert,
            overhead: 0,
            outcome: TlsOutcome::Unfinished,
            closed: false,
            peer_closed: false,
        }
    }

    /// Processes received bytes, and passes their plaintext to `plain` in pieces. Bytes after the client's
    /// close_notify are ignored.
    ///
    /// # Errors
    /// The session failed. The alert for the client is queued.
    pub fn receive(
        &mut self,
        mut received: &[u8],
        plain: &mut dyn FnMut(&[u8]),
    ) -> Result<(), TlsBroken> {
        while !received.is_empty() && !self.peer_closed {
            let connection = self.connection.as_mut().ok_or(TlsBroken)?;
            let before = received.len();
            // rustls takes a few KiB at a time, so that little of a large read is ever held.
            let taken = connection.read_tls(&mut received).map(|_| before - received.len());
            let processed = match taken {
                Ok(0) | Err(_) => Err(Error::General("more than a session may hold".into())),
                Ok(_) => connection.process_new_packets(),
            };
            self.overhead += before - received.len();
            if pass_plaintext(connection, plain) {
                self.overhead = 0;
            }
            match processed {
                Ok(state) => self.peer_closed = state.peer_has_closed(),
                Err(cause) => return Err(self.fail(&cause)),
            }
            self.note_version();
            if self.overhead > MAX_OVERHEAD_BYTES {
                return Err(self.fail(&Error::General("nothing but overhead".into())));
            }
        }
        Ok(())
    }

    /// Whether [`TlsSession::encrypt`] may be called now.
    pub fn is_ready(&self) -> bool {
        self.connection.is_some() && !self.closed && !self.is_handshaking() && !self.has_to_send()
    }

    /// Encrypts `plain` and queues it. To be called only while [`TlsSession::is_ready`], so that never
    /// more than one call's records are held.
    pub fn encrypt(&mut self, plain: &[u8]) {
        debug_assert!(self.is_ready(), "the caller has to wait");
        if let Some(connection) = &mut self.connection {
            let written = connection.writer().write_all(plain);
            debug_assert!(written.is_ok(), "the connection has no limit");
        }
    }

    /// Whether bytes are queued.
    pub fn has_to_send(&self) -> bool {
        !self.final_alert.is_empty()
            || self.connection.as_ref().is_some_and(|connection| connection.wants_write())
    }

    /// Passes queued bytes to `write` until it takes no more, and returns how many it took.
    ///
    /// # Errors
    /// Those of `write`, except `WouldBlock`.
    pub fn send(&mut self, write: &mut dyn FnMut(&[u8]) -> io::Result<usize>) -> io::Result<usize> {
        let mut sent = 0;
        while self.has_to_send() {
            let taken = match &mut self.connection {
                Some(connection) => connection.write_tls(&mut Coalesce(write)),
                None => write(&self.final_alert).inspect(|taken| {
                    self.final_alert.drain(..*taken);
                }),
            };
            match taken {
                Ok(0) => break,
                Ok(taken) => sent += taken,
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => break,
                Err(cause) => return Err(cause),
            }
        }
        Ok(sent)
    }

    /// Queues close_notify after what was encrypted; a second call changes nothing.
    pub fn close(&mut self) {
        self.closed = true;
        if let Some(connection) = &mut self.connection {
            connection.send_close_notify();
        }
    }

    /// Whether the client sent close_notify: it sends nothing more, and may still read.
    pub fn peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// Whether the handshake is under way.
    pub fn is_handshaking(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.is_handshaking())
    }

    /// The outcome so far.
    pub fn outcome(&self) -> TlsOutcome {
        self.outcome
    }

    fn note_version(&mut self) {
        if self.outcome == TlsOutcome::Unfinished && !self.is_handshaking() {
            let version = self.connection.as_ref().and_then(|it| it.protocol_version());
            self.outcome = match version {
                Some(ProtocolVersion::TLSv1_3) => TlsOutcome::Version13,
                _ => TlsOutcome::Version12,
            };
        }
    }

    /// Drops the connection, and keeps the alert for the client.
    fn fail(&mut self, cause: &Error) -> TlsBroken {
        self.outcome = match cause {
            Error::AlertReceived(alert) if rejects_certificate(*alert) => TlsOutcome::Untrusted,
            Error::PeerIncompatible(_) => TlsOutcome::Incompatible,
            // A failure after the handshake does not change that TLS was spoken.
            _ if self.outcome != TlsOutcome::Unfinished => self.outcome,
            _ => TlsOutcome::Broken,
        };
        if let Some(mut connection) = self.connection.take() {
            // The alert "protocol version" would have people look for the cause in their TLS settings.
            let reworded = self.outcome == TlsOutcome::Incompatible;
            let lacks_alert = self.outcome == TlsOutcome::Broken && !connection.wants_write();
            let by_client = matches!(cause, Error::AlertReceived(_));
            if reworded || (lacks_alert && !by_client) {
                self.final_alert.extend(ACCESS_DENIED);
            } else {
                while matches!(connection.write_tls(&mut self.final_alert), Ok(1..)) {}
            }
        }
        TlsBroken
    }
}

impl fmt::Debug for TlsSession {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("TlsSession").field("outcome", &self.outcome).finish_non_exhaustive()
    }
}

/// Passes decrypted bytes to `plain`. Returns whether there were any.
fn pass_plaintext(connection: &mut ServerConnection, plain: &mut dyn FnMut(&[u8])) -> bool {
    let mut reader = connection.reader();
    let mut any = false;
    while let Ok(piece @ [_, ..]) = reader.fill_buf() {
        plain(piece);
        let length = piece.len();
        reader.consume(length);
        any = true;
    }
    any
}

/// Whether a client refuses the listener's certificate with `alert` (RFC 8446, section 6.2).
fn rejects_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            // The signature on the certificate: the client knows an older key of the same authority.
            | AlertDescription::DecryptError
    )
}

/// Joins small records into one write.
struct Coalesce<'a>(&'a mut dyn FnMut(&[u8]) -> io::Result<usize>);

impl Write for Coalesce<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.0)(bytes)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match pieces {
            [first, _, ..] if first.len() < COALESCE_BYTES => {
                let mut joined = Vec::with_capacity(2 * COALESCE_BYTES);
                let fitting = pieces.iter().take_while(|piece| piece.len() < COALESCE_BYTES);
                for piece in fitting {
                    joined.extend_from_slice(piece);
                    if joined.len() >= COALESCE_BYTES {
                        break;
                    }
                }
                (self.0)(&joined)
            }
            [first, ..] => (self.0)(first),
            [] => Ok(0),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
