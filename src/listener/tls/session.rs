//! Owns TLS on one connection, without its socket: sealed bytes in, plain bytes out, and the other
//! way round. Must never do I/O, hold more than one batch of answers, or grow with what a hostile
//! peer sends.

use std::fmt;
use std::io::{self, BufRead, ErrorKind, IoSlice, Write};
use std::sync::Arc;

use rustls::{AlertDescription, Error, ProtocolVersion, ServerConfig, ServerConnection};

use crate::listener::protocol::client_info::TlsOutcome;
use crate::listener::protocol::encode::ACCESS_DENIED;

/// The most sealed bytes that may come without any plain ones among them. It bounds the handshake
/// and whatever else a peer may send that is no data; a record of data has half as many.
const MAX_OVERHEAD_BYTES: usize = 32 * 1024;
/// Records below this size are sent together.
const COALESCE_BYTES: usize = 4096;

/// Nothing more can be received or sealed; what is owed, an alert perhaps, can still be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::listener) struct TlsBroken;

/// TLS on one connection, this side being the server.
pub(in crate::listener) struct TlsSession {
    /// `None` once it broke, so that it holds no memory any more.
    connection: Option<Box<ServerConnection>>,
    /// What a broken one still owes.
    final_alert: Vec<u8>,
    /// Sealed bytes since the latest plain ones.
    overhead: usize,
    outcome: TlsOutcome,
    closed: bool,
    peer_closed: bool,
}

impl TlsSession {
    /// A session with a client that has just connected.
    pub(in crate::listener) fn new(config: &Arc<ServerConfig>) -> TlsSession {
        let connection = ServerConnection::new(Arc::clone(config)).ok().map(|mut connection| {
            // The caller bounds what it seals; a limit here would cut an answer in two.
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

    /// Takes in bytes that were just received, and hands out the plain ones among them in pieces.
    /// After the peer's farewell the rest is ignored.
    ///
    /// # Errors
    /// The session is over without a farewell. What must be told to the peer is owed.
    pub(in crate::listener) fn receive(
        &mut self,
        mut sealed: &[u8],
        plain: &mut dyn FnMut(&[u8]),
    ) -> Result<(), TlsBroken> {
        while !sealed.is_empty() && !self.peer_closed {
            let connection = self.connection.as_mut().ok_or(TlsBroken)?;
            let before = sealed.len();
            // It takes a few KiB at a time, so that little of a large read is ever held.
            let taken = connection.read_tls(&mut sealed).map(|_| before - sealed.len());
            let processed = match taken {
                Ok(0) | Err(_) => Err(Error::General("more than a session may hold".into())),
                Ok(_) => connection.process_new_packets(),
            };
            self.overhead += before - sealed.len();
            if hand_out(connection, plain) {
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

    /// Whether answers may be sealed now. While this is false the caller must keep them.
    pub(in crate::listener) fn is_ready(&self) -> bool {
        self.connection.is_some() && !self.closed && !self.is_handshaking() && !self.owes()
    }

    /// Seals plain bytes for sending. To be called only while [`TlsSession::is_ready`], so that
    /// never more than what was sealed at once is held.
    pub(in crate::listener) fn seal(&mut self, plain: &[u8]) {
        debug_assert!(self.is_ready(), "the caller has to wait");
        if let Some(connection) = &mut self.connection {
            let sealed = connection.writer().write_all(plain);
            debug_assert!(sealed.is_ok(), "there is no limit that it could meet");
        }
    }

    /// Whether bytes wait to be sent.
    pub(in crate::listener) fn owes(&self) -> bool {
        !self.final_alert.is_empty()
            || self.connection.as_ref().is_some_and(|connection| connection.wants_write())
    }

    /// Lets `write` take what is owed until all is taken or it takes no more, and returns how many
    /// bytes it took. That it would block is no error.
    ///
    /// # Errors
    /// What `write` says, other than that it would block.
    pub(in crate::listener) fn send(
        &mut self,
        write: &mut dyn FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut sent = 0;
        while self.owes() {
            let taken = match &mut self.connection {
                Some(connection) => connection.write_tls(&mut Sink(write)),
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

    /// Says farewell behind everything that was sealed. Saying it twice is saying it once.
    pub(in crate::listener) fn close(&mut self) {
        self.closed = true;
        if let Some(connection) = &mut self.connection {
            connection.send_close_notify();
        }
    }

    /// Whether the peer said farewell: it sends nothing more, and may still read.
    pub(in crate::listener) fn peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// Whether the handshake has not come to its end yet, and still may.
    pub(in crate::listener) fn is_handshaking(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.is_handshaking())
    }

    /// What has become of it so far.
    pub(in crate::listener) fn outcome(&self) -> TlsOutcome {
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

    /// Gives the connection up, and keeps what it still has to say.
    fn fail(&mut self, cause: &Error) -> TlsBroken {
        self.outcome = match cause {
            Error::AlertReceived(alert) if rejects_certificate(*alert) => TlsOutcome::Untrusted,
            Error::PeerIncompatible(_) => TlsOutcome::Incompatible,
            // Whoever was let in and then broke off spoke TLS all the same.
            _ if self.outcome != TlsOutcome::Unfinished => self.outcome,
            _ => TlsOutcome::Broken,
        };
        if let Some(mut connection) = self.connection.take() {
            // "Protocol version" would have people look for the fault in their TLS.
            let reworded = self.outcome == TlsOutcome::Incompatible;
            let speechless = self.outcome == TlsOutcome::Broken && !connection.wants_write();
            let hung_up = matches!(cause, Error::AlertReceived(_));
            if reworded || (speechless && !hung_up) {
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

/// Hands out what was opened; says whether that was anything.
fn hand_out(connection: &mut ServerConnection, plain: &mut dyn FnMut(&[u8])) -> bool {
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

/// The alerts by which clients say that they do not accept a certificate (RFC 8446, section 6.2).
fn rejects_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            // Of a signature on it, where an authority was made anew under its old name.
            | AlertDescription::DecryptError
    )
}

/// Where records go: several small ones at once, so that they make one packet.
struct Sink<'a>(&'a mut dyn FnMut(&[u8]) -> io::Result<usize>);

impl Write for Sink<'_> {
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
