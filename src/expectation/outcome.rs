//! What a client of a port gets: silence, a refusal, the notice or another answer.

use std::fmt;
use std::str::FromStr;

/// The beginning of the notice as an error of the Redis protocol. The port follows.
pub const NOTICE_PREFIX: &str = "-PORTCLOSED ";

/// What a client got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No answer within the time: the packets are dropped.
    Silence,
    /// A reset: nothing listens, or a rule rejects.
    Refused,
    /// The notice, as an error of the Redis protocol.
    Notice(String),
    /// Another server's first line; empty if it only closed the connection.
    Served(String),
    /// A connection, but no answer within the time: another server waits for the client.
    Mute,
    /// Another error of the operating system.
    Failed(String),
}

/// An [`Outcome`] without its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutcomeKind {
    /// [`Outcome::Silence`].
    Silence,
    /// [`Outcome::Refused`].
    Refused,
    /// [`Outcome::Notice`].
    Notice,
    /// [`Outcome::Served`].
    Served,
    /// [`Outcome::Mute`].
    Mute,
    /// [`Outcome::Failed`].
    Failed,
}

impl OutcomeKind {
    /// Its name in JSON and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Silence => "silence",
            Self::Refused => "refused",
            Self::Notice => "notice",
            Self::Served => "served",
            Self::Mute => "mute",
            Self::Failed => "failed",
        }
    }
}

impl Outcome {
    /// The outcome without its text.
    pub fn kind(&self) -> OutcomeKind {
        match self {
            Self::Silence => OutcomeKind::Silence,
            Self::Refused => OutcomeKind::Refused,
            Self::Notice(_) => OutcomeKind::Notice,
            Self::Served(_) => OutcomeKind::Served,
            Self::Mute => OutcomeKind::Mute,
            Self::Failed(_) => OutcomeKind::Failed,
        }
    }

    /// The name of its kind.
    pub fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// The port that the notice names, if it is one.
    pub fn notice_port(&self) -> Option<u16> {
        let Self::Notice(text) = self else { return None };
        text.strip_prefix(NOTICE_PREFIX)?.split(' ').next()?.parse().ok()
    }
}

/// The name of its kind and its text: one line, which [`Outcome::from_str`] parses.
impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence | Self::Refused | Self::Mute => formatter.write_str(self.name()),
            Self::Notice(text) | Self::Served(text) | Self::Failed(text) => {
                write!(formatter, "{} {text}", self.name())
            }
        }
    }
}

impl FromStr for Outcome {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let (name, text) = line.split_once(' ').unwrap_or((line, ""));
        Ok(match name {
            "silence" => Self::Silence,
            "refused" => Self::Refused,
            "mute" => Self::Mute,
            "notice" => Self::Notice(text.to_owned()),
            "served" => Self::Served(text.to_owned()),
            "failed" => Self::Failed(text.to_owned()),
            _ => return Err(format!("unknown outcome: {line}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_parsed_from_its_own_text() {
        let text = || "-PORTCLOSED 6379 (x) is blocked".to_owned();
        for outcome in [
            Outcome::Silence,
            Outcome::Refused,
            Outcome::Mute,
            Outcome::Notice(text()),
            Outcome::Served(String::new()),
            Outcome::Failed("No route to host".to_owned()),
        ] {
            assert_eq!(outcome.to_string().parse(), Ok(outcome.clone()));
            assert_eq!(outcome.to_string().split(' ').next(), Some(outcome.kind().name()));
        }
        assert_eq!(Outcome::Notice(text()).notice_port(), Some(6379));
        assert_eq!(Outcome::Served(text()).notice_port(), None);
    }
}
