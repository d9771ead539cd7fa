//! The protocol session of one connection, sans-IO: received bytes in, owed replies out.
//!
//! Which replies a session owes follows from its [`Phase`] and from what happens:
//!
//! | event | reply owed | next phase |
//! |---|---|---|
//! | a whole command | what `reply_policy` decides; the last one for QUIT and HTTP | `Busy`; `Closing` after the last one |
//! | a RESP command after the unprompted notice | none: the notice is its reply already | `Closing` |
//! | a line after the unprompted notice | the notice, whatever the line asks, unless it is QUIT | `Busy`; `Closing` after QUIT |
//! | TLS, or another protocol | the TLS alert or the notice | `Closing` |
//! | malformed or oversize input | the notice, unless it was sent unprompted | `Closing` |
//! | a wait is over, in `AwaitingInput` or `PartialLine` | the notice, once per session | `Busy` |
//! | end of input, in `AwaitingInput` or with a command under way | the notice, unless it was sent unprompted | `Closing` |
//! | end of input, else | none | `Closing` |
//! | this side closes | the notice, unless it was sent or is queued, or the client speaks RESP and no command is under way | `Closing` |
//! | the transport broke | none; queued ones are discarded | `Closed` |
//! | the last queued reply is sent | none | `Busy` to `Idle` unless a command is under way, `Closing` to `Closed` |
//!
//! A library counts replies: one too many, and each later command gets the reply to the one before it, so
//! that `+OK` for a SELECT becomes the reply to a SET. Hence a reply to each command and no other; and once
//! the notice was sent unprompted, no reply but the notice.
//!
//! Over the limits of one connection, `reply_queue` puts the notice in the place of any other reply.
//!
//! Guarantees: the same replies and the same log fields however the bytes are split.
//! Never: does I/O or reads a clock, so that any session can be replayed.

use std::net::SocketAddr;

use super::client_info::{ClientInfo, Protocol, TlsOutcome};
use super::encode::Notice;
use super::exchange::{Exchange, Unprompted};
use super::first_bytes::Opening;
use super::parser::{MAX_COMMAND_BYTES, ParkedParser, Parser, Position};
use super::reply_policy::{Handshake, Reply};
use super::reply_queue::{ReplyStats, WriteBuffer};

pub use super::exchange::SessionRecord;

/// Where a session is between two events; it decides how long its connection may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// No command was begun, and no notice was sent: after a while the client gets it unprompted.
    AwaitingInput,
    /// A line was begun and not ended: a person may be typing, and gets the notice unprompted.
    PartialLine,
    /// A command is under way, or replies are queued.
    Busy,
    /// Every reply is sent, and no command is under way.
    Idle,
    /// The queued replies are the last ones; input is ignored.
    Closing,
    /// Nothing is owed any more; input is ignored.
    Closed,
}

/// All that an idle connection holds of its session, so that thousands can wait in little memory.
#[derive(Debug, Default)]
pub struct ParkedSession {
    /// What the log says about the client.
    pub client: ClientInfo,
    parser: ParkedParser,
    handshake: Handshake,
    stats: ReplyStats,
    commands: u32,
    unprompted: Unprompted,
}

/// The protocol session of one connection.
#[derive(Debug)]
pub struct Session {
    parser: Parser,
    exchange: Exchange,
}

impl Default for Session {
    fn default() -> Session {
        Session::with_command_limit(MAX_COMMAND_BYTES)
    }
}

impl Session {
    /// A new session in which one command may have `max_command_bytes`.
    pub fn with_command_limit(max_command_bytes: u64) -> Session {
        Session { parser: Parser::new(max_command_bytes), exchange: Exchange::default() }
    }

    /// Moves the state out, if no reply is queued and no command is under way. What remains here is
    /// only fit for [`Session::resume`].
    pub fn park(&mut self) -> Option<ParkedSession> {
        let parser = self.parser.park()?;
        let stats = self.exchange.queue.park()?;
        let Exchange { handshake, client, commands, unprompted, .. } = &mut self.exchange;
        Some(ParkedSession {
            client: std::mem::take(client),
            parser,
            handshake: *handshake,
            stats,
            commands: *commands,
            unprompted: *unprompted,
        })
    }

    /// Replaces the state with the parked one.
    pub fn resume(&mut self, parked: ParkedSession) {
        let ParkedSession { client, parser, handshake, stats, commands, unprompted } = parked;
        self.parser.resume(parser);
        let queue = std::mem::take(&mut self.exchange.queue);
        self.exchange = Exchange { handshake, queue, client, commands, unprompted };
        self.exchange.queue.resume(stats);
    }

    /// A PROXY header came, and states that the client's address is `peer`.
    pub fn record_proxy_header(&mut self, peer: Option<SocketAddr>) {
        self.exchange.client.record_proxy_header(peer);
    }

    /// The first bytes were recognised. Commands are to be passed to [`Session::receive`]; of any other
    /// protocol the session needs no more.
    pub fn open(&mut self, opening: Opening) {
        let (protocol, reply) = match opening {
            Opening::Commands => return,
            Opening::Tls | Opening::SslV2Hello => (Protocol::Tls, Reply::TlsAlert),
            // Some clients print the response that they cannot read.
            Opening::Foreign(Protocol::Http2) => (Protocol::Http2, Reply::Http { body: true }),
            Opening::Foreign(protocol) => (protocol, Reply::SetupError),
            Opening::MalformedProxy => (Protocol::Proxy, Reply::SetupError),
        };
        self.exchange.client.protocol = protocol;
        self.exchange.commands += 1;
        if self.exchange.unprompted == Unprompted::Unsent {
            self.exchange.queue.push(reply);
        } else {
            self.exchange.take_unprompted(&reply, None);
        }
        self.close();
    }

