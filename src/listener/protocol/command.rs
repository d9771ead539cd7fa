//! Owns what is remembered of one command while its bytes go by: its name, how many words it
//! has, and the few short words that the answer depends on. Must never hold a key, a value, a
//! user or a password: [`Command::kept`] is the whole list of what is kept.

use super::known_commands;
use super::known_commands::Name;

/// One byte more than a name may have, so that a longer one is seen to be longer.
const NAME_KEPT: usize = 33;
/// Enough for every subcommand, option and attribute that is told apart.
const WORD_KEPT: usize = 16;
/// What a library may call itself in the log, before escaping.
const LIBRARY_KEPT: usize = 64;
/// The longest argument that ECHO gives back; the mark of `redis-cli --pipe` has 20 bytes.
pub(in crate::listener) const ECHO_KEPT: usize = 512;
/// The options of HELLO go through one slot, one after the other.
const OPTION_SLOT: usize = 2;

/// How the last word of a request line begins.
const HTTP_VERSION: &[u8] = b"HTTP/";

/// How a command was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::listener) enum Form {
    /// As a RESP array of bulk strings.
    Array,
    /// As a line of words.
    Inline,
}

/// The start of a word, and how long it was.
#[derive(Debug, Default)]
struct Word {
    start: Vec<u8>,
    keep: usize,
    length: u64,
}

impl Word {
    fn reset(&mut self, keep: usize) {
        self.start.clear();
        self.keep = keep;
        self.length = 0;
    }

    fn whole(&self) -> Option<&[u8]> {
        (self.length == self.start.len() as u64).then_some(self.start.as_slice())
    }

    fn is(&self, name: &str) -> bool {
        self.whole().is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()))
    }
}

/// What is remembered of one command.
#[derive(Debug)]
pub(in crate::listener) struct Command {
    form: Form,
    words: u64,
    kept: [Word; 4],
    slot: Option<usize>,
    /// Where the next option of HELLO stands; `None` once one made no sense.
    hello_option: Option<u64>,
    /// How far the latest word has been `HTTP/` so far; `None` once it is another word.
    http: Option<usize>,
}

impl Command {
    pub(in crate::listener) fn new() -> Command {
        Command {
            form: Form::Array,
            words: 0,
            kept: Default::default(),
            slot: None,
            hello_option: Some(2),
            http: None,
        }
    }

    /// Forgets the last command; another begins.
    pub(in crate::listener) fn begin(&mut self, form: Form) {
        self.form = form;
        self.words = 0;
        self.hello_option = Some(2);
        self.kept.iter_mut().for_each(|word| word.reset(0));
        self.slot = None;
        self.http = None;
    }

    /// The next word begins.
    pub(in crate::listener) fn begin_word(&mut self) {
        let place = self.kept(self.words);
        self.words += 1;
        self.http = (self.form == Form::Inline).then_some(0);
        self.slot = place.map(|(slot, keep)| {
            self.kept[slot].reset(keep);
            slot
        });
    }

    /// More bytes of the present word.
    pub(in crate::listener) fn extend_word(&mut self, bytes: &[u8]) {
        if let Some(known) = self.http {
            let awaited = &HTTP_VERSION[known..];
            let compared = awaited.len().min(bytes.len());
            let same = awaited[..compared] == bytes[..compared];
            self.http = same.then_some(known + compared);
        }
        if let Some(slot) = self.slot {
            let word = &mut self.kept[slot];
            let room = word.keep.saturating_sub(word.start.len()).min(bytes.len());
            word.start.extend_from_slice(&bytes[..room]);
            word.length += bytes.len() as u64;
        }
    }

    /// The present word is complete.
    pub(in crate::listener) fn end_word(&mut self) {
        let position = self.words.saturating_sub(1);
        if self.hello_option == Some(position) && self.is("HELLO") {
            let option = &self.kept[OPTION_SLOT];
            self.hello_option = if option.is("AUTH") {
                Some(position + 3)
            } else if option.is("SETNAME") {
                Some(position + 2)
            } else {
                None
            };
        }
        self.slot = None;
    }

