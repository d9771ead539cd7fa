//! Owns what all connections share: the buffers, spare conversations, the wording for each port,
//! and the settings. Must never hold anything of one connection beyond its turn.

use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

use crate::listener::protocol::encode::Notice;
use crate::listener::protocol::reply_queue::WriteBuffer;
use crate::listener::protocol::session::Session;
use crate::listener::settings::Settings;
use crate::listener::tls::Identity;
use crate::listener::tls::handshake_limit::HandshakeLimit;

/// Bytes that are read at once.
const READ: usize = 64 * 1024;
/// Conversations that are kept for the next who needs one.
const MOST_SPARE: usize = 16;

/// What connections share; one thread serves them, one after the other.
#[derive(Debug)]
pub(in crate::listener) struct WorkerState {
    pub(in crate::listener) settings: Settings,
    pub(in crate::listener) identity: Identity,
    pub(in crate::listener) handshakes: HandshakeLimit,
    pub(in crate::listener) read: Box<[u8]>,
    pub(in crate::listener) batch: WriteBuffer,
    #[expect(clippy::vec_box, reason = "a connection keeps the box while something is under way")]
    spare: Vec<Box<Session>>,
    sentences: HashMap<u16, Rc<str>>,
}

impl WorkerState {
    /// A desk for connections that are served as `settings` say.
    pub(in crate::listener) fn new(settings: Settings, identity: Identity) -> WorkerState {
        WorkerState {
            settings,
            identity,
            handshakes: HandshakeLimit::default(),
            read: vec![0; READ].into(),
            batch: WriteBuffer::default(),
            spare: Vec::new(),
            sentences: HashMap::new(),
        }
    }

    /// A conversation to go on with.
    pub(in crate::listener) fn lend(&mut self) -> Box<Session> {
        self.spare.pop().unwrap_or_else(|| Box::new(Session::new()))
    }

    /// Takes back a conversation that paused.
    pub(in crate::listener) fn take_back(&mut self, dialogue: Box<Session>) {
        if self.spare.len() < MOST_SPARE {
            self.spare.push(dialogue);
        }
    }

    /// What is said on `port`; its sentence is worded once.
    pub(in crate::listener) fn notice(&mut self, port: u16, address: IpAddr) -> Notice {
        let reservation = || self.settings.reservation(port);
        let sentence = self.sentences.entry(port).or_insert_with(|| {
            reservation().map(|found| found.sentence_for(port)).unwrap_or_default().into()
        });
        Notice { sentence: Rc::clone(sentence), port, address }
    }
}
