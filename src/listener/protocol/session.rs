//! The protocol session of one connection, sans-IO: received bytes in, owed replies out.
//!
//! Which replies a session owes follows from its [`Phase`] and from what happens:
//!
//! | event | reply owed | next phase |
//! |---|---|---|
//! | a whole command | what `reply_policy` decides; the last one for QUIT, HTTP and a TLS record | `Busy`; `Closing` after the last one |
//! | malformed or oversize input | the notice | `Closing` |
//! | a wait is over, in `AwaitingInput` or `PartialLine` | the notice, once per session | `Busy` |
//! | end of input, in `AwaitingInput` or with a command under way | the notice | `Closing` |
//! | end of input, else | none | `Closing` |
//! | this side closes | the notice, unless it was sent or is queued | `Closing` |
//! | the transport broke | none; queued ones are discarded | `Closed` |
//! | the last queued reply is sent | none | `Busy` to `Idle` unless a command is under way, `Closing` to `Closed` |
//!
//! Over the limits of one connection, `reply_queue` puts the notice in the place of any other reply.
//!
//! Guarantees: the same replies and the same log fields however the bytes are split.
//! Never: does I/O or reads a clock, so that any session can be replayed.

use super::client_info::{ClientInfo, Protocol, TlsOutcome};
use super::encode::Notice;
use super::parser::{Event, MAX_COMMAND_BYTES, ParkedParser, Parser, Position};
use super::reply_policy::{Reply, RespVersion, reply_to};
use super::reply_queue::{ReplyQueue, ReplyStats, WriteBuffer};

/// Where a session is between two events; it decides how long its connection may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// No byte was received, and no notice was sent: after a while the client gets it unprompted.
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

/// Whether the notice was queued without a command that asked for it: at most once per session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Unprompted {
    #[default]
    Unsent,
    Sent,
}

/// All that an idle connection holds of its session, so that thousands can wait in little memory.
#[derive(Debug, Default)]
pub struct ParkedSession {
    /// What the log says about the client.
    pub client: ClientInfo,
    parser: ParkedParser,
    version: RespVersion,
    /// What was sent so far.
    pub stats: ReplyStats,
    commands: u64,
    unprompted: Unprompted,
}

/// The protocol session of one connection.
#[derive(Debug)]
pub struct Session {
    parser: Parser,
    version: RespVersion,
    queue: ReplyQueue,
    client: ClientInfo,
    commands: u64,
    unprompted: Unprompted,
}

impl Default for Session {
    fn default() -> Session {
        Session::with_command_limit(MAX_COMMAND_BYTES)
    }
}

impl Session {
    /// A new session in which one command may have `max_command_bytes`.
    pub fn with_command_limit(max_command_bytes: u64) -> Session {
        Session {
            parser: Parser::new(max_command_bytes),
            version: RespVersion::default(),
            queue: ReplyQueue::default(),
            client: ClientInfo::default(),
            commands: 0,
            unprompted: Unprompted::default(),
        }
    }

    /// Moves the state out, if no reply is queued and no command is under way. What remains here is
    /// only fit for [`Session::resume`].
    pub fn park(&mut self) -> Option<ParkedSession> {
        let parser = self.parser.park()?;
        let stats = self.queue.park()?;
        Some(ParkedSession {
            client: std::mem::take(&mut self.client),
            parser,
            version: self.version,
            stats,
            commands: self.commands,
            unprompted: self.unprompted,
        })
    }

    /// Replaces the state with the parked one.
    pub fn resume(&mut self, parked: ParkedSession) {
        let ParkedSession { client, parser, version, stats, commands, unprompted } = parked;
        self.parser.resume(parser);
        self.queue.resume(stats);
        (self.client, self.version, self.commands, self.unprompted) =
            (client, version, commands, unprompted);
    }

