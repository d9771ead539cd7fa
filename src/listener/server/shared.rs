//! What all connections of the worker thread share: settings, buffers, spare sessions, and the wording
//! for each port.
//!
//! Never: keeps anything of one connection beyond its wakeup.

use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

use super::brake::Brake;
use crate::listener::local_clients::LocalClients;
use crate::listener::protocol::encode::Notice;
use crate::listener::protocol::reply_queue::WriteBuffer;
use crate::listener::protocol::session::Session;
use crate::listener::settings::Settings;
use crate::listener::tls::Identity;
use crate::listener::tls::handshake_limit::HandshakeLimit;

/// Size of the read buffer in bytes: a long pipeline takes few system calls.
const READ_BUFFER: usize = 64 * 1024;
/// Sessions that are kept for the next connection that needs one.
const MAX_SPARE_SESSIONS: usize = 16;

/// The shared state. One thread drives all connections, one after the other.
#[derive(Debug)]
pub(super) struct WorkerState {
    pub(super) settings: Settings,
    pub(super) identity: Identity,
    pub(super) handshakes: HandshakeLimit,
    pub(super) brake: Brake,
    /// The clients of this host that have a connection.
    pub(super) local_clients: LocalClients,
    pub(super) read_buffer: Box<[u8]>,
    pub(super) write_buffer: WriteBuffer,
    /// Whether the listener stops: every connection gets the short time-out for that.
    pub(super) is_stopping: bool,
    #[expect(clippy::vec_box, reason = "a connection keeps the box while its session is active")]
    spare_sessions: Vec<Box<Session>>,
    /// The sentence of each port that a client has met.
    sentences: HashMap<u16, Rc<str>>,
}

impl WorkerState {
    /// The state for connections that are served according to `settings`.
    pub(super) fn new(settings: Settings, identity: Identity) -> WorkerState {
        WorkerState {
            settings,
            identity,
            handshakes: HandshakeLimit::default(),
            brake: Brake::default(),
            local_clients: LocalClients::default(),
            read_buffer: vec![0; READ_BUFFER].into(),
            write_buffer: WriteBuffer::default(),
            is_stopping: false,
            spare_sessions: Vec::new(),
            sentences: HashMap::new(),
        }
    }

    /// A session to resume a parked one in.
    pub(super) fn take_session(&mut self) -> Box<Session> {
        self.spare_sessions.pop().unwrap_or_else(|| Box::new(Session::default()))
    }

    /// Takes back a session whose state was parked.
    pub(super) fn return_session(&mut self, session: Box<Session>) {
        if self.spare_sessions.len() < MAX_SPARE_SESSIONS {
            self.spare_sessions.push(session);
        }
    }

    /// The notice for a client of `address` and `port`; its sentence is worded once a port.
    pub(super) fn notice(&mut self, port: u16, address: IpAddr) -> Notice {
        let sentence = self.sentences.entry(port).or_insert_with(|| {
            let reservation = self.settings.reservation(port);
            reservation.map(|found| found.sentence_for(port)).unwrap_or_default().into()
        });
        Notice { sentence: Rc::clone(sentence), port, address }
    }
}
