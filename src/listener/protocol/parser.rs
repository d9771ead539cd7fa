//! Incremental parser of what a client sends: RESP arrays of bulk strings, inline commands, and the
//! request line of HTTP/1.
//!
//! Source: the Redis serialization protocol specification, RFC 9112 (HTTP/1.1).
//! Guarantees: the same events however the bytes are split.
//! Never: does I/O, or holds a payload (see [`Command`] for the little that is kept).

use super::command::{Command, Framing};
use super::resp_length::{LengthStep, PartialLength};

/// The most bytes of one command. Redis takes values of 512 MiB; a client that sends as much to a
/// blocked port is stopped halfway.
pub const MAX_COMMAND_BYTES: u64 = 256 << 20;

/// What the parser found.
#[derive(Debug)]
pub enum Event<'a> {
    /// A whole command.
    Command(&'a Command),
    /// The connection began with a request line of HTTP/1. The parser is closed.
    Http(&'a Command),
    /// The bytes are not RESP. The parser is closed.
    Malformed,
    /// A command exceeds the limit. The parser is closed.
    Oversize(&'a Command),
}

/// What the next byte is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The first byte of a command.
    Between,
    /// The number after `*`.
    Words(PartialLength),
    /// The number after `$`.
    Length(PartialLength),
    /// The `$` of a word.
    BeforeWord,
    /// A word of an array, `left` bytes before its end.
    Word { left: u64 },
    /// The CR LF after a word, `left` bytes before its end.
    WordEnd { left: u8 },
    /// An inline command, within a word or between two.
    Line { in_word: bool },
    /// Nothing: all input is ignored.
    Closed,
}

/// Where a parser is, as far as a session needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Before the first command: no byte came, or nothing but blank lines and empty arrays.
    Start,
    /// Between two commands.
    Between,
    /// In an inline command, as a person types it.
    InLine,
    /// In a RESP array.
    InArray,
    /// Input is ignored.
    Closed,
}

/// What an idle connection holds of its parser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ParkedParser {
    /// No command came.
    #[default]
    BeforeFirstCommand,
    /// A command came.
    AfterCommand,
    /// Input is ignored.
    Closed,
}

/// The parser of one connection.
#[derive(Debug)]
pub struct Parser {
    state: State,
    command: Command,
    /// Words of the current array that are still to come.
    words_left: u64,
    /// Bytes that the current command may still have.
    budget: u64,
    max_command_bytes: u64,
    /// No command was complete yet: only the first line can be HTTP's.
    expects_first_command: bool,
}

impl Parser {
    /// A parser for a new connection, for commands of at most `max_command_bytes`.
    pub fn new(max_command_bytes: u64) -> Parser {
        Parser {
            state: State::Between,
            command: Command::default(),
            words_left: 0,
            budget: max_command_bytes,
            max_command_bytes,
            expects_first_command: true,
        }
    }

    /// What to keep of it, if it is between two commands.
    pub fn park(&self) -> Option<ParkedParser> {
        match self.state {
            State::Between if self.expects_first_command => Some(ParkedParser::BeforeFirstCommand),
            State::Between => Some(ParkedParser::AfterCommand),
            State::Closed => Some(ParkedParser::Closed),
            _ => None,
        }
    }

    /// Continues where another parser was parked.
    pub fn resume(&mut self, parked: ParkedParser) {
        self.state = match parked {
            ParkedParser::BeforeFirstCommand | ParkedParser::AfterCommand => State::Between,
            ParkedParser::Closed => State::Closed,
        };
        self.expects_first_command = parked == ParkedParser::BeforeFirstCommand;
        self.budget = self.max_command_bytes;
        self.command.begin(Framing::Array);
    }

    /// Where it is now.
    pub fn position(&self) -> Position {
        match self.state {
            // Of a line that is blank so far nothing is known.
            State::Line { .. } if !self.command.is_empty() => Position::InLine,
            State::Between | State::Line { .. } if self.expects_first_command => Position::Start,
            State::Between | State::Line { .. } => Position::Between,
            State::Words(_)
            | State::Length(_)
            | State::BeforeWord
            | State::Word { .. }
            | State::WordEnd { .. } => Position::InArray,
            State::Closed => Position::Closed,
        }
    }

