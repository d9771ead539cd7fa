//! Parses the lines that the kernel logs for packets that redisguard's rules drop or reset, in every form in
//! which syslog daemons, journalctl, dmesg and collectors write them.
//!
//! Guarantees: a line counts only if the kernel is named as its author, since any user can have the
//! same text logged under another name (logger(1)).

mod entries;
mod header;
mod json;
mod packet;

use self::entries::Entries;
use self::header::{Author, Header, RelativeTime};
use self::json::{Content, Fields};
use super::record::{Attempt, SkipReason, Skipped};
use super::timestamp::{TimestampParser, When};
use memchr::memmem::Finder;
use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

/// The longest message that is parsed, in bytes: one of the kernel has about 1 KiB at most (printk).
const MAX_MESSAGE: usize = 4096;

static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(packet::PREFIX));

/// A packet, and when it was logged as far as the line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Its timestamp is 0.
    pub attempt: Attempt<'static>,
    /// `None` where the line has no time, or only the time since boot.
    pub when: Option<When>,
    /// A number for the message: the same wherever it is logged.
    pub fingerprint: u64,
}

/// What a line is: a packet, a reason to skip it, or a part of an entry that is not over.
pub type Parsed = Result<Logged, Skipped>;

/// Parses the lines of one log, in their order.
#[derive(Clone, Debug, Default)]
pub struct KernelLog {
    /// The form of entries, if they take several lines. `None` until the first line has told.
    entries: Option<Option<Entries>>,
    relative: RelativeTime,
}

impl KernelLog {
    /// Parses one line, without its line end; `None` if it is a part of an entry that is not over.
    pub fn take(&mut self, line: &[u8], timestamps: &mut TimestampParser) -> Option<Parsed> {
        match &mut self.entries {
            Some(None) => Some(self.line(line, timestamps)),
            Some(Some(entries)) => {
                let ended = entries.take(line)?;
                Some(self.entry(ended, timestamps))
            }
            None => {
                // Lines of journalctl itself may come first.
                if !line.is_empty() && !line.starts_with(b"-- ") {
                    self.entries = Some(Entries::detect(without_mark(line)));
                    return self.take(line, timestamps);
                }
                Some(Err(SkipReason::Foreign.into()))
            }
        }
    }

    /// What the end of the log ends.
    pub fn finish(&mut self, timestamps: &mut TimestampParser) -> Option<Parsed> {
        let ended = self.entries.as_mut()?.as_mut()?.finish()?;
        Some(self.entry(ended, timestamps))
    }

    fn line(&mut self, line: &[u8], timestamps: &mut TimestampParser) -> Parsed {
        timestamps.note_first(line);
        if FINDER.find(line).is_none() {
            // Other programs' lines tell the order of dates.
            timestamps.note_date(line);
            self.relative.note(line);
            return Err(SkipReason::Foreign.into());
        }
        self.candidate(&cleaned(line), timestamps)
    }

    /// Parses a line that holds the prefix.
    fn candidate(&mut self, line: &[u8], timestamps: &mut TimestampParser) -> Parsed {
        // The further lines of a message of several are indented; anybody may write one.
        if line.first().is_none_or(u8::is_ascii_whitespace) {
            return Err(SkipReason::Foreign.into());
        }
        let object = line.strip_prefix(b"data: ").unwrap_or(line);
        if object.starts_with(b"{") {
            let fields = json::fields(object).map_err(Skipped::of_kernel)?;
            return self.fields(&fields, None, timestamps);
        }
        let places = || FINDER.find_iter(line);
        let begins = |place: &usize| packet::begins(&line[*place..]);
        let is_cut = |place: &usize| packet::is_cut(&line[*place..]);
        let Some(place) = places().find(begins).or_else(|| places().find(is_cut)) else {
            timestamps.note_date(line);
            return Err(SkipReason::Foreign.into());
        };
        if let Some((when, object)) = fluentd(&line[..place], line, timestamps) {
            let fields = json::fields(object).map_err(Skipped::of_kernel)?;
            return self.fields(&fields, Some(when), timestamps);
        }
        let header = header::parse(&line[..place], timestamps, &mut self.relative);
        logged(header, &line[place..], timestamps)
    }

