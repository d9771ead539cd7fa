//! Entries that take several lines: journalctl's `export`, `verbose` and `json-pretty`, and `dmesg --json`.
//!
//! Guarantees: a text in an entry cannot be taken for another field or entry, and an entry takes bounded memory.

use super::json::{self, Fields};
use crate::report::record::SkipReason;
use std::mem;

/// The longest entry that is kept, in bytes. The kernel's have about two thousand.
const MAX_ENTRY: usize = 64 * 1024;
/// How far verbose output indents a field. The further lines of a value are indented by more.
const INDENT: &[u8] = b"    ";
/// The only fields that are kept.
const KEPT: [&str; 3] = ["MESSAGE", "_TRANSPORT", "__REALTIME_TIMESTAMP"];

/// What an ended entry is.
pub type Ended = Option<Result<Fields, SkipReason>>;

/// A form of entries with several lines, and what is known of the present one.
#[derive(Clone, Debug)]
pub enum Entries {
    /// systemd's export format: a field a line, and an empty line between entries.
    Export { fields: Fields, binary: Option<Binary> },
    /// A line with the time, and a field a line, indented.
    Verbose { fields: Fields },
    /// JSON objects over several lines: the text of the present one, and how many objects are open in it.
    Json { text: Vec<u8>, depth: usize },
}

/// A field whose value has line ends: its name, eight bytes of length (little endian), the value and a line end.
#[derive(Clone, Debug)]
pub struct Binary {
    head: Vec<u8>,
    /// How many bytes follow; `None` before the length is complete.
    left: Option<u64>,
}

impl Binary {
    /// Takes a line with its end; whether the field is over.
    fn take(&mut self, line: &[u8]) -> bool {
        for byte in line.iter().chain(b"\n") {
            match &mut self.left {
                Some(0) => return true,
                Some(left) => *left -= 1,
                None => {
                    self.head.push(*byte);
                    let length = <[u8; 8]>::try_from(self.head.as_slice()).ok();
                    // The line end after the value belongs to the field.
                    self.left = length.map(|bytes| u64::from_le_bytes(bytes).saturating_add(1));
                }
            }
        }
        self.left == Some(0)
    }
}

impl Entries {
    /// The form that a log begins with; `None` where each line is an entry.
    pub fn detect(first: &[u8]) -> Option<Entries> {
        let first = first.trim_ascii_end();
        match first.trim_ascii() {
            b"{" | b"[" => Some(Entries::Json { text: Vec::new(), depth: 0 }),
            _ if first.starts_with(b"__CURSOR=") || first.starts_with(b"__REALTIME_TIMESTAMP=") => {
                Some(Entries::Export { fields: Fields::new(), binary: None })
            }
            _ if first.ends_with(b"]") && memchr::memmem::find(first, b" [s=").is_some() => {
                Some(Entries::Verbose { fields: Fields::new() })
            }
            _ => None,
        }
    }

    /// Takes a line; the entry that it ends, if it ends one.
    pub fn take(&mut self, line: &[u8]) -> Ended {
        let is_binary = matches!(self, Entries::Export { binary: Some(_), .. });
        let line = if is_binary { line } else { line.strip_suffix(b"\r").unwrap_or(line) };
        match self {
            Entries::Export { binary: Some(field), fields: _ } => {
                if field.take(line) {
                    *self = Entries::Export { fields: self.fields(), binary: None };
                }
                None
            }
            Entries::Export { fields, .. } if line.is_empty() => Some(Ok(mem::take(fields))),
            Entries::Export { fields, binary } => {
                if !keep(fields, line) {
                    *binary = Some(Binary { head: Vec::new(), left: None });
                }
                None
            }
            Entries::Verbose { fields } => match line.strip_prefix(INDENT) {
                Some(field) => {
                    if !field.starts_with(b" ") {
                        keep(fields, field);
                    }
                    None
                }
                None => {
                    let ended = mem::take(fields);
                    if let Some(time) = line.split(|byte| *byte == b'[').next() {
                        let time = String::from_utf8_lossy(time.trim_ascii()).into_owned();
                        fields.insert("timestamp".to_owned(), time);
                    }
                    Some(Ok(ended))
                }
            },
            Entries::Json { text, depth } => take_json(text, depth, line),
        }
    }

    /// The entry that the end of the log ends.
    pub fn finish(&mut self) -> Ended {
        match self {
            Entries::Export { binary: Some(_), .. } => None,
            Entries::Json { text, .. } => {
                let is_cut = memchr::memmem::find(text, super::packet::PREFIX).is_some();
                is_cut.then_some(Err(SkipReason::Torn))
            }
            _ => Some(Ok(self.fields())),
        }
    }

    fn fields(&mut self) -> Fields {
        match self {
            Entries::Export { fields, .. } | Entries::Verbose { fields } => mem::take(fields),
            Entries::Json { .. } => Fields::new(),
        }
    }
}

/// Keeps `NAME=VALUE`, if the field is one that is needed; whether the line is such a field.
fn keep(fields: &mut Fields, line: &[u8]) -> bool {
    let Some(end) = line.iter().position(|byte| *byte == b'=') else { return false };
    let name = KEPT.iter().find(|name| name.as_bytes() == &line[..end]);
    if let Some(name) = name {
        let value = String::from_utf8_lossy(&line[end + 1..]).into_owned();
        fields.insert((*name).to_owned(), value);
    }
    true
}

fn take_json(text: &mut Vec<u8>, depth: &mut usize, line: &[u8]) -> Ended {
    let line = line.trim_ascii();
    if line.starts_with(b"{") && line.len() > 1 {
        return Some(object(line.strip_suffix(b",").unwrap_or(line)));
    }
    let mut ended = None;
    if line.starts_with(b"}") && *depth > 0 {
        *depth -= 1;
        text.extend_from_slice(if *depth == 0 { b"}" } else { line });
        if *depth == 0 {
            ended = Some(object(text));
            text.clear();
        }
    } else if *depth > 0 && text.len() + line.len() < MAX_ENTRY {
        text.extend_from_slice(line);
        *depth += usize::from(line.ends_with(b"{"));
    }
    // An object in a list is an entry of its own; one with a name is a part of its entry.
    if line == b"{" || (*depth == 0 && line.ends_with(b"{")) {
        (*text, *depth) = (b"{".to_vec(), 1);
    }
    ended
}

/// A JSON object's fields, if it may hold a message of redisguard's.
fn object(text: &[u8]) -> Result<Fields, SkipReason> {
    match memchr::memmem::find(text, super::packet::PREFIX) {
        Some(_) => json::fields(text),
        None => Ok(Fields::new()),
    }
}
