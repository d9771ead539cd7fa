//! Owns what all connections share: the buffers, spare conversations, the wording for each port,
//! and the settings. Must never hold anything of one connection beyond its turn.

use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

use super::dialogue::Dialogue;
use super::handshakes::Handshakes;
use super::outbox::Batch;
use super::render::Notice;
use super::settings::Settings;
use super::tls::Identity;

/// Bytes that are read at once.
const READ: usize = 64 * 1024;
/// Conversations that are kept for the next who needs one.
const MOST_SPARE: usize = 16;

/// What connections share; one thread serves them, one after the other.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) settings: Settings,
    pub(super) identity: Identity,
    pub(super) handshakes: Handshakes,
    pub(super) read: Box<[u8]>,
    pub(super) batch: Batch,
    #[expect(clippy::vec_box, reason = "a connection keeps the box while something is under way")]
    spare: Vec<Box<Dialogue>>,
    sentences: HashMap<u16, Rc<str>>,
}

impl Desk {
    /// A desk for connections that are served as `settings` say.
    pub(super) fn new(settings: Settings, identity: Identity) -> Desk {
        Desk {
            settings,
            identity,
            handshakes: Handshakes::default(),
            read: vec![0; READ].into(),
            batch: Batch::default(),
            spare: Vec::new(),
            sentences: HashMap::new(),
        }
    }

    /// A conversation to go on with.
    pub(super) fn lend(&mut self) -> Box<Dialogue> {
        self.spare.pop().unwrap_or_else(|| Box::new(Dialogue::new()))
    }

    /// Takes back a conversation that paused.
    pub(super) fn take_back(&mut self, dialogue: Box<Dialogue>) {
        if self.spare.len() < MOST_SPARE {
            self.spare.push(dialogue);
        }
    }

    /// What is said on `port`; its sentence is worded once.
    pub(super) fn notice(&mut self, port: u16, address: IpAddr) -> Notice {
        let reservation = || self.settings.reservation(port);
        let sentence = self.sentences.entry(port).or_insert_with(|| {
            reservation().map(|found| found.sentence_for(port)).unwrap_or_default().into()
        });
        Notice { sentence: Rc::clone(sentence), port, address }
    }
}
