//! Owns the reading of what a client sends: RESP arrays of bulk strings and inline commands
//! (the Redis serialization protocol), the request line of HTTP/1 and the first two bytes of
//! TLS. A pure machine: bytes in, events out, the same events however the bytes are split.
//! Must never do I/O, and never hold a payload (see [`Command`] for the little it keeps).

use super::command::{Command, Form};
use super::resp_length::{Number, Progress};

/// The most bytes that one command may have before it counts as oversize.
pub(in crate::listener) const LARGEST_COMMAND: u64 = 256 << 20;

/// What the bytes said.
#[derive(Debug)]
pub(in crate::listener) enum Event<'a> {
    /// A whole command went by.
    Command(&'a Command),
    /// A request line of HTTP/1 opened the connection; nothing after it is looked at.
    Http(&'a Command),
    /// A TLS record opened the connection; nothing after it is looked at.
    Tls,
    /// These bytes are not RESP; nothing after them is looked at.
    Malformed,
    /// One command went past the limit; nothing after it is looked at.
    Oversize(&'a Command),
}

/// Where between two bytes the machine stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first byte.
    Start,
    /// After a first byte 0x16.
    PerhapsTls,
    /// Before a command.
    Between,
    /// In the number after `*`.
    Words(Number),
    /// In the number after `$`.
    Length(Number),
    /// Before the `$` of a word.
    BeforeWord,
    /// In a word of an array, this many bytes before its end.
    Word { left: u64 },
    /// In the CR LF after a word.
    WordEnd { left: u8 },
    /// In an inline command, and whether in a word.
    Line { in_word: bool },
    /// Nothing counts any more.
    Deaf,
}

/// What has to be remembered of a machine that stands between two commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::listener) enum Rest {
    /// No byte has come yet.
    #[default]
    Untouched,
    /// Bytes came, but no command yet.
    Uncommanded,
    /// A command came.
    Commanded,
    /// Nothing counts any more.
    Deaf,
}

/// The machine.
#[derive(Debug)]
pub(in crate::listener) struct Scanner {
    state: State,
    command: Command,
    /// Words of the present array that are still to come.
    words_left: u64,
    /// Bytes that the present command may still have.
    allowance: u64,
    largest: u64,
    first_command: bool,
}

impl Scanner {
    /// A machine for a new connection, for commands of at most `largest` bytes.
    pub(in crate::listener) fn new(largest: u64) -> Scanner {
        Scanner {
            state: State::Start,
            command: Command::new(),
            words_left: 0,
            allowance: largest,
            largest,
            first_command: true,
        }
    }

    /// What to remember of it, where it stands between two commands.
    pub(in crate::listener) fn rest(&self) -> Option<Rest> {
        match self.state {
            State::Start => Some(Rest::Untouched),
            State::Between if self.first_command => Some(Rest::Uncommanded),
            State::Between => Some(Rest::Commanded),
            State::Deaf => Some(Rest::Deaf),
            _ => None,
        }
    }

    /// Goes on where another machine rested.
    pub(in crate::listener) fn resume(&mut self, rest: Rest) {
        self.state = match rest {
            Rest::Untouched => State::Start,
            Rest::Uncommanded | Rest::Commanded => State::Between,
            Rest::Deaf => State::Deaf,
        };
        self.first_command = matches!(rest, Rest::Untouched | Rest::Uncommanded);
        self.allowance = self.largest;
        self.command.begin(Form::Array);
    }

    /// Whether no byte has come yet.
    pub(in crate::listener) fn is_untouched(&self) -> bool {
        self.state == State::Start
    }

