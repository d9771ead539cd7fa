//! Owns one connection's conversation without its socket: bytes received, answers owed, and what
//! the log will say about it. Must never do I/O or look at a clock, so that it can be replayed.

use super::command::{Command, Form, Library};
use super::encode::Notice;
use super::known_commands::Name;
use super::parser::{Event, LARGEST_COMMAND, Rest, Scanner};
use super::reply_policy::{Answer, Version, answer};
use super::reply_queue::{Batch, Outbox, Tally};
use crate::listener::tls::TlsOutcome;

/// What a connection turned out to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::listener) enum Protocol {
    /// Nothing that could be told.
    #[default]
    None,
    /// RESP arrays.
    Resp,
    /// Redis commands as lines of words.
    Inline,
    /// HTTP/1.
    Http,
    /// TLS.
    Tls,
}

/// What the log says about a conversation, apart from where and when.
#[derive(Debug, Default)]
pub(in crate::listener) struct ClientInfo {
    /// What was spoken first.
    pub(in crate::listener) protocol: Protocol,
    /// The first command's name, fit for the log.
    pub(in crate::listener) command: Option<Name>,
    /// The client's library, where it named itself.
    pub(in crate::listener) library: Option<Box<Named>>,
    /// What became of TLS, where it is ended here and a client asked for it.
    pub(in crate::listener) tls: Option<TlsOutcome>,
}

/// What a client's library says of itself, cut but not escaped.
#[derive(Debug, Default)]
pub(in crate::listener) struct Named {
    pub(in crate::listener) name: Option<Box<[u8]>>,
    pub(in crate::listener) version: Option<Box<[u8]>>,
}

/// What has to be remembered of a conversation in which nothing is owed and no command is under
/// way: all that an idle connection holds of it.
#[derive(Debug, Default)]
pub(in crate::listener) struct ParkedSession {
    heard: ClientInfo,
    scanner: Rest,
    version: Version,
    tally: Tally,
    commands: u64,
    spoken_up: bool,
}

impl ParkedSession {
    /// What the log says about it.
    pub(in crate::listener) fn heard(&self) -> &ClientInfo {
        &self.heard
    }

    /// Answers sent in full so far.
    pub(in crate::listener) fn replies(&self) -> u64 {
        self.tally.sent
    }

    /// Whether the sentence was sent.
    pub(in crate::listener) fn told(&self) -> bool {
        self.tally.told
    }
}

/// One connection's conversation.
#[derive(Debug)]
pub(in crate::listener) struct Session {
    scanner: Scanner,
    version: Version,
    outbox: Outbox,
    heard: ClientInfo,
    commands: u64,
    spoken_up: bool,
}

impl Session {
    /// A conversation that begins.
    pub(in crate::listener) fn new() -> Session {
        Session::limited(LARGEST_COMMAND)
    }

    /// The same, with another limit for one command.
    pub(in crate::listener) fn limited(largest_command: u64) -> Session {
        Session {
            scanner: Scanner::new(largest_command),
            version: Version::default(),
            outbox: Outbox::default(),
            heard: ClientInfo::default(),
            commands: 0,
            spoken_up: false,
        }
    }

    /// What to remember of it until more comes, where nothing is owed and no command is under way.
    /// Nothing of it is left here.
    pub(in crate::listener) fn pause(&mut self) -> Option<ParkedSession> {
        let scanner = self.scanner.rest()?;
        let tally = self.outbox.pause()?;
        Some(ParkedSession {
            heard: std::mem::take(&mut self.heard),
            scanner,
            version: self.version,
            tally,
            commands: self.commands,
            spoken_up: self.spoken_up,
        })
    }

    /// Becomes the conversation that paused.
    pub(in crate::listener) fn resume(&mut self, pause: ParkedSession) {
        let ParkedSession { heard, scanner, version, tally, commands, spoken_up } = pause;
        self.scanner.resume(scanner);
        self.outbox.resume(tally);
        (self.heard, self.version, self.commands, self.spoken_up) =
            (heard, version, commands, spoken_up);
    }

    /// The peer sent `bytes`.
    pub(in crate::listener) fn receive(&mut self, bytes: &[u8]) {
        let Session { scanner, version, outbox, heard, commands, .. } = self;
        scanner.feed(bytes, &mut |event| {
            if outbox.has_ended() {
                return;
            }
            *commands += 1;
            match event {
                Event::Command(command) => {
                    heard.note(command);
                    outbox.owe(answer(command, version));
                }
                Event::Http(command) => {
                    heard.note(command);
                    heard.protocol = Protocol::Http;
                    outbox.owe(Answer::Http { body: !command.is_exactly("HEAD") });
                }
                Event::Tls => {
                    heard.protocol = Protocol::Tls;
                    outbox.owe(Answer::TlsAlert);
                }
                Event::Oversize(command) => {
                    heard.note(command);
                    outbox.owe(Answer::Sentence);
                    outbox.end();
                }
                Event::Malformed => {
                    outbox.owe(Answer::Sentence);
                    outbox.end();
                }
            }
        });
        if self.outbox.has_ended() {
            self.scanner.close();
        }
    }

