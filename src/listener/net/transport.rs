//! Owns what lies between a socket's bytes and the dialogue: nothing, or TLS, as the first bytes
//! decide. Must never do I/O, and never count an answer as sent before its last byte is.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use rustls::ServerConfig;

use crate::listener::protocol::client_info::TlsOutcome;
use crate::listener::protocol::encode::Notice;
use crate::listener::protocol::reply_queue::WriteBuffer;
use crate::listener::protocol::session::Session;
use crate::listener::tls::TlsSession;
use crate::listener::tls::detect::{Detected, HANDSHAKE, detect};

/// What a connection's bytes go through.
#[derive(Debug)]
pub(in crate::listener) struct Transport {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// TLS can be ended here; whether it is asked for is not known yet. Whether [`HANDSHAKE`]
    /// was received and is kept back.
    Undecided { config: Arc<ServerConfig>, held: bool },
    /// Every byte is the dialogue's; a client that speaks TLS is answered by it, with an alert.
    Plain,
    /// TLS is ended here; so many bytes of the latest batch are sealed and not all sent.
    Tls { session: Box<TlsSession>, sealed: u32 },
}

impl Transport {
    /// The layer of a new connection, where TLS can be ended with `config`.
    pub(in crate::listener) fn new(config: Option<Arc<ServerConfig>>) -> Transport {
        let undecided = |config| Kind::Undecided { config, held: false };
        Transport { kind: config.map_or(Kind::Plain, undecided) }
    }

    /// The socket brought `bytes`; `admit` is asked whether a handshake may begin.
    pub(in crate::listener) fn receive(
        &mut self,
        bytes: &[u8],
        dialogue: &mut Session,
        admit: impl FnOnce() -> bool,
    ) {
        if let Kind::Undecided { config, held } = &mut self.kind {
            let was_held = *held;
            let detected = match bytes {
                [first, ..] if was_held => detect(&[HANDSHAKE, *first]),
                _ => detect(bytes),
            };
            match detected {
                Detected::NeedsMore => *held |= !bytes.is_empty(),
                Detected::Tls if admit() => {
                    self.kind = Kind::Tls { session: Box::new(TlsSession::new(config)), sealed: 0 };
                }
                Detected::Plain | Detected::Tls => self.kind = Kind::Plain,
            }
            if was_held {
                self.pass_on(&[HANDSHAKE], dialogue);
            }
        }
        self.pass_on(bytes, dialogue);
    }

    fn pass_on(&mut self, bytes: &[u8], dialogue: &mut Session) {
        match &mut self.kind {
            Kind::Undecided { .. } => {}
            Kind::Plain => dialogue.receive(bytes),
            Kind::Tls { session, .. } => {
                let taken = session.receive(bytes, &mut |plain| dialogue.receive(plain));
                if taken.is_err() {
                    dialogue.abort();
                } else if session.peer_closed() {
                    dialogue.end_of_input();
                }
            }
        }
    }

    /// The socket brings nothing more.
    pub(in crate::listener) fn end_of_input(&mut self, dialogue: &mut Session) {
        match &self.kind {
            // Nothing can be said to who leaves before there are keys.
            Kind::Tls { session, .. } if session.is_handshaking() => dialogue.abort(),
            _ => dialogue.end_of_input(),
        }
    }

    /// Whether a handshake is under way, so that a client that says nothing is not silent.
    pub(in crate::listener) fn is_handshaking(&self) -> bool {
        matches!(&self.kind, Kind::Tls { session, .. } if session.is_handshaking())
    }

    /// Whether there is something that the socket could take now.
    pub(in crate::listener) fn has_to_send(&self, dialogue: &Session) -> bool {
        match &self.kind {
            Kind::Tls { session, .. } => {
                session.owes() || (session.is_ready() && dialogue.owes_replies())
            }
            _ => dialogue.owes_replies(),
        }
    }

    /// Lets `write` take what is owed, worded by `notice`, about a batch at most, and returns how
    /// many bytes it took. That it would block is no error.
    pub(in crate::listener) fn send(
        &mut self,
        dialogue: &mut Session,
        notice: &Notice,
        batch: &mut WriteBuffer,
        write: &mut dyn FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let Kind::Tls { session, sealed } = &mut self.kind else {
            dialogue.render(notice, batch);
            return match write(batch.bytes()) {
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => Ok(0),
                taken => taken.inspect(|bytes| dialogue.mark_sent(batch, *bytes)),
            };
        };
        let mut sent = session.send(write)?;
        if *sealed == 0 && session.is_ready() && dialogue.owes_replies() {
            dialogue.render(notice, batch);
            session.seal(batch.bytes());
            *sealed = u32::try_from(batch.bytes().len()).unwrap_or(u32::MAX);
            sent += session.send(write)?;
        }
        if *sealed > 0 && !session.owes() {
            // Filled anew, it begins as it did: answers are only ever added behind.
            dialogue.render(notice, batch);
            dialogue.mark_sent(batch, std::mem::take(sealed) as usize);
        }
        Ok(sent)
    }

    /// Says what there is to be said behind the last answer.
    pub(in crate::listener) fn close(&mut self) {
        if let Kind::Tls { session, .. } = &mut self.kind {
            session.close();
        }
    }

    /// What became of TLS, where it was asked for and could be ended here. The session is over.
    pub(in crate::listener) fn finish(&mut self) -> Option<TlsOutcome> {
        match std::mem::replace(&mut self.kind, Kind::Plain) {
            Kind::Tls { session, .. } => Some(session.outcome()),
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "transport_tests.rs"]
mod tests;