    /// The client sent `bytes`: commands, or what began like them.
    pub fn receive(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first()
            && !self.is_closing()
        {
            self.exchange.client.record_protocol(guess(*first));
        }
        let exchange = &mut self.exchange;
        self.parser.feed(bytes, &mut |event| exchange.on_event(&event));
        if self.exchange.queue.is_closed() {
            self.parser.close();
        }
    }

    /// The client will send nothing more. A command that was cut off still gets the notice, and so does
    /// a client that never sent a command: `nc` without input shows it, for example.
    pub fn end_of_input(&mut self) {
        let is_unsent = self.exchange.unprompted == Unprompted::Unsent;
        match self.parser.position() {
            Position::Start if is_unsent => {
                self.exchange.queue.push(Reply::Unprompted);
            }
            Position::InLine => self.refuse_partial_command(is_unsent),
            Position::InArray => {
                self.refuse_partial_command(is_unsent);
                self.exchange.note_cut_off();
            }
            Position::Start | Position::Between | Position::Closed => {}
        }
        self.close();
    }

    /// Queues the notice for a client that waits without having asked, if this is the first time.
    pub fn send_unprompted_notice(&mut self) {
        if self.exchange.unprompted == Unprompted::Unsent {
            self.exchange.unprompted = Unprompted::Sent;
            self.exchange.queue.push(Reply::Unprompted);
        }
    }

    /// Ends the session from this side. The notice is queued unless the client has it, or will. A library
    /// that has asked nothing gets none: to rueidis a reply too many is a reason to panic, and with its
    /// next command it connects anew.
    pub fn close_with_notice(&mut self) {
        let owes_notice = !self.exchange.queue.carries_notice();
        match self.parser.position() {
            Position::InLine | Position::InArray => self.refuse_partial_command(owes_notice),
            _ if !owes_notice || self.exchange.client.protocol == Protocol::Resp => {}
            // Lines of set-up: nobody asked yet.
            _ if self.exchange.commands > 0 => {
                self.exchange.queue.push(Reply::SetupError);
            }
            _ => {
                self.exchange.queue.push(Reply::Unprompted);
            }
        }
        self.close();
    }

    /// The transport broke: queued replies are discarded.
    pub fn abort(&mut self) {
        self.parser.close();
        self.exchange.queue.discard();
    }

    /// Records what became of TLS below this session.
    pub fn record_tls(&mut self, outcome: TlsOutcome) {
        self.exchange.client.record_tls(outcome);
    }

    fn close(&mut self) {
        self.parser.close();
        self.exchange.queue.close();
    }

    /// Records a command that was cut off, and queues the notice as its reply if that is owed.
    fn refuse_partial_command(&mut self, owes_notice: bool) {
        let command = self.parser.partial_command();
        if let Some(command) = command {
            self.exchange.client.record_partial_command(command);
        }
        if owes_notice {
            self.exchange.push(Reply::NoticeError, command);
        }
    }

    /// Where the session is now.
    pub fn phase(&self) -> Phase {
        let unsent = self.exchange.unprompted == Unprompted::Unsent;
        let drained = self.exchange.queue.is_empty();
        match self.parser.position() {
            Position::Closed if drained => Phase::Closed,
            Position::Closed => Phase::Closing,
            Position::Start if unsent => Phase::AwaitingInput,
            // Even while replies are queued: they answer what came before this line.
            Position::InLine if unsent => Phase::PartialLine,
            Position::Start | Position::Between if drained => Phase::Idle,
            _ => Phase::Busy,
        }
    }

    /// Whether replies are queued.
    pub fn owes_replies(&self) -> bool {
        !self.exchange.queue.is_empty()
    }

    /// Whether the notice was sent or is queued.
    pub fn carries_notice(&self) -> bool {
        self.exchange.queue.carries_notice()
    }

    /// Whether no reply will be added to the queued ones.
    pub fn is_closing(&self) -> bool {
        self.exchange.queue.is_closed()
    }

    /// Commands received so far, those that were cut off by a fault included.
    pub fn commands(&self) -> u32 {
        self.exchange.commands
    }

    /// What was sent, and what the log says about the client.
    pub fn record(&self) -> SessionRecord<'_> {
        let Exchange { queue, client, unprompted, .. } = &self.exchange;
        SessionRecord { client, stats: &queue.stats, unprompted: *unprompted }
    }

    /// An upper bound of the heap bytes held because of what was received.
    pub fn retained_bytes(&self) -> usize {
        let Exchange { queue, client, .. } = &self.exchange;
        self.parser.retained_bytes() + queue.retained_bytes() + client.retained_bytes()
    }

    /// Whether a queued reply contains the address that the client connected to.
    pub fn needs_address(&self) -> bool {
        self.exchange.queue.needs_address()
    }

    /// Renders the next queued replies into `buffer`; nothing is sent or removed by that.
    pub fn render(&self, notice: &Notice, buffer: &mut WriteBuffer) {
        self.exchange.queue.render(notice, buffer);
    }

    /// Removes what was sent: the first `bytes` of `buffer`, as it was rendered last.
    pub fn mark_sent(&mut self, buffer: &WriteBuffer, bytes: usize) {
        self.exchange.queue.mark_sent(buffer, bytes);
    }
}

impl ParkedSession {
    /// What was sent, and what the log says about the client.
    pub fn record(&self) -> SessionRecord<'_> {
        SessionRecord { client: &self.client, stats: &self.stats, unprompted: self.unprompted }
    }
}

/// The protocol that the first byte suggests, until a command says it.
fn guess(first: u8) -> Protocol {
    match first {
        b'*' => Protocol::Resp,
        b' '..=b'~' | b'\t'..=b'\r' => Protocol::Inline,
        _ => Protocol::Unknown,
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
