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

    /// Adds what happened when this was being dealt with, unless it is the same once more. Of another
    /// trouble that is what and why: the cure is one, and stands at the end.
    #[must_use]
    pub fn and(mut self, more: impl fmt::Display) -> Self {
        let more = format!("{more:#}");
        if !format!("{self:#}").contains(&more) {
            self.cause = format!("{}; {more}", self.cause);
        }
        self
    }
}

/// With the cure below it; the alternate form (`{:#}`) is one line without, to be part of another text.
impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "could not {}: {}", self.what, self.cause)?;
        match &self.cure {
            Some(cure) if !formatter.alternate() => write!(formatter, "\n  {cure}"),
            _ => Ok(()),
        }
    }
}

impl Error for Trouble {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_told_once_and_the_cure_stays_one_at_the_end() {
        let read = || Trouble::new("read a", "it is gone").cure("bring it back");
        let write = Trouble::new("write b", "the disk is full").cure("free some space");
        let told = write.clone().and(read()).and(read()).and("nothing was changed").to_string();
        let cause = "could not write b: the disk is full; could not read a: it is gone; \
                     nothing was changed";
        assert_eq!(told, format!("{cause}\n  free some space"));
        assert_eq!(write.clone().and(&write), write);
    }
}
