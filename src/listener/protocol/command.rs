//! What is kept of one command while its bytes pass: the name, the number of words, and the few short
//! words that the reply depends on.
//!
//! Never: keeps a key, a value, a user or a password. [`Command::retention`] is the whole list of what
//! is kept.

use super::known_commands::CommandName;

/// One byte more than the longest name in `known_commands.txt` may have, so that a longer word does
/// not pass for its beginning.
const NAME_BYTES: usize = 33;
/// The longest words that are told apart, `MAINT_NOTIFICATIONS` for example, fit.
const WORD_BYTES: usize = 20;
/// The most that is kept for the log of a client's name, or its library's name or version, before
/// escaping.
const STATED_BYTES: usize = 64;
/// The longest argument that ECHO returns; the mark of `redis-cli --pipe` has 20 bytes.
pub const MAX_ECHO_BYTES: usize = 512;
/// The slot that holds the options of HELLO, one after the other.
const OPTION_SLOT: usize = 2;
/// The slot that holds what the client states about itself.
const STATED_SLOT: usize = 3;

/// The attributes of a client library that `CLIENT SETINFO` sets.
pub const LIB_NAME: &str = "LIB-NAME";
pub const LIB_VER: &str = "LIB-VER";

/// The beginning of a request line's last word (RFC 9112, section 3).
const HTTP_VERSION: &[u8] = b"HTTP/";

/// How a command was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Framing {
    /// As a RESP array of bulk strings.
    #[default]
    Array,
    /// As a line of words (an "inline command").
    Inline,
}

/// The beginning of a word, and the length of the whole.
#[derive(Debug, Default)]
struct Word {
    start: Vec<u8>,
    /// The most bytes that `start` may have.
    limit: usize,
    length: u64,
}

impl Word {
    fn reset(&mut self, limit: usize) {
        self.start.clear();
        self.limit = limit;
        self.length = 0;
    }

    /// The word, unless it was cut.
    fn whole(&self) -> Option<&[u8]> {
        (self.length == self.start.len() as u64).then_some(self.start.as_slice())
    }

    fn is(&self, name: &str) -> bool {
        self.whole().is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()))
    }
}

/// What is kept of one command; [`Command::begin`] comes first.
#[derive(Debug, Default)]
pub struct Command {
    framing: Framing,
    /// Words begun so far, the name included.
    words: u64,
    kept: [Word; 4],
    /// The slot of the current word; `None` if nothing of it is kept.
    slot: Option<usize>,
    /// The position of HELLO's next option; `None` after an option that is not known, because any word
    /// behind it may be a password.
    next_hello_option: Option<u64>,
    /// The position of the client's name in HELLO.
    hello_name: Option<u64>,
    /// How many bytes of `HTTP/` the current word has matched; `None` once it differs.
    http_matched: Option<usize>,
}

impl Command {
    /// Drops what was kept; another command begins.
    pub fn begin(&mut self, framing: Framing) {
        self.framing = framing;
        self.words = 0;
        self.next_hello_option = Some(2);
        self.hello_name = None;
        self.kept.iter_mut().for_each(|word| word.reset(0));
        self.slot = None;
        self.http_matched = None;
    }

    /// The next word begins.
    pub fn begin_word(&mut self) {
        let retention = self.retention(self.words);
        self.words += 1;
        self.http_matched = (self.framing == Framing::Inline).then_some(0);
        self.slot = retention.map(|(slot, limit)| {
            self.kept[slot].reset(limit);
            slot
        });
    }

    /// More bytes of the current word.
    pub fn extend_word(&mut self, bytes: &[u8]) {
        if let Some(matched) = self.http_matched {
            let expected = &HTTP_VERSION[matched..];
            let compared = expected.len().min(bytes.len());
            let same = expected[..compared] == bytes[..compared];
            self.http_matched = same.then_some(matched + compared);
        }
        if let Some(slot) = self.slot {
            let word = &mut self.kept[slot];
            let room = word.limit.saturating_sub(word.start.len()).min(bytes.len());
            word.start.extend_from_slice(&bytes[..room]);
            word.length += bytes.len() as u64;
        }
    }