    fn entry(
        &mut self,
        ended: Result<Fields, SkipReason>,
        timestamps: &mut TimestampParser,
    ) -> Parsed {
        let fields = ended.map_err(Skipped::of_kernel)?;
        self.fields(&fields, None, timestamps)
    }

    fn fields(
        &mut self,
        fields: &Fields,
        outer: Option<When>,
        timestamps: &mut TimestampParser,
    ) -> Parsed {
        match json::content(fields, timestamps) {
            Content::None => Err(SkipReason::Foreign.into()),
            Content::Message(header, message) => {
                let when = header.when.or(outer);
                logged(Header { when, ..header }, message.as_bytes(), timestamps)
            }
            Content::Line(line, when) => {
                let line = cleaned(line.as_bytes()).into_owned();
                if line.starts_with(b"{") {
                    return Err(SkipReason::Foreign.into());
                }
                let mut logged = self.candidate(&line, timestamps)?;
                logged.when = logged.when.or(when).or(outer);
                Ok(logged)
            }
        }
    }
}

/// A packet by what precedes its message.
fn logged(header: Header, message: &[u8], timestamps: &mut TimestampParser) -> Parsed {
    let at = match header.when {
        Some(When::At(at)) => Some(at),
        _ => None,
    };
    let skipped = |reason| Skipped { reason, at, is_kernel: true };
    match header.author {
        Author::Kernel if message.len() > MAX_MESSAGE => Err(skipped(SkipReason::Malformed)),
        Author::Kernel => {
            let attempt = packet::parse(message).map_err(|reason| {
                if let Some(When::Yearless(stamp)) = header.when {
                    timestamps.segment(stamp);
                }
                skipped(reason)
            })?;
            let mut hasher = DefaultHasher::new();
            message.trim_ascii_end().hash(&mut hasher);
            Ok(Logged {
                attempt: Attempt { attempts: header.repeated, ..attempt },
                when: header.when,
                fingerprint: hasher.finish(),
            })
        }
        Author::Other => Err(SkipReason::Foreign.into()),
        Author::Unknown if packet::is_cut(message) => Err(SkipReason::Foreign.into()),
        Author::Unknown => Err(skipped(SkipReason::Unattributed)),
    }
}

/// The time and the object of `TIME <tab> TAG <tab> {…}`, as Fluentd writes files.
fn fluentd<'a>(
    before: &[u8],
    line: &'a [u8],
    timestamps: &mut TimestampParser,
) -> Option<(When, &'a [u8])> {
    let object = memchr::memmem::find(before, b"\t{")? + 1;
    let (when, rest) = timestamps.split_from(before)?;
    rest.starts_with(b"\t").then_some((when, &line[object..]))
}

/// A line without what marks the beginning of a text or a record: a byte order mark, the separator of
/// RFC 7464, and the zeros of a file that a crash has left.
fn without_mark(line: &[u8]) -> &[u8] {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let begin = line.iter().position(|byte| !matches!(byte, 0 | 0x1e)).unwrap_or(line.len());
    &line[begin..]
}

/// A line without such marks, without colours (ECMA-48, CSI sequences) and without blanks at its end.
fn cleaned(line: &[u8]) -> Cow<'_, [u8]> {
    const ESCAPE: u8 = 0x1b;
    let line = without_mark(line).trim_ascii_end();
    if memchr::memchr(ESCAPE, line).is_none() {
        return Cow::Borrowed(line);
    }
    let mut plain = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some((byte, after)) = rest.split_first() {
        rest = match (byte, after) {
            (&ESCAPE, [b'[', sequence @ ..]) => {
                let end = sequence.iter().position(|byte| (b'@'..=b'~').contains(byte));
                end.map_or(&[][..], |end| &sequence[end + 1..])
            }
            _ => {
                plain.push(*byte);
                after
            }
        };
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests;
