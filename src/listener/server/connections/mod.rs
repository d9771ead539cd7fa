//! Owns what is remembered of one connection: little enough that thousands may wait. What it does
//! in its turn is in [`turn`].

mod drive;
mod intrusive_list;
pub(crate) mod table;
mod timeout;

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};

use self::table::Key;
use super::shared::WorkerState;
use crate::listener::clock::Tick;
use crate::listener::log::{Attempt, Outcome};
use crate::listener::net::epoll::{Interest, Poller};
use crate::listener::net::original_dst::OriginalDestination;
use crate::listener::net::transport::Transport;
use crate::listener::protocol::session::{ParkedSession, Session};

pub(in crate::listener) use self::drive::{Order, Progress, Wakeup};

/// The conversation, whole only while something is under way.
#[derive(Debug)]
enum Talk {
    Paused(ParkedSession),
    Open(Box<Session>),
}

/// One connection.
#[derive(Debug)]
pub(in crate::listener) struct Connection {
    stream: TcpStream,
    peer: IpAddr,
    peer_port: u16,
    destination: OriginalDestination,
    /// Whether there may be something to read.
    readable: bool,
    /// Whether reading leads to the end of what the peer sends.
    end_comes: bool,
    peer_ended: bool,
    /// Whether the socket takes no more for now.
    blocked: bool,
    /// Whether the socket is watched for room to write.
    watched_for_room: bool,
    /// Whether the latest read was large, so that a small one is likely to be its end.
    after_large: bool,
    /// Whether answers are held back.
    delayed: bool,
    /// Whether it is in the list of those who want another turn.
    eager: bool,
    /// Whether it broke before everything was said.
    broken: bool,
    /// Whether the listener stops.
    stopping: bool,
    /// Why this side ends it.
    ending: Option<Outcome>,
    layer: Transport,
    talk: Talk,
    started: Tick,
    /// When a byte was last received or sent.
    active: Tick,
    /// Since when everything is said, and the peer has yet to hang up.
    said: Option<Tick>,
    /// Bytes received and sent; once everything is said, those thrown away.
    carried: u64,
}

impl Connection {
    /// A connection that was just accepted.
    pub(in crate::listener) fn new(
        stream: TcpStream,
        peer: SocketAddr,
        destination: OriginalDestination,
        layer: Transport,
        now: Tick,
    ) -> Connection {
        Connection {
            stream,
            peer: peer.ip(),
            peer_port: peer.port(),
            destination,
            readable: true,
            end_comes: false,
            peer_ended: false,
            blocked: false,
            watched_for_room: false,
            after_large: false,
            delayed: false,
            eager: false,
            broken: false,
            stopping: false,
            ending: None,
            layer,
            talk: Talk::Paused(ParkedSession::default()),
            started: now,
            active: now,
            said: None,
            carried: 0,
        }
    }

    /// When it was last active.
    pub(in crate::listener) fn active(&self) -> Tick {
        self.active
    }

    /// Notes that it wants another turn; says whether that is new.
    pub(in crate::listener) fn becomes_eager(&mut self) -> bool {
        !std::mem::replace(&mut self.eager, true)
    }

    /// Whether it is to have another turn anyway.
    pub(in crate::listener) fn is_eager(&self) -> bool {
        self.eager
    }

    /// Has its socket watched under the name `key`.
    pub(in crate::listener) fn watch(&mut self, poller: &Poller, key: Key) -> io::Result<()> {
        self.watched_for_room = self.blocked;
        let interest = if self.blocked { Interest::ReadWrite } else { Interest::Read };
        poller.add(&self.stream, key, interest)
    }

    /// Has its socket watched for room to write as well, once that is needed.
    pub(in crate::listener) fn watch_for_room(
        &mut self,
        poller: &Poller,
        key: Key,
    ) -> io::Result<()> {
        if !self.blocked || self.watched_for_room {
            return Ok(());
        }
        self.watched_for_room = true;
        poller.modify(&self.stream, key, Interest::ReadWrite)
    }

    /// What the log says about it, if it is over.
    pub(in crate::listener) fn attempt(&self, now: Tick) -> Attempt<'_> {
        let (client, replies, notice_sent) = match &self.talk {
            Talk::Paused(pause) => (pause.client(), pause.replies_sent(), pause.notice_sent()),
            Talk::Open(dialogue) => {
                (dialogue.client(), dialogue.replies_sent(), dialogue.notice_sent())
            }
        };
        let by_itself = match (self.broken, notice_sent) {
            (true, _) => Outcome::Reset,
            (false, true) => Outcome::Told,
            (false, false) => Outcome::Closed,
        };
        Attempt {
            peer: SocketAddr::new(self.peer, self.peer_port),
            port: self.destination.port,
            redirected: self.destination.redirected,
            client,
            replies,
            notice_sent,
            duration: now.since(self.started),
            outcome: self.ending.unwrap_or(by_itself),
        }
    }

    /// Lets `work` use the conversation, whole.
    fn with_dialogue<T>(
        &mut self,
        desk: &mut WorkerState,
        work: impl FnOnce(&mut Connection, &mut Session, &mut WorkerState) -> T,
    ) -> T {
        let mut dialogue =
            match std::mem::replace(&mut self.talk, Talk::Paused(ParkedSession::default())) {
                Talk::Open(dialogue) => dialogue,
                Talk::Paused(pause) => {
                    let mut dialogue = desk.lend();
                    dialogue.resume(pause);
                    dialogue
                }
            };
        let result = work(self, &mut dialogue, desk);
        self.talk = match dialogue.park() {
            Some(pause) => {
                desk.take_back(dialogue);
                Talk::Paused(pause)
            }
            None => Talk::Open(dialogue),
        };
        result
    }
}