    /// The client sent `bytes`.
    pub fn receive(&mut self, bytes: &[u8]) {
        let Session { parser, version, queue, client, commands, .. } = self;
        parser.feed(bytes, &mut |event| {
            // After QUIT the parser still reports what else is in `bytes`.
            if queue.is_closed() {
                return;
            }
            *commands += 1;
            match event {
                Event::Command(command) => {
                    client.record_command(command);
                    queue.push(reply_to(command, version));
                }
                Event::Http(command) => {
                    client.record_command(command);
                    client.protocol = Protocol::Http;
                    queue.push(Reply::Http { body: !command.name_is_exactly("HEAD") });
                }
                Event::Tls => {
                    client.protocol = Protocol::Tls;
                    queue.push(Reply::TlsAlert);
                }
                Event::Oversize(command) => {
                    client.record_command(command);
                    queue.push(Reply::NoticeError);
                    queue.close();
                }
                Event::Malformed => {
                    queue.push(Reply::NoticeError);
                    queue.close();
                }
            }
        });
        if self.queue.is_closed() {
            self.parser.close();
        }
    }

    /// The client will send nothing more. A command that was cut off still gets the notice, and so does
    /// a client that never sent a byte: `nc` without input shows it, for example.
    pub fn end_of_input(&mut self) {
        self.record_partial_command();
        let owes_notice = match self.parser.position() {
            Position::Start => self.unprompted == Unprompted::Unsent,
            Position::InLine | Position::InValue => true,
            Position::Between | Position::Closed => false,
        };
        if owes_notice {
            self.queue.push(Reply::NoticeError);
        }
        self.close();
    }

    /// Queues the notice for a client that waits without having asked, if this is the first time.
    pub fn send_unprompted_notice(&mut self) {
        if std::mem::replace(&mut self.unprompted, Unprompted::Sent) == Unprompted::Unsent {
            self.queue.push(Reply::NoticeError);
        }
    }

    /// Ends the session from this side. The notice is queued unless the client has it, or will.
    pub fn close_with_notice(&mut self) {
        self.record_partial_command();
        if !self.queue.carries_notice() {
            self.queue.push(Reply::NoticeError);
        }
        self.close();
    }

    /// The transport broke: queued replies are discarded.
    pub fn abort(&mut self) {
        self.parser.close();
        self.queue.discard();
    }

    /// Records what became of TLS below this session.
    pub fn record_tls(&mut self, outcome: TlsOutcome) {
        self.client.record_tls(outcome);
    }

    fn close(&mut self) {
        self.parser.close();
        self.queue.close();
    }

    fn record_partial_command(&mut self) {
        if let Some(command) = self.parser.partial_command() {
            self.client.record_command(command);
        }
    }

    /// Where the session is now.
    pub fn phase(&self) -> Phase {
        let (unsent, drained) = (self.unprompted == Unprompted::Unsent, self.queue.is_empty());
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
        !self.queue.is_empty()
    }

    /// Whether no reply will be added to the queued ones.
    pub fn is_closing(&self) -> bool {
        self.queue.is_closed()
    }

    /// Commands received so far, those that were cut off by a fault included.
    pub fn commands(&self) -> u64 {
        self.commands
    }

    /// What was sent so far.
    pub fn stats(&self) -> &ReplyStats {
        &self.queue.stats
    }

    /// What the log says about the client.
    pub fn client(&self) -> &ClientInfo {
        &self.client
    }

    /// An upper bound of the heap bytes held because of what was received.
    pub fn retained_bytes(&self) -> usize {
        self.parser.retained_bytes() + self.queue.retained_bytes() + self.client.retained_bytes()
    }

    /// Whether a queued reply contains the address that the client connected to.
    pub fn needs_address(&self) -> bool {
        self.queue.needs_address()
    }

    /// Renders the next queued replies into `buffer`; nothing is sent or removed by that.
    pub fn render(&self, notice: &Notice, buffer: &mut WriteBuffer) {
        self.queue.render(notice, buffer);
    }

    /// Removes what was sent: the first `bytes` of `buffer`, as it was rendered last.
    pub fn mark_sent(&mut self, buffer: &WriteBuffer, bytes: usize) {
        self.queue.mark_sent(buffer, bytes);
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
