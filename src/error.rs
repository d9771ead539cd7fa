//! The error of everything that has effects: action, cause, help and kind. Only `cli` prints it.

use std::{fmt, io};

/// What sort of cause an error has, for code that must decide: the words are for people alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorKind {
    /// A program that is needed is not on this host.
    NotInstalled,
    /// A file or directory does not exist.
    NotFound,
    /// Something took longer than it may.
    Timeout,
    /// A disk or quota is full.
    NoSpace,
    /// A file of redisguard's own cannot be read or understood.
    Damaged,
    /// Anything else.
    #[default]
    Other,
}

impl From<io::ErrorKind> for ErrorKind {
    fn from(kind: io::ErrorKind) -> Self {
        match kind {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::TimedOut => Self::Timeout,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace,
            _ => Self::Other,
        }
    }
}

/// "could not <verb> <object>: <cause>", and a line of help where any is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    action: String,
    cause: String,
    help: Option<String>,
    kind: ErrorKind,
}

impl Error {
    /// An error of kind [`ErrorKind::Other`]. `action` is a verb and its object
    /// ("write /etc/redisguard/rules.v4").
    pub fn new(action: impl Into<String>, cause: impl fmt::Display) -> Self {
        let (action, cause) = (action.into(), cause.to_string());
        Self { action, cause, help: None, kind: ErrorKind::Other }
    }

    /// The same for an error of the operating system, whose kind is kept.
    pub fn io(action: impl Into<String>, cause: &io::Error) -> Self {
        Self::new(action, cause).of_kind(cause.kind().into())
    }

    /// Sets the kind.
    #[must_use]
    pub fn of_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// Adds what the reader can do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds what the reader can do about it, where nothing better is known.
    #[must_use]
    pub fn or_help(mut self, help: &str) -> Self {
        self.help.get_or_insert_with(|| help.to_owned());
        self
    }

    /// Why it could not be done.
    pub fn cause(&self) -> &str {
        &self.cause
    }

    /// What sort of cause it has.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Adds what happened while this error was being handled, unless it is already said. Of another
    /// [`Error`] that is its action and cause; the help stays one, at the end.
    #[must_use]
    pub fn and(mut self, more: impl fmt::Display) -> Self {
        let more = format!("{more:#}");
        if !format!("{self:#}").contains(&more) {
            self.cause = format!("{}; {more}", self.cause);
        }
        self
    }
}

/// With the help below it; the alternate form (`{:#}`) is one line without, to be part of another text.
impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "could not {}: {}", self.action, self.cause)?;
        match &self.help {
            Some(help) if !formatter.alternate() => write!(formatter, "\n  {help}"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_said_once_and_one_help_stays_at_the_end() {
        let read = || Error::new("read a", "it is gone").help("bring it back");
        let write = Error::new("write b", "the disk is full").help("free some space");
        let text = write.clone().and(read()).and(read()).and("nothing was changed").to_string();
        let cause = "could not write b: the disk is full; could not read a: it is gone; \
                     nothing was changed";
        assert_eq!(text, format!("{cause}\n  free some space"));
        assert_eq!(write.clone().and(&write), write);
    }

    #[test]
    fn the_kind_of_an_operating_system_error_is_kept() {
        for (given, kept) in [
            (io::ErrorKind::NotFound, ErrorKind::NotFound),
            (io::ErrorKind::StorageFull, ErrorKind::NoSpace),
            (io::ErrorKind::PermissionDenied, ErrorKind::Other),
        ] {
            assert_eq!(Error::io("read a", &given.into()).and("more").kind(), kept, "{given}");
        }
    }
}
