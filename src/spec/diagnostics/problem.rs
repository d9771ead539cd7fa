//! Problems with a TOML: what is wrong, where, and how to fix it, as plain data.

use super::check::{Check, Severity};
use std::ops::Range;

/// The largest TOML that is read, in bytes.
pub const LARGEST_SOURCE: usize = 4 << 20;

/// The text of a TOML and its path as messages show it.
#[derive(Clone, Debug)]
pub struct Source {
    /// The path as the author gave it.
    pub name: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// Decodes the bytes of a file.
    ///
    /// # Errors
    /// One problem, if the bytes are not UTF-8 or more than [`LARGEST_SOURCE`].
    pub fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Self, Problems> {
        let refused = |message: String, help: &str, text: String, span: Range<usize>| {
            let source = Self { name: name.to_owned(), text };
            let problem = Problem::new(Check::Syntax, span, message).help(help);
            Problems { source, problems: vec![problem] }
        };
        if bytes.len() > LARGEST_SOURCE {
            let message = format!("the file has {} bytes; at most 4 MiB are read", bytes.len());
            return Err(refused(message, "split it into one TOML a site", String::new(), 0..0));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { name: name.to_owned(), text }),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let mut text = error.into_bytes();
                text.truncate(valid);
                let text = String::from_utf8_lossy(&text).into_owned();
                let message = format!("byte {} is not UTF-8, so this is not TOML", valid + 1);
                Err(refused(message, "save the file as UTF-8 text", text, valid..valid))
            }
        }
    }
}

/// A change of how warnings are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LintLevel {
    /// Treats one warning as an error.
    Deny(Check),
    /// Silences one warning.
    Allow(Check),
    /// Treats every warning as an error.
    DenyAll,
}

impl LintLevel {
    fn applies_to(self, check: Check) -> bool {
        match self {
            Self::Deny(named) | Self::Allow(named) => named == check,
            Self::DenyAll => true,
        }
    }
}

/// One error or warning about a TOML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The rule that is broken.
    pub check: Check,
    /// The check's severity, as the lint levels leave it.
    pub severity: Severity,
    /// The bytes of the TOML that it is about.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// How to fix it.
    pub help: Option<String>,
    /// Another place in the TOML that explains it, with a label.
    pub related: Option<(Range<usize>, String)>,
}

impl Problem {
    /// A problem with the severity of its check.
    pub fn new(check: Check, span: Range<usize>, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { check, severity: check.severity(), span, message, help: None, related: None }
    }

    /// A required key that is absent; `help` follows "add".
    pub fn missing(key: &str, help: &str, offset: usize) -> Self {
        Self::new(Check::MissingKey, offset..offset, format!("`{key}` is missing"))
            .help(format!("add {help}"))
    }

    /// Adds how to fix it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds another place in the TOML that explains it.
    #[must_use]
    pub fn related(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.related = Some((span, label.into()));
        self
    }
}

/// Every error and warning about one TOML, in the order of its text.
#[derive(Clone, Debug)]
pub struct Problems {
    /// The text that the spans point into.
    pub source: Source,
    /// The problems.
    pub problems: Vec<Problem>,
}

impl Problems {
    /// How many problems are errors.
    pub fn error_count(&self) -> usize {
        self.problems.iter().filter(|problem| problem.severity == Severity::Error).count()
    }

    /// Applies lint levels to the warnings; the last level that applies to a warning wins. Errors stay.
    pub fn apply_lint_levels(&mut self, levels: &[LintLevel]) {
        let last = |check: Check| levels.iter().rev().find(|level| level.applies_to(check));
        self.problems.retain_mut(|problem| match last(problem.check) {
            _ if problem.severity == Severity::Error => true,
            None => true,
            Some(LintLevel::Allow(_)) => false,
            Some(LintLevel::Deny(_) | LintLevel::DenyAll) => {
                problem.severity = Severity::Error;
                true
            }
        });
    }
}
