//! Owns what can be wrong with a TOML, and how its author is told: every problem at once, each with
//! its check's name, file:line:column, the underlined span and the cure.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
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
            let problem = Problem::fault(Check::Syntax, span, message).cure(cure);
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
    ($($variant:ident $name:literal $explanation:literal;)*) => {
        /// A named rule that a TOML is held against.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Check {$(
            #[doc = $explanation]
            $variant,
        )*}

        impl Check {
            /// Every check.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name that messages show.
            pub fn name(self) -> &'static str {
                match self {$(Self::$variant => $name),*}
            }
        }
    };
}

checks! {
    Syntax "syntax" "The file is TOML in UTF-8, of at most 4 MiB.";
    UnknownKey "unknown-key" "Every key and table is one that redisguard knows.";
    MissingKey "missing-key" "`[contact]`, `[cluster]`, one `[[reserved]]` and `[notice.tls]`, if it is there, have what they need.";
    WrongType "wrong-type" "Every value has the type that its key takes.";
    Choice "choice" "A value with fixed choices is one of them.";
    Number "number" "A number is within the bounds of its key.";
    Port "port" "Ports are 1-65535, ranges run upwards.";
    Text "text" "Titles, labels and names are one printable line that can break out of no format.";
    Contact "contact" "The contact's address and the cluster's host are plain names.";
    Network "network" "Networks are canonical CIDR, IPv4 or IPv6, and let not everyone past.";
    NetworkTwice "network-twice" "No network stands in `allow` twice.";
    Path "path" "The log is an absolute path under /var/log, certificate and key are absolute paths; documents are relative Markdown files.";
    PathTwice "path-twice" "No document has two roles.";
    ReservedTwice "reserved-twice" "No port is reserved twice.";
    ReservedCluster "reserved-cluster" "No reserved port is a port of the cluster or of its bus.";
    Ssh "ssh" "Port 22 is reserved only with `allow-ssh = true` beside it.";
    NoticePort "notice-port" "The notice port is nobody else's: not reserved, not the cluster's, no bus port, not 22 or 26379.";
    PrivilegedListen "privileged-listen" "The unprivileged listener is not asked to listen below port 1024.";
    NoticeLength "notice-length" "The sentence that users see has at most 512 bytes.";
    DropHidesNotice "drop-hides-notice" "Outsiders of a port that drops them never see the notice.";
    NobodyTold "nobody-told" "A port with `listen = \"never\"` and no redirect tells nobody anything.";
}

/// Whether a problem stops the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Nothing is written.
    Fault,
    /// Printed only.
    Warning,
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
    /// A problem that stops the work.
    pub fn fault(check: Check, span: Range<usize>, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { check, severity: Severity::Fault, span, message, cure: None, other: None }
    }

    /// A problem that is only printed.
    pub fn warning(check: Check, span: Range<usize>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::fault(check, span, message) }
    }

    /// Adds what would be right.
    #[must_use]
    pub fn cure(mut self, cure: impl Into<String>) -> Self {
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

    /// Makes every warning a fault.
    pub fn deny_warnings(&mut self) {
        for problem in &mut self.problems {
            problem.severity = Severity::Fault;
        }
    }

    /// The text for the author, with colours if `colour`; ends with a line feed.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(100);
        let mut text = String::new();
        for problem in &self.problems {
            text.push_str(renderer.render(&[self.group(problem)]).trim_end());
            text.push_str("\n\n");
        }
        text
    }

    fn group<'a>(&'a self, problem: &'a Problem) -> Group<'a> {
        let level = match problem.severity {
            Severity::Fault => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let primary = AnnotationKind::Primary.span(self.within(&problem.span));
        let mut snippet =
            Snippet::source(&self.source.text).path(&self.source.name).annotation(primary);
        if let Some((span, label)) = &problem.other {
            let span = self.within(span);
            snippet = snippet.annotation(AnnotationKind::Context.span(span).label(label.as_str()));
        }
        let title = level.primary_title(&problem.message).id(problem.check.name());
        let group = title.element(snippet);
        match &problem.cure {
            Some(cure) => group.element(Level::HELP.message(cure.as_str())),
            None => group,
        }
    }

    /// The span, cut to the text and to one line, and to characters' bounds.
    fn within(&self, span: &Range<usize>) -> Range<usize> {
        let text = &self.source.text;
        let start = floor_boundary(text, span.start.min(text.len()));
        let line_end = text[start..].find('\n').map_or(text.len(), |length| start + length);
        let end = floor_boundary(text, span.end.clamp(start, line_end.max(start)));
        start..end
    }
}

fn floor_boundary(text: &str, mut place: usize) -> usize {
    while !text.is_char_boundary(place) {
        place -= 1;
    }
    place
}