    /// Reads `bytes` and reports each event as soon as it is known.
    pub(in crate::listener) fn feed(
        &mut self,
        mut bytes: &[u8],
        report: &mut dyn FnMut(Event<'_>),
    ) {
        while !bytes.is_empty() {
            // Up to the byte that is too many and no further, as if they came one by one.
            let most = usize::try_from(self.allowance).unwrap_or(usize::MAX).saturating_add(1);
            let within = &bytes[..bytes.len().min(most)];
            let taken = match self.state {
                State::Deaf => return,
                State::Word { left } => self.word(within, left),
                State::Line { in_word: true } => self.word_of_line(within),
                _ => {
                    self.byte(bytes[0], report);
                    1
                }
            };
            bytes = &bytes[taken..];
            self.spend(taken as u64, report);
        }
    }

    /// Whether a line was begun and not ended, so that a person may be waiting.
    pub(in crate::listener) fn in_a_line(&self) -> bool {
        matches!(
            self.state,
            State::PerhapsTls
                | State::Line { .. }
                | State::Words(_)
                | State::Length(_)
                | State::BeforeWord
        )
    }

    /// Whether a command was begun and not ended.
    pub(in crate::listener) fn in_a_command(&self) -> bool {
        self.in_a_line() || matches!(self.state, State::Word { .. } | State::WordEnd { .. })
    }

    /// The command that was begun, where its name is known to be complete or cut off.
    pub(in crate::listener) fn begun(&self) -> Option<&Command> {
        (self.in_a_command() && !self.command.is_empty()).then_some(&self.command)
    }

    /// The bytes that are kept of the present command.
    pub(in crate::listener) fn kept(&self) -> usize {
        self.command.bytes_kept()
    }

    /// Stops listening: whatever comes is discarded.
    pub(in crate::listener) fn close(&mut self) {
        self.state = State::Deaf;
    }

    fn byte(&mut self, byte: u8, report: &mut dyn FnMut(Event<'_>)) {
        match self.state {
            State::Start if byte == 0x16 => self.state = State::PerhapsTls,
            State::PerhapsTls if byte == 0x03 => self.end(Event::Tls, report),
            State::PerhapsTls => {
                self.begin(Form::Inline);
                self.command.begin_word();
                self.command.extend_word(&[0x16]);
                self.state = State::Line { in_word: true };
                self.in_line(byte, report);
            }
            State::Start | State::Between if byte == b'*' => {
                self.begin(Form::Array);
                self.state = State::Words(Number::default());
            }
            State::Start | State::Between => {
                self.begin(Form::Inline);
                self.state = State::Line { in_word: false };
                self.in_line(byte, report);
            }
            State::Words(number) => match number.read(byte) {
                Progress::Unfinished(number) => self.state = State::Words(number),
                Progress::Finished(words) => self.words(words),
                Progress::Malformed => self.end(Event::Malformed, report),
            },
            State::Length(number) => match number.read(byte) {
                Progress::Unfinished(number) => self.state = State::Length(number),
                Progress::Finished(length) => self.length(length, report),
                Progress::Malformed => self.end(Event::Malformed, report),
            },
            State::BeforeWord if byte == b'$' => self.state = State::Length(Number::default()),
            State::WordEnd { left } => self.word_end(left, report),
            State::Line { .. } => self.in_line(byte, report),
            State::BeforeWord => self.end(Event::Malformed, report),
            State::Word { .. } | State::Deaf => {}
        }
    }

    /// An array of so many words begins. Redis passes over empty and null ones in silence.
    fn words(&mut self, words: Option<u64>) {
        self.words_left = words.unwrap_or(0);
        self.state = if self.words_left == 0 { State::Between } else { State::BeforeWord };
    }

    /// A word of so many bytes begins.
    fn length(&mut self, length: Option<u64>, report: &mut dyn FnMut(Event<'_>)) {
        let Some(left) = length else { return self.end(Event::Malformed, report) };
        self.command.begin_word();
        if left > self.largest {
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

    /// The line end of a word is not looked at, as in Redis.
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
        if byte == b'\n' {
            if in_word {
                self.command.end_word();
            }
            if self.command.is_empty() {
                self.state = State::Between;
            } else {
                self.complete(report);
            }
        } else if is_blank(byte) {
            if in_word {
                self.command.end_word();
            }
            self.state = State::Line { in_word: false };
        } else {
            if !in_word {
                self.command.begin_word();
            }
            self.command.extend_word(&[byte]);
            self.state = State::Line { in_word: true };
        }
    }

    fn begin(&mut self, form: Form) {
        self.command.begin(form);
        self.allowance = self.largest;
    }

    fn complete(&mut self, report: &mut dyn FnMut(Event<'_>)) {
        self.state = State::Between;
        if std::mem::take(&mut self.first_command) && self.command.is_http_request() {
            self.state = State::Deaf;
            report(Event::Http(&self.command));
        } else {
            report(Event::Command(&self.command));
        }
    }

    fn spend(&mut self, bytes: u64, report: &mut dyn FnMut(Event<'_>)) {
        if self.state == State::Between {
            self.allowance = self.largest;
        } else if self.state != State::Deaf {
            match self.allowance.checked_sub(bytes) {
                Some(rest) => self.allowance = rest,
                None => self.oversize(report),
            }
        }
    }

    fn oversize(&mut self, report: &mut dyn FnMut(Event<'_>)) {
        self.state = State::Deaf;
        report(Event::Oversize(&self.command));
    }

    fn end(&mut self, event: Event<'_>, report: &mut dyn FnMut(Event<'_>)) {
        self.state = State::Deaf;
        report(event);
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c)
}

#[cfg(test)]
#[path = "parser_tests.rs"]
mod tests;
