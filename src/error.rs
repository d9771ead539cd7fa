//! Owns the one error of the effects: what could not be done, why, and the cure. Only `cli` prints it.

use std::error::Error;
use std::fmt;

/// "could not <verb> <object>: <cause>", and a line with the cure where one is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    what: String,
    cause: String,
    cure: Option<String>,
}

impl Trouble {
    /// `what` is a verb and its object ("write /etc/redisguard/rules.v4").
    pub fn new(what: impl Into<String>, cause: impl fmt::Display) -> Self {
        Self { what: what.into(), cause: cause.to_string(), cure: None }
    }

    /// Adds what the reader can do about it.
    #[must_use]
    pub fn cure(mut self, cure: impl Into<String>) -> Self {
        self.cure = Some(cure.into());
        self
    }

    /// Adds what the reader can do about it, where nothing better is known.
    #[must_use]
    pub fn or_cure(mut self, cure: &str) -> Self {
        self.cure.get_or_insert_with(|| cure.to_owned());
        self
    }

    /// Why it could not be done.
    pub fn cause(&self) -> &str {
        &self.cause
    }

    /// Adds what happened when this was being dealt with.
    #[must_use]
    pub fn and(mut self, more: impl fmt::Display) -> Self {
        self.cause = format!("{}; {more}", self.cause);
        self
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "could not {}: {}", self.what, self.cause)?;
        match &self.cure {
            Some(cure) => write!(formatter, "\n  {cure}"),
            None => Ok(()),
        }
    }
}

impl Error for Trouble {}