    /// The current word is complete.
    pub fn end_word(&mut self) {
        let position = self.words.saturating_sub(1);
        if self.next_hello_option == Some(position) && self.name_is("HELLO") {
            let option = &self.kept[OPTION_SLOT];
            self.next_hello_option = if option.is("AUTH") {
                Some(position + 3)
            } else if option.is("SETNAME") {
                self.hello_name = Some(position + 1);
                Some(position + 2)
            } else {
                None
            };
        }
        self.slot = None;
    }

    /// The slot for the word at `position`, and how many bytes of the word it keeps; `None` for words of
    /// which nothing is kept.
    fn retention(&self, position: u64) -> Option<(usize, usize)> {
        match position {
            0 => Some((0, NAME_BYTES)),
            1 if self.name_is("ECHO") => Some((1, MAX_ECHO_BYTES)),
            1 if self.name_is("HELLO") || self.name_is("CLIENT") || self.name_is("CLUSTER") => {
                Some((1, WORD_BYTES))
            }
            2 if self.is_client("SETINFO") => Some((2, WORD_BYTES)),
            2 if self.is_client("SETNAME") => Some((STATED_SLOT, STATED_BYTES)),
            3 if self.sets(LIB_NAME) || self.sets(LIB_VER) => Some((STATED_SLOT, STATED_BYTES)),
            _ if self.hello_name == Some(position) => Some((STATED_SLOT, STATED_BYTES)),
            _ if self.next_hello_option == Some(position) && self.name_is("HELLO") => {
                Some((OPTION_SLOT, WORD_BYTES))
            }
            _ => None,
        }
    }

    /// The heap bytes held.
    pub fn retained_bytes(&self) -> usize {
        self.kept.iter().map(|word| word.start.capacity()).sum()
    }

    /// How it was sent.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// The number of words after the name.
    pub fn arguments(&self) -> u64 {
        self.words.saturating_sub(1)
    }

    /// Whether no word has come yet.
    pub fn is_empty(&self) -> bool {
        self.words == 0
    }

    /// Whether the name is `name`, in any case.
    pub fn name_is(&self, name: &str) -> bool {
        self.kept[0].is(name)
    }

    /// Whether the name is `name`, in the same case.
    pub fn name_is_exactly(&self, name: &str) -> bool {
        self.kept[0].whole() == Some(name.as_bytes())
    }

    /// Whether the word after the name is `name`, in any case; false for words that are not kept.
    pub fn subcommand_is(&self, name: &str) -> bool {
        self.words > 1 && self.kept[1].is(name)
    }

    fn is_client(&self, subcommand: &str) -> bool {
        self.name_is("CLIENT") && self.subcommand_is(subcommand)
    }

    /// The first argument of HELLO or ECHO; `None` if it was cut.
    pub fn first_argument(&self) -> Option<&[u8]> {
        if self.words > 1 { self.kept[1].whole() } else { None }
    }

    /// Whether `CLIENT SETINFO` sets `attribute`.
    fn sets(&self, attribute: &str) -> bool {
        self.is_client("SETINFO") && self.kept[2].is(attribute)
    }

    /// What `CLIENT SETINFO` says about `attribute`, [`LIB_NAME`] or [`LIB_VER`]; long values are cut.
    pub fn library(&self, attribute: &str) -> Option<&[u8]> {
        (self.words == 4 && self.sets(attribute)).then_some(&self.kept[STATED_SLOT].start)
    }

    /// The client's own name, from `CLIENT SETNAME` or the option of HELLO; a long one is cut.
    pub fn client_name(&self) -> Option<&[u8]> {
        let is_stated = self.hello_name.is_some_and(|position| self.words > position)
            || (self.words == 3 && self.is_client("SETNAME"));
        is_stated.then_some(&self.kept[STATED_SLOT].start)
    }

    /// The name for the log: `other` unless it is a known command, because an unknown word may be a
    /// password.
    pub fn name_for_log(&self) -> CommandName {
        self.kept[0].whole().and_then(CommandName::find).unwrap_or(CommandName::OTHER)
    }

    /// Whether this line is the request line of HTTP/1 (RFC 9112, section 3).
    pub fn is_http_request(&self) -> bool {
        let method = self.kept[0].whole().unwrap_or_default();
        self.framing == Framing::Inline
            && self.words >= 2
            && !method.is_empty()
            && method.iter().all(|byte| byte.is_ascii_uppercase())
            && self.http_matched == Some(HTTP_VERSION.len())
    }
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
