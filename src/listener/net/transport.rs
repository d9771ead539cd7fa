//! The transport between a socket and its session: plain or TLS, as the client's first bytes decide.
//!
//! Guarantees: a reply counts as sent only when its last byte, sealed or plain, is sent.
//! Never: does I/O; its callers read and write.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use rustls::ServerConfig;

use crate::listener::protocol::client_info::TlsOutcome;
use crate::listener::protocol::encode::Notice;
use crate::listener::protocol::reply_queue::WriteBuffer;
use crate::listener::protocol::session::Session;
use crate::listener::tls::TlsSession;
use crate::listener::tls::detect::{Detected, HANDSHAKE, detect};

/// A connection's transport.
#[derive(Debug)]
pub enum Transport {
    /// TLS is available, and the first bytes have not decided yet.
    Undecided {
        config: Arc<ServerConfig>,
        /// Whether [`HANDSHAKE`] was received and is held back.
        held: bool,
    },
    /// The session gets every byte; it answers a TLS client with an alert.
    Plain,
    /// The session gets what TLS opens.
    Tls {
        tls: Box<TlsSession>,
        /// Bytes of the latest rendered replies that are sealed and not all sent.
        sealed: u32,
    },
}

impl Transport {
    /// The transport of a new connection; `config` is there where TLS is available.
    pub fn new(config: Option<Arc<ServerConfig>>) -> Transport {
        let undecided = |config| Transport::Undecided { config, held: false };
        config.map_or(Transport::Plain, undecided)
    }

    /// Passes `bytes` that were read to the session. `admit` says whether a handshake may begin.
    pub fn receive(&mut self, bytes: &[u8], session: &mut Session, admit: impl FnOnce() -> bool) {
        if let Transport::Undecided { config, held } = self {
            let was_held = *held;
            let detected = match bytes {
                [first, ..] if was_held => detect(&[HANDSHAKE, *first]),
                _ => detect(bytes),
            };
            match detected {
                Detected::NeedsMore => *held |= !bytes.is_empty(),
                Detected::Tls if admit() => {
                    *self = Transport::Tls { tls: Box::new(TlsSession::new(config)), sealed: 0 };
                }
                Detected::Plain | Detected::Tls => *self = Transport::Plain,
            }
            if was_held {
                self.pass_on(&[HANDSHAKE], session);
            }
        }
        self.pass_on(bytes, session);
    }

    fn pass_on(&mut self, bytes: &[u8], session: &mut Session) {
        match self {
            Transport::Undecided { .. } => {}
            Transport::Plain => session.receive(bytes),
            Transport::Tls { tls, .. } => {
                let taken = tls.receive(bytes, &mut |plain| session.receive(plain));
                if taken.is_err() {
                    session.abort();
                } else if tls.peer_closed() {
                    session.end_of_input();
                }
            }
        }
    }

    /// Passes the end of the input to the session.
    pub fn end_of_input(&mut self, session: &mut Session) {
        match self {
            // Before the handshake is done there are no keys to seal the notice with.
            Transport::Tls { tls, .. } if tls.is_handshaking() => session.abort(),
            _ => session.end_of_input(),
        }
    }

    /// Whether a handshake is under way: a session without input is then not a silent client's.
    pub fn is_handshaking(&self) -> bool {
        matches!(self, Transport::Tls { tls, .. } if tls.is_handshaking())
    }

    /// Whether there are bytes to send now.
    pub fn has_output(&self, session: &Session) -> bool {
        match self {
            Transport::Tls { tls, .. } => {
                tls.has_to_send() || (tls.is_ready() && session.owes_replies())
            }
            _ => session.owes_replies(),
        }
    }

    /// Renders pending replies with `notice`, about one buffer of them, and writes them with `write`.
    /// Returns how many bytes that took; zero where it would block.
    ///
    /// # Errors
    /// Those of `write`, but for [`ErrorKind::WouldBlock`].
    pub fn send(
        &mut self,
        session: &mut Session,
        notice: &Notice,
        buffer: &mut WriteBuffer,
        write: &mut dyn FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let Transport::Tls { tls, sealed } = self else {
            session.render(notice, buffer);
            return match write(buffer.bytes()) {
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => Ok(0),
                taken => taken.inspect(|bytes| session.mark_sent(buffer, *bytes)),
            };
        };
        let mut sent = tls.send(write)?;
        if *sealed == 0 && tls.is_ready() && session.owes_replies() {
            session.render(notice, buffer);
            tls.encrypt(buffer.bytes());
            *sealed = u32::try_from(buffer.bytes().len()).unwrap_or(u32::MAX);
            sent += tls.send(write)?;
        }
        if *sealed > 0 && !tls.has_to_send() {
            // The buffer may have served other connections since. Rendered again it begins with the
            // same replies: new ones are only ever added behind them.
            session.render(notice, buffer);
            session.mark_sent(buffer, std::mem::take(sealed) as usize);
        }
        Ok(sent)
    }

    /// Adds what follows the last reply: the close_notify alert of TLS.
    pub fn close(&mut self) {
        if let Transport::Tls { tls, .. } = self {
            tls.close();
        }
    }

    /// Ends the transport; returns how TLS went, where a client began it.
    pub fn finish(&mut self) -> Option<TlsOutcome> {
        match std::mem::replace(self, Transport::Plain) {
            Transport::Tls { tls, .. } => Some(tls.outcome()),
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "transport_tests.rs"]
mod tests;
