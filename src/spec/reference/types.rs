//! What the reference records of a table and of a key.

use std::fmt;

/// One table of the TOML.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name; `notice.tls` is the table `tls` inside of `notice`.
    pub name: &'static str,
    /// How often the TOML has it.
    pub occurrence: Occurrence,
    /// What it configures.
    pub about: &'static str,
    /// Its keys, in the order in which they are best written.
    pub keys: &'static [Key],
}

impl Table {
    /// Its header as the TOML writes it: `[name]` or `[[name]]`.
    pub fn header(&self) -> String {
        match self.occurrence {
            Occurrence::Repeated => format!("[[{}]]", self.name),
            Occurrence::Once | Occurrence::Optional => format!("[{}]", self.name),
        }
    }
}

/// How often the TOML has a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occurrence {
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
    /// The values that it accepts.
    pub kind: Kind,
    /// What applies where the TOML leaves it out.
    pub default: Default,
    /// What it means: one or two sentences.
    pub about: &'static str,
    /// A value as the TOML writes it.
    pub example: &'static str,
}

/// The values that a key accepts.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// One printable line of at most this many bytes.
    Line(usize),
    /// A TOML date.
    Date,
    /// An e-mail address.
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
    /// An array of the named choices, each at most once.
    Choices(&'static [(&'static str, &'static str)]),
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
    /// The address of a page.
    WebAddress,
    /// The name of a label of scrape targets.
    TargetLabel,
    /// A nested table.
    Table,
}

/// What applies where the TOML leaves a key out.
#[derive(Clone, Copy, Debug)]
pub enum Default {
    /// Nothing: the key is required.
    Required,
    /// No value; these words say what follows.
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
    /// As the TOML writes it; `None` where there is no default value.
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
    /// Meaning, accepted values and default in whole sentences, as the schema shows them in an editor.
    pub fn description(&self) -> String {
        let mut text = self.about.to_owned();
        match self.kind {
            Kind::Choice(choices) => {
                let choices: Vec<String> =
                    choices.iter().map(|(name, why)| format!("\"{name}\" ({why})")).collect();
                text.push_str(&format!(" One of {}.", choices.join(", ")));
            }
            Kind::Choices(choices) => {
                let choices: Vec<String> =
                    choices.iter().map(|(name, why)| format!("\"{name}\" ({why})")).collect();
                text.push_str(&format!(" An array of {}.", choices.join(", ")));
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
    /// The accepted values, to follow "it takes".
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
            Self::Choices(_) => "an array of its choices",
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
            Self::WebAddress => "an http or https address without a fragment",
            Self::TargetLabel => "a label's name: letters, digits and _",
            Self::Table => "a table",
        };
        formatter.write_str(words)
    }
}