    /// Which slot keeps how much of the word at `position`: all that is ever kept.
    fn kept(&self, position: u64) -> Option<(usize, usize)> {
        match position {
            0 => Some((0, NAME_KEPT)),
            1 if self.is("ECHO") => Some((1, ECHO_KEPT)),
            1 if self.is("HELLO") || self.is("CLIENT") || self.is("CLUSTER") => {
                Some((1, WORD_KEPT))
            }
            2 if self.is_client("SETINFO") => Some((2, WORD_KEPT)),
            3 if self.is_client("SETINFO") && self.library_attribute().is_some() => {
                Some((3, LIBRARY_KEPT))
            }
            _ if self.hello_option == Some(position) && self.is("HELLO") => {
                Some((OPTION_SLOT, WORD_KEPT))
            }
            _ => None,
        }
    }

    /// How many bytes are kept.
    pub(in crate::listener) fn bytes_kept(&self) -> usize {
        self.kept.iter().map(|word| word.start.capacity()).sum()
    }

    /// How it was written.
    pub(in crate::listener) fn form(&self) -> Form {
        self.form
    }

    /// How many words follow the name.
    pub(in crate::listener) fn arguments(&self) -> u64 {
        self.words.saturating_sub(1)
    }

    /// Whether no word has come yet.
    pub(in crate::listener) fn is_empty(&self) -> bool {
        self.words == 0
    }

    /// Whether the name is `name`, in any case.
    pub(in crate::listener) fn is(&self, name: &str) -> bool {
        self.kept[0].is(name)
    }

    /// Whether the name is `name` to the letter.
    pub(in crate::listener) fn is_exactly(&self, name: &str) -> bool {
        self.kept[0].whole() == Some(name.as_bytes())
    }

    /// Whether the word after the name is `name`, in any case (only where it is kept).
    pub(in crate::listener) fn subcommand_is(&self, name: &str) -> bool {
        self.words > 1 && self.kept[1].is(name)
    }

    fn is_client(&self, subcommand: &str) -> bool {
        self.is("CLIENT") && self.subcommand_is(subcommand)
    }

    /// The first argument of HELLO or ECHO, unless it was too long to keep.
    pub(in crate::listener) fn first_argument(&self) -> Option<&[u8]> {
        if self.words > 1 { self.kept[1].whole() } else { None }
    }

    /// Whether everything after HELLO's version is `AUTH user password` and `SETNAME name`.
    pub(in crate::listener) fn hello_options_fit(&self) -> bool {
        self.words <= 2 || self.hello_option == Some(self.words)
    }

    fn library_attribute(&self) -> Option<Library> {
        let attribute = &self.kept[2];
        if attribute.is("LIB-NAME") {
            Some(Library::Name)
        } else if attribute.is("LIB-VER") {
            Some(Library::Version)
        } else {
            None
        }
    }

    /// What `CLIENT SETINFO` says about the client's library; long values come cut.
    pub(in crate::listener) fn library(&self) -> Option<(Library, &[u8])> {
        if self.words != 4 || !self.is_client("SETINFO") {
            return None;
        }
        Some((self.library_attribute()?, &self.kept[3].start))
    }

    /// The name for the log, `other` where it is none that is known.
    pub(in crate::listener) fn name_for_log(&self) -> Name {
        self.kept[0].whole().and_then(known_commands::known).unwrap_or(Name::OTHER)
    }

    /// Whether this line is the request line of HTTP/1 (RFC 9112, section 3).
    pub(in crate::listener) fn is_http_request(&self) -> bool {
        let verb = self.kept[0].whole().unwrap_or_default();
        self.form == Form::Inline
            && self.words >= 2
            && !verb.is_empty()
            && verb.iter().all(|byte| byte.is_ascii_uppercase())
            && self.http == Some(HTTP_VERSION.len())
    }
}

/// What of a library `CLIENT SETINFO` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::listener) enum Library {
    /// `LIB-NAME`.
    Name,
    /// `LIB-VER`.
    Version,
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
