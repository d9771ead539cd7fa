//! Owns what can be wrong with a TOML: the named checks, and every problem with its place and cure,
//! as plain data.

pub(crate) mod explain;
pub(crate) mod render;

use std::ops::Range;

/// The largest TOML that is read, in bytes.
pub const LARGEST_SOURCE: usize = 4 << 20;

/// A TOML's text and the name that its author knows it by.
#[derive(Clone, Debug)]
pub struct Source {
    /// The path as the author gave it.
    pub name: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// Takes the bytes of a file.
    ///
    /// # Errors
    /// One fault where the bytes are not text or far too many.
    pub fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Self, Problems> {
        let refused = |message: String, cure: &str, text: String, span: Range<usize>| {
            let source = Self { name: name.to_owned(), text };
            let problem = Problem::new(Check::Syntax, span, message).help(cure);
            Problems { source, problems: vec![problem] }
        };
        if bytes.len() > LARGEST_SOURCE {
            let message = format!("the file has {} bytes; at most 4 MiB are read", bytes.len());
            return Err(refused(message, "split it into one TOML a site", String::new(), 0..0));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { name: name.to_owned(), text }),
            Err(error) => {
                let place = error.utf8_error().valid_up_to();
                let mut text = error.into_bytes();
                text.truncate(place);
                let text = String::from_utf8_lossy(&text).into_owned();
                let message = format!("byte {} is not UTF-8, so this is not TOML", place + 1);
                Err(refused(message, "save the file as UTF-8 text", text, place..place))
            }
        }
    }
}

macro_rules! checks {
    ($($variant:ident $severity:ident $name:literal $rule:literal;)*) => {
        /// A named rule that a TOML is held against.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Check {$(
            #[doc = $rule]
            $variant,
        )*}

        impl Check {
            /// Every check.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name that messages show.
            pub fn name(self) -> &'static str {
                match self {$(Self::$variant => $name),*}
            }

            /// What is right, in one sentence.
            pub fn rule(self) -> &'static str {
                match self {$(Self::$variant => $rule),*}
            }

            /// Whether a TOML that breaks it stops the work, unless somebody ruled otherwise.
            pub fn severity(self) -> Severity {
                match self {$(Self::$variant => Severity::$severity),*}
            }

            /// The check of that name.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|check| check.name() == name)
            }
        }
    };
}

checks! {
    Syntax Fault "syntax" "The file is TOML in UTF-8, of at most 4 MiB.";
    UnknownKey Fault "unknown-key" "Every key and table is one that redisguard knows.";
    MissingKey Fault "missing-key" "`[contact]`, `[cluster]`, one `[[reserved]]` and `[notice.tls]`, if it is there, have what they need.";
    WrongType Fault "wrong-type" "Every value has the type that its key takes.";
    Choice Fault "choice" "A value with fixed choices is one of them.";
    Number Fault "number" "A number is within the bounds of its key.";
    Port Fault "port" "Ports are 1-65535, ranges run upwards.";
    Text Fault "text" "Titles, labels and names are one printable line that can break out of no format.";
    Contact Fault "contact" "The contact's address and the cluster's host are plain names.";
    Network Fault "network" "Networks are canonical CIDR, IPv4 or IPv6, and let not everyone past.";
    NetworkTwice Fault "network-twice" "No network stands in `allow` twice.";
    Path Fault "path" "The log is an absolute path under /var/log, certificate, key and the file for metrics are absolute paths; documents are relative Markdown files.";
    PathTwice Fault "path-twice" "No document has two roles.";
    ReservedTwice Fault "reserved-twice" "No port is reserved twice.";
    ReservedCluster Fault "reserved-cluster" "No reserved port is a port of the cluster or of its bus.";
    Ssh Fault "ssh" "Port 22 is reserved only with `allow-ssh = true` beside it.";
    NoticePort Fault "notice-port" "The notice port is nobody else's: not reserved, not the cluster's, no bus port, not 22 or 26379.";
    MetricsPort Fault "metrics-port" "The port for metrics is nobody else's: not reserved, not the cluster's, no bus port, not the notice port.";
    PrivilegedListen Fault "privileged-listen" "The unprivileged listener is not asked to listen below port 1024.";
    NoticeLength Fault "notice-length" "The sentence that users see has at most 512 bytes.";
    DropHidesNotice Warning "drop-hides-notice" "Outsiders of a reserved port are told where to go.";
    NobodyTold Warning "nobody-told" "Somebody is told where to go at every reserved port.";
}

/// Whether a problem stops the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Nothing is written.
    Fault,
    /// Printed only.
    Warning,
}

impl Severity {
    /// As messages and annotations call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fault => "error",
            Self::Warning => "warning",
        }
    }
}

/// What an author wants of warnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// This one is a fault.
    Deny(Check),
    /// This one is not printed.
    Allow(Check),
    /// Every one is a fault.
    DenyAll,
}

impl Ruling {
    fn covers(self, check: Check) -> bool {
        match self {
            Self::Deny(ruled) | Self::Allow(ruled) => ruled == check,
            Self::DenyAll => true,
        }
    }
}

/// One thing that is wrong, or may be, with a TOML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which rule it breaks.
    pub check: Check,
    /// Whether it stops the work.
    pub severity: Severity,
    /// The bytes of the TOML that it is about.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub cure: Option<String>,
    /// Another place that has to do with it.
    pub other: Option<(Range<usize>, String)>,
}

impl Problem {
    /// A problem as grave as its check.
    pub fn new(check: Check, span: Range<usize>, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { check, severity: check.severity(), span, message, cure: None, other: None }
    }

    /// Adds what would be right.
    #[must_use]
    pub fn help(mut self, cure: impl Into<String>) -> Self {
        self.cure = Some(cure.into());
        self
    }

    /// Adds another place that has to do with it.
    #[must_use]
    pub fn with(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.other = Some((span, label.into()));
        self
    }
}

/// All that is wrong with one TOML, in the order of its text.
#[derive(Clone, Debug)]
pub struct Problems {
    /// The text that the spans point into.
    pub source: Source,
    /// The problems.
    pub problems: Vec<Problem>,
}

impl Problems {
    /// How many stop the work.
    pub fn faults(&self) -> usize {
        self.problems.iter().filter(|problem| problem.severity == Severity::Fault).count()
    }

    /// Does to the warnings what was ruled about them; of rulings about the same one the last holds.
    /// Faults stay.
    pub fn rule(&mut self, rulings: &[Ruling]) {
        let last = |check: Check| rulings.iter().rev().find(|ruling| ruling.covers(check));
        self.problems.retain_mut(|problem| match last(problem.check) {
            _ if problem.severity == Severity::Fault => true,
            None => true,
            Some(Ruling::Allow(_)) => false,
            Some(Ruling::Deny(_) | Ruling::DenyAll) => {
                problem.severity = Severity::Fault;
                true
            }
        });
    }
}
