//! Owns the reference: every table and key of the TOML with its type, default and meaning, as plain
//! data. What is not here is refused; defaults and bounds are read from here, and the JSON Schema is
//! made of it.

mod defaults;
mod tables;

pub use self::tables::TABLES;

use std::fmt;
use std::ops::RangeInclusive;

/// One table of the TOML.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name; a dot leads into a table's table.
    pub name: &'static str,
    /// How often it stands in the TOML.
    pub given: Given,
    /// What it says.
    pub about: &'static str,
    /// Its keys, in the order in which they are best written.
    pub keys: &'static [Key],
}

/// How often a table stands in the TOML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// Exactly once.
    Once,
    /// Once or not at all.
    Optional,
    /// At least once: `[[name]]`.
    Repeated,
}

/// One key of a table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What holds where it is not given.
    pub default: Default,
    /// What it means: one or two sentences.
    pub about: &'static str,
    /// A value as the TOML writes it.
    pub example: &'static str,
}

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// One printable line of at most so many bytes.
    Line(usize),
    /// A TOML date.
    Date,
    /// An address of mail.
    Email,
    /// A host name or an IP address.
    Host,
    /// One port.
    Port,
    /// One port or one range.
    Range,
    /// Ports, ranges, and lists of both.
    Ports,
    /// One of the named choices, each with its meaning.
    Choice(&'static [(&'static str, &'static str)]),
    /// `true` or `false`.
    Flag,
    /// An integer from the first to the second.
    Number(u64, u64),
    /// An array of networks.
    Networks,
    /// The log's path.
    Log,
    /// A PEM file's path on the guarded host.
    Pem,
    /// The path of a file for node_exporter on the guarded host.
    Textfile,
    /// A Markdown file's path.
    Document,
    /// An array of Markdown files' paths.
    Documents,
    /// A table of its own.
    Table,
}

/// What holds where a key is not given.
#[derive(Clone, Copy, Debug)]
pub enum Default {
    /// Nothing does: it must be given.
    Required,
    /// What this says in words.
    Without(&'static str),
    /// This text.
    Text(&'static str),
    /// This number.
    Number(u64),
    /// This flag.
    Flag(bool),
    /// An empty array.
    Empty,
}

impl Default {
    /// As the TOML writes it; `None` where it is no value.
    pub fn toml(self) -> Option<String> {
        match self {
            Self::Required | Self::Without(_) => None,
            Self::Text(text) => Some(format!("\"{text}\"")),
            Self::Number(number) => Some(number.to_string()),
            Self::Flag(flag) => Some(flag.to_string()),
            Self::Empty => Some("[]".to_owned()),
        }
    }
}

impl Key {
    /// All that is to be said of it, in whole sentences: what the schema shows in an editor.
    pub fn description(&self) -> String {
        let mut text = self.about.to_owned();
        match self.kind {
            Kind::Choice(choices) => {
                let choices: Vec<String> =
                    choices.iter().map(|(name, why)| format!("\"{name}\" ({why})")).collect();
                text.push_str(&format!(" One of {}.", choices.join(", ")));
            }
            Kind::Table => {}
            kind => text.push_str(&format!(" It takes {kind}.")),
        }
        match self.default {
            Default::Required => text.push_str(" It must be given."),
            Default::Without(what) => text.push_str(&format!(" Without it: {what}.")),
            default => {
                text.push_str(&format!(" Default: {}.", default.toml().unwrap_or_default()));
            }
        }
        text
    }
}

impl fmt::Display for Kind {
    /// What is right, to be read behind "it takes".
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::Line(most) => {
                return write!(
                    formatter,
                    "one printable line of at most {most} bytes, without \" \\ ` $ < > {{ }}"
                );
            }
            Self::Number(least, most) => {
                return write!(formatter, "a number from {least} to {most}");
            }
            Self::Choice(_) => "one of its choices",
            Self::Date => "a date without quotes",
            Self::Email => "a plain address of mail",
            Self::Host => "a host name or an IP address",
            Self::Port => "a port from 1024 to 65535",
            Self::Range => "a port or a range of ports, 1 to 65535",
            Self::Ports => "a port, a range of ports, or a list of both, 1 to 65535",
            Self::Flag => "true or false",
            Self::Networks => "an array of networks in CIDR form, without host bits",
            Self::Log => "an absolute path below /var/log",
            Self::Pem => "an absolute path of letters, digits and / . _ -",
            Self::Textfile => "an absolute path of letters, digits and / . _ - that ends in .prom",
            Self::Document => "a relative path that ends in .md",
            Self::Documents => "an array of relative paths that end in .md",
            Self::Table => "a table",
        };
        formatter.write_str(words)
    }
}

/// The table of that name.
pub fn table(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}

/// The key of that name in the table of that name.
pub fn key(table_name: &str, name: &str) -> Option<&'static Key> {
    table(table_name)?.keys.iter().find(|key| key.name == name)
}

/// The default of a text or a choice.
///
/// # Panics
/// Where the reference has none; so do those below.
pub(super) fn text(table: &str, name: &str) -> &'static str {
    match key(table, name).map(|key| key.default) {
        Some(Default::Text(text)) => text,
        other => unreachable!("{table}.{name} has no text for a default but {other:?}"),
    }
}

/// The default of a number.
pub(super) fn number(table: &str, name: &str) -> u64 {
    match key(table, name).map(|key| key.default) {
        Some(Default::Number(number)) => number,
        other => unreachable!("{table}.{name} has no number for a default but {other:?}"),
    }
}

/// The bounds of a number.
pub(super) fn bounds(table: &str, name: &str) -> RangeInclusive<u64> {
    match key(table, name).map(|key| key.kind) {
        Some(Kind::Number(least, most)) => least..=most,
        other => unreachable!("{table}.{name} is no number but {other:?}"),
    }
}

/// The most bytes of a line.
pub(super) fn longest(table: &str, name: &str) -> usize {
    match key(table, name).map(|key| key.kind) {
        Some(Kind::Line(most)) => most,
        other => unreachable!("{table}.{name} is no line but {other:?}"),
    }
}