    /// The peer will send nothing more: what is unfinished is answered, and whoever said nothing
    /// is told all the same.
    pub(in crate::listener) fn end_of_input(&mut self) {
        self.record_partial_command();
        if self.scanner.in_a_command() || (self.scanner.is_untouched() && !self.spoken_up) {
            self.outbox.owe(Answer::Sentence);
        }
        self.scanner.close();
        self.outbox.end();
    }

    /// Says the sentence unasked, once, to a peer that waits for something.
    pub(in crate::listener) fn send_unprompted_notice(&mut self) {
        if !std::mem::replace(&mut self.spoken_up, true) {
            self.outbox.owe(Answer::Sentence);
        }
    }

    /// Ends the conversation from this side; nobody leaves without the sentence.
    pub(in crate::listener) fn close_with_notice(&mut self) {
        self.record_partial_command();
        if !self.outbox.tells() {
            self.outbox.owe(Answer::Sentence);
        }
        self.scanner.close();
        self.outbox.end();
    }

    /// Nothing can be said or heard any more: what lies below broke.
    pub(in crate::listener) fn abort(&mut self) {
        self.scanner.close();
        self.outbox.abandon();
    }

    /// Notes what became of TLS; without a word inside of it, it is what was spoken.
    pub(in crate::listener) fn note_tls(&mut self, outcome: TlsOutcome) {
        self.heard.tls = Some(outcome);
        if self.heard.protocol == Protocol::None {
            self.heard.protocol = Protocol::Tls;
        }
    }

    fn record_partial_command(&mut self) {
        if let Some(command) = self.scanner.begun() {
            self.heard.note(command);
        }
    }

    /// Whether the sentence may be said unasked because nothing was received yet.
    pub(in crate::listener) fn is_silent(&self) -> bool {
        self.scanner.is_untouched() && !self.spoken_up && !self.outbox.has_ended()
    }

    /// Whether it may be said unasked once an unfinished line has rested.
    pub(in crate::listener) fn is_in_a_line(&self) -> bool {
        self.scanner.in_a_line() && !self.spoken_up
    }

    /// Whether every answer is sent and no command is under way.
    pub(in crate::listener) fn is_at_rest(&self) -> bool {
        self.outbox.is_empty() && !self.scanner.in_a_command() && !self.is_silent()
    }

    /// Whether answers wait to be sent.
    pub(in crate::listener) fn owes(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Whether nothing will be said beyond what is owed now.
    pub(in crate::listener) fn has_ended(&self) -> bool {
        self.outbox.has_ended()
    }

    /// Commands received so far.
    pub(in crate::listener) fn commands(&self) -> u64 {
        self.commands
    }

    /// Answers sent in full so far.
    pub(in crate::listener) fn replies(&self) -> u64 {
        self.outbox.sent()
    }

    /// Whether the sentence was sent.
    pub(in crate::listener) fn told(&self) -> bool {
        self.outbox.told()
    }

    /// What the log says about it.
    pub(in crate::listener) fn heard(&self) -> &ClientInfo {
        &self.heard
    }

    /// The bytes that are kept because of what was received.
    pub(in crate::listener) fn kept(&self) -> usize {
        let named = [self.heard.library(), self.heard.library_version()];
        let named: usize = named.into_iter().flatten().map(<[u8]>::len).sum();
        self.scanner.kept() + self.outbox.kept() + named
    }

    /// Whether an answer is owed that names the address that the client meant.
    pub(in crate::listener) fn names_address(&self) -> bool {
        self.outbox.names_address()
    }

    /// Renders the next answers owed, worded by `notice`.
    pub(in crate::listener) fn fill(&self, notice: &Notice, batch: &mut Batch) {
        self.outbox.fill(notice, batch);
    }

    /// Notes that the first `bytes` of the latest batch are sent.
    pub(in crate::listener) fn sent_bytes(&mut self, batch: &Batch, bytes: usize) {
        self.outbox.sent_bytes(batch, bytes);
    }
}

impl ClientInfo {
    /// What the client's library calls itself.
    pub(in crate::listener) fn library(&self) -> Option<&[u8]> {
        self.library.as_ref()?.name.as_deref()
    }

    /// Which version it says it has.
    pub(in crate::listener) fn library_version(&self) -> Option<&[u8]> {
        self.library.as_ref()?.version.as_deref()
    }

    fn named(&mut self) -> &mut Named {
        self.library.get_or_insert_default()
    }

    fn note(&mut self, command: &Command) {
        if self.command.is_none() {
            self.command = Some(command.name_for_log());
            self.protocol = match command.form() {
                Form::Array => Protocol::Resp,
                Form::Inline => Protocol::Inline,
            };
        }
        match command.library() {
            Some((Library::Name, name)) => self.named().name = Some(name.into()),
            Some((Library::Version, version)) => self.named().version = Some(version.into()),
            None => {}
        }
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
