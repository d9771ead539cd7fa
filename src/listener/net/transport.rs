//! The transport between a socket and its session: plain or TLS, as the client's first bytes decide. PROXY
//! headers before them do not reach the session.
//!
//! Guarantees: a reply counts as sent only when its last byte, sealed or plain, is sent.
//! Never: does I/O; its callers read and write.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use rustls::ServerConfig;

use crate::listener::protocol::client_info::TlsOutcome;
use crate::listener::protocol::encode::Notice;
use crate::listener::protocol::first_bytes::{FirstBytes, Opening, Progress, Unfinished};
use crate::listener::protocol::reply_queue::WriteBuffer;
use crate::listener::protocol::session::Session;
use crate::listener::tls::TlsSession;

/// A connection's transport.
#[derive(Debug)]
pub enum Transport {
    /// The first bytes have not decided yet.
    Undecided(FirstBytes),
    /// The session gets every byte; it answers a TLS client with an alert.
    Plain,
    /// The session gets what TLS opens.
    Tls {
        /// The session between sealed and plain bytes.
        tls: Box<TlsSession>,
        /// Bytes of the latest rendered replies that are sealed and not all sent.
        sealed: u32,
    },
}

impl Default for Transport {
    /// The transport of a new connection.
    fn default() -> Transport {
        Transport::Undecided(FirstBytes::default())
    }
}

impl Transport {
    /// Passes `bytes` that were read to the session. `begin_tls` gives the configuration of a TLS session
    /// if one may begin.
    pub fn receive<'a>(
        &mut self,
        mut bytes: &[u8],
        session: &mut Session,
        begin_tls: impl FnOnce() -> Option<&'a Arc<ServerConfig>>,
    ) {
        let mut begin_tls = Some(begin_tls);
        while let Transport::Undecided(first) = self
            && !bytes.is_empty()
        {
            match first.read(&mut bytes) {
                Progress::NeedsMore => {}
                Progress::ProxyHeader(stated) => session.record_proxy_header(stated),
                Progress::Opened { opening, held } => {
                    let config = (opening == Opening::Tls).then(|| begin_tls.take()?()).flatten();
                    self.open(opening, config, session);
                    self.pass_on(&held, session);
                }
            }
        }
        self.pass_on(bytes, session);
    }

    fn open(
        &mut self,
        opening: Opening,
        config: Option<&Arc<ServerConfig>>,
        session: &mut Session,
    ) {
        *self = match config {
            Some(config) => Transport::Tls { tls: Box::new(TlsSession::new(config)), sealed: 0 },
            None => {
                session.open(opening);
                Transport::Plain
            }
        };
    }

    fn pass_on(&mut self, bytes: &[u8], session: &mut Session) {
        match self {
            Transport::Undecided(_) => {}
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
        self.release(session);
        match self {
            // Before the handshake is done there are no keys to seal the notice with.
            Transport::Tls { tls, .. } if tls.is_handshaking() => session.abort(),
            _ => session.end_of_input(),
        }
    }

    /// Passes on the bytes that were held back, because no more will be read.
    pub fn release(&mut self, session: &mut Session) {
        if let Transport::Undecided(first) = self {
            match first.end() {
                Unfinished::ProxyHeader => session.record_proxy_header(None),
                Unfinished::Bytes(held) => session.receive(&held),
            }
            *self = Transport::Plain;
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
    pub fn finish(&mut self, session: &mut Session) -> Option<TlsOutcome> {
        self.release(session);
        match std::mem::replace(self, Transport::Plain) {
            Transport::Tls { tls, .. } => Some(tls.outcome()),
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "transport_tests.rs"]
mod tests;