    /// Reads `bytes`, and reports each event as soon as it is known.
    pub fn feed(&mut self, mut bytes: &[u8], report: &mut dyn FnMut(Event<'_>)) {
        while !bytes.is_empty() {
            // Up to the first byte over the budget and no further, as if the bytes came one by one:
            // else an oversize command would keep more of a word when it comes in large pieces.
            let most = usize::try_from(self.budget).unwrap_or(usize::MAX).saturating_add(1);
            let within = &bytes[..bytes.len().min(most)];
            let taken = match self.state {
                State::Closed => return,
                State::Word { left } => self.word(within, left),
                State::Line { in_word: true } => self.word_of_line(within),
                _ => {
                    self.byte(bytes[0], report);
                    1
                }
            };
            bytes = &bytes[taken..];
            self.charge(taken as u64, report);
        }
    }

    /// The command under way, if at least one byte of its name or its length has come.
    pub fn partial_command(&self) -> Option<&Command> {
        let is_under_way = matches!(self.position(), Position::InLine | Position::InArray);
        (is_under_way && !self.command.is_empty()).then_some(&self.command)
    }

    /// The bytes that are kept of the current command.
    pub fn retained_bytes(&self) -> usize {
        self.command.retained_bytes()
    }

    /// Ignores all further input.
    pub fn close(&mut self) {
        self.state = State::Closed;
    }

    fn byte(&mut self, byte: u8, report: &mut dyn FnMut(Event<'_>)) {
        match self.state {
            State::Between if byte == b'*' => {
                self.begin(Framing::Array);
                self.state = State::Words(PartialLength::default());
            }
            State::Between => {
                self.begin(Framing::Inline);
                self.state = State::Line { in_word: false };
                self.in_line(byte, report);
            }
            State::Words(length) => match length.read(byte) {
                LengthStep::Partial(length) => self.state = State::Words(length),
                LengthStep::Complete(words) => self.words(words),
                LengthStep::Malformed => self.end(Event::Malformed, report),
            },
            State::Length(length) => match length.read(byte) {
                LengthStep::Partial(length) => self.state = State::Length(length),
                LengthStep::Complete(length) => self.length(length, report),
                LengthStep::Malformed => self.end(Event::Malformed, report),
            },
            State::BeforeWord if byte == b'$' => {
                self.state = State::Length(PartialLength::default())
            }
            State::WordEnd { left } => self.word_end(left, report),
            State::Line { .. } => self.in_line(byte, report),
            State::BeforeWord => self.end(Event::Malformed, report),
            State::Word { .. } | State::Closed => {}
        }
    }

    /// An array of `words` begins. Redis ignores empty and null arrays, without a reply.
    fn words(&mut self, words: Option<u64>) {
        self.words_left = words.unwrap_or(0);
        self.state = if self.words_left == 0 { State::Between } else { State::BeforeWord };
    }

    /// A word of `length` bytes begins.
    fn length(&mut self, length: Option<u64>, report: &mut dyn FnMut(Event<'_>)) {
        let Some(left) = length else { return self.end(Event::Malformed, report) };
        self.command.begin_word();
        if left > self.max_command_bytes {
            return self.oversize(report);
        }
        self.state = if left == 0 { State::WordEnd { left: 2 } } else { State::Word { left } };
    }

    fn word(&mut self, bytes: &[u8], left: u64) -> usize {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        self.command.extend_word(&bytes[..taken]);
        self.state = match left - taken as u64 {
            0 => State::WordEnd { left: 2 },
            left => State::Word { left },
        };
        taken
    }

    /// Two bytes end a word; like Redis, this does not check that they are CR LF.
    fn word_end(&mut self, left: u8, report: &mut dyn FnMut(Event<'_>)) {
        if left > 1 {
            self.state = State::WordEnd { left: left - 1 };
            return;
        }
        self.command.end_word();
        self.words_left -= 1;
        if self.words_left > 0 {
            self.state = State::BeforeWord;
        } else {
            self.complete(report);
        }
    }

    fn word_of_line(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.iter().position(|byte| is_blank(*byte)).unwrap_or(bytes.len());
        self.command.extend_word(&bytes[..taken]);
        if taken < bytes.len() {
            self.command.end_word();
            self.state = State::Line { in_word: false };
        }
        taken
    }

    fn in_line(&mut self, byte: u8, report: &mut dyn FnMut(Event<'_>)) {
        let in_word = self.state == State::Line { in_word: true };
        match (in_word, is_blank(byte)) {
            (false, false) => self.command.begin_word(),
            (true, true) => self.command.end_word(),
            _ => {}
        }
        if !is_blank(byte) {
            self.command.extend_word(&[byte]);
            self.state = State::Line { in_word: true };
        } else if byte != b'\n' {
            self.state = State::Line { in_word: false };
        } else if self.command.is_empty() {
            self.state = State::Between;
        } else {
            self.complete(report);
        }
    }

    fn begin(&mut self, framing: Framing) {
        self.command.begin(framing);
        self.budget = self.max_command_bytes;
    }

    fn complete(&mut self, report: &mut dyn FnMut(Event<'_>)) {
        self.state = State::Between;
        if std::mem::take(&mut self.expects_first_command) && self.command.is_http_request() {
            self.state = State::Closed;
            report(Event::Http(&self.command));
        } else {
            report(Event::Command(&self.command));
        }
    }

    fn charge(&mut self, bytes: u64, report: &mut dyn FnMut(Event<'_>)) {
        if self.state == State::Between {
            self.budget = self.max_command_bytes;
        } else if self.state != State::Closed {
            match self.budget.checked_sub(bytes) {
                Some(rest) => self.budget = rest,
                None => self.oversize(report),
            }
        }
    }

    fn oversize(&mut self, report: &mut dyn FnMut(Event<'_>)) {
        self.state = State::Closed;
        report(Event::Oversize(&self.command));
    }

    fn end(&mut self, event: Event<'_>, report: &mut dyn FnMut(Event<'_>)) {
        self.state = State::Closed;
        report(event);
    }
}

fn is_blank(byte: u8) -> bool {
    // isspace(3), by which Redis splits a line, has the vertical tab too.
    byte.is_ascii_whitespace() || byte == 0x0b
}

#[cfg(test)]
#[path = "parser_tests.rs"]
mod tests;
