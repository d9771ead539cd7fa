//! What the commands of a session have established, and the replies that are owed to them.
//!
//! Guarantees: one reply to each command; and once the notice was sent unprompted, no reply that a library
//! could take for the success of another command.
//! Never: does I/O or reads a clock.

use super::client_info::{ClientInfo, Protocol};
use super::command::{Command, Framing};
use super::parser::Event;
use super::reply_policy::{Handshake, Reply, is_tracer, reply_to};
use super::reply_queue::{ReplyQueue, ReplyStats};

/// Whether the notice was queued without a command that asked for it: at most once per session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Unprompted {
    #[default]
    Unsent,
    Sent,
    /// It was sent, and the client took it for the reply to a command that its library had sent by
    /// itself.
    TakenForSetup,
}

/// What the commands have established so far, and the replies that are owed to them.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    pub(super) handshake: Handshake,
    pub(super) queue: ReplyQueue,
    pub(super) client: ClientInfo,
    /// Commands received so far.
    pub(super) commands: u32,
    pub(super) unprompted: Unprompted,
}

impl Exchange {
    /// The parser found something.
    pub(super) fn on_event(&mut self, event: &Event<'_>) {
        // After QUIT the parser still reports what else it was given.
        if self.queue.is_closed() {
            return;
        }
        self.commands += 1;
        let (command, reply) = match event {
            Event::Command(command) => (Some(*command), reply_to(command, &mut self.handshake)),
            Event::Http(command) => {
                (Some(*command), Reply::Http { body: !command.name_is_exactly("HEAD") })
            }
            Event::Oversize(command) => (Some(*command), Reply::NoticeError),
            // Not a call that anybody makes: the bytes are not Redis's.
            Event::Malformed => (None, Reply::SetupError),
        };
        if let Some(command) = command {
            self.client.record_command(command);
            if is_tracer(command) {
                self.queue.retract_told();
            }
        }
        if matches!(event, Event::Http(_)) {
            self.client.protocol = Protocol::Http;
        }
        let is_line = command.is_some_and(|command| command.framing() == Framing::Inline);
        let is_last = reply.is_last() || !matches!(event, Event::Command(_));
        if self.unprompted == Unprompted::Unsent {
            self.push(reply, command);
        } else if is_line {
            // The last reply of the connection can be taken for no later one.
            let is_quit = reply == Reply::OkAndClose;
            self.push(if is_quit { reply } else { Reply::NoticeError }, command);
        } else {
            self.take_unprompted(&reply, command);
        }
        if is_last {
            self.queue.close();
        }
    }

    /// Queues the reply to `command`.
    pub(super) fn push(&mut self, reply: Reply, command: Option<&Command>) {
        let is_refusal = self.queue.push(reply);
        if let Some(command) = command.filter(|_| is_refusal) {
            self.client.record_refusal(command);
        }
    }

    /// A RESP command was cut off by the end of input. As the first one after the unprompted notice it is
    /// taken for set-up: nobody knows.
    pub(super) fn note_cut_off(&mut self) {
        if self.commands == 0 && self.unprompted == Unprompted::Sent {
            self.unprompted = Unprompted::TakenForSetup;
        }
    }

    /// The client takes the unprompted notice for the reply to a command that would get `reply`.
    pub(super) fn take_unprompted(&mut self, reply: &Reply, command: Option<&Command>) {
        if let Some(command) = command {
            self.client.record_refusal(command);
        }
        if self.commands == 1 && !reply.tells_user() {
            self.unprompted = Unprompted::TakenForSetup;
        }
        self.queue.close();
    }
}

/// The account of a session.
#[derive(Debug, Clone, Copy)]
pub struct SessionRecord<'a> {
    /// What the log says about the client.
    pub client: &'a ClientInfo,
    /// What was sent so far.
    pub stats: &'a ReplyStats,
    pub(super) unprompted: Unprompted,
}

impl SessionRecord<'_> {
    /// Whether no command came, nor anything of another protocol.
    pub fn is_silent(&self) -> bool {
        self.client.command.is_none()
            && matches!(self.client.protocol, Protocol::None | Protocol::Proxy)
    }

    /// Whether the notice was sent in full as the reply to the client's own call, as far as this side can
    /// tell: not to a library's set-up, and not in a protocol whose clients cannot read it.
    pub fn told_user(&self) -> bool {
        self.stats.told_user
            && self.unprompted != Unprompted::TakenForSetup
            && self.client.protocol != Protocol::Http2
    }
}
