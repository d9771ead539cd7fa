//! What a client of a port gets: silence, a refusal, the notice or another answer.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The beginning of the notice as an error of the Redis protocol. The port follows.
pub const NOTICE_PREFIX: &str = "-PORTCLOSED ";

/// What a client got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// An [`Outcome`] without its text; displayed as it is serialised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
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

impl fmt::Display for OutcomeKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(formatter)
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

    /// The port that the notice names, if it is one.
    pub fn notice_port(&self) -> Option<u16> {
        let Self::Notice(text) = self else { return None };
        text.strip_prefix(NOTICE_PREFIX)?.split(' ').next()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_a_notice_is_in_its_text_and_no_other_outcome_has_one() {
        let text = || "-PORTCLOSED 6379 (x) is blocked".to_owned();
        assert_eq!(Outcome::Notice(text()).notice_port(), Some(6379));
        assert_eq!(Outcome::Served(text()).notice_port(), None);
    }

    #[test]
    fn a_kind_is_displayed_as_it_is_serialised_and_padded() {
        assert_eq!(format!("{:<9}|", OutcomeKind::Silence), "silence  |");
    }
}
