//! The brake on clients that connect again at once after each refusal, as connection pools do whose check
//! fails: 24,342 connections in 5 seconds were seen from one program. A source that asks the same question
//! again and again gets its replies later, and connects less often by that.
//!
//! Guarantees: another question of the same source, and any question of another, is not delayed.
//! Never: holds more than a bounded number of questions, or refuses one.

use std::collections::HashMap;
use std::time::Duration;

use crate::listener::clock::Tick;
use crate::listener::protocol::client_info::Protocol;
use crate::listener::protocol::known_commands::CommandName;
use crate::listener::protocol::session::Session;
use crate::listener::source::Source;

/// Connections with one question that a source may make at once: a few pools of ten, or of one program with
/// a connection for each of its threads. `status` asks 32 at most.
const BURST: u32 = 50;
/// A source that has used these up gets one back in this time. Checks that run every few seconds in many
/// programs behind one address stay below it, and at ten a second they cost less than a thousandth of a
/// core.
const INTERVAL: Duration = Duration::from_millis(100);
/// Questions that are counted one by one; with more of them, further ones are not delayed.
const MAX_QUESTIONS: usize = 4096;
/// How often forgotten questions are looked for while no more fit, at most: that visits all.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// What a client wants and does not get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Question {
    protocol: Protocol,
    /// The command that is refused, where the protocol has commands.
    command: Option<CommandName>,
}

impl Question {
    /// A TLS handshake: it costs more than all that may follow, and a client that does not trust the
    /// certificate asks nothing else.
    pub const TLS: Question = Question { protocol: Protocol::Tls, command: None };

    /// The question of a session that is about to send its refusal; `None` where the client only gets
    /// what its library asked to set it up, or has asked nothing.
    pub fn of(session: &Session) -> Option<Question> {
        let client = session.record().client;
        let question = Question { protocol: client.protocol, command: client.refused };
        let is_asked = question.command.is_some()
            || (session.is_closing() && question.protocol != Protocol::None);
        (is_asked && session.owes_replies() && session.carries_notice()).then_some(question)
    }
}

/// The questions that were asked lately.
#[derive(Debug, Default)]
pub struct Brake {
    /// Until when each would take at one for every [`INTERVAL`].
    busy_until: HashMap<(Source, Question), Tick>,
    swept: Option<Tick>,
    /// Questions that were delayed.
    pub delayed: u64,
}

impl Brake {
    /// Counts one connection of `source` with `question`. Returns whether its reply is to be delayed.
    pub fn delays(&mut self, source: Source, question: Question, now: Tick) -> bool {
        let key = (source, question);
        if self.busy_until.len() >= MAX_QUESTIONS && !self.busy_until.contains_key(&key) {
            if self.swept.is_none_or(|swept| now.since(swept) >= SWEEP_INTERVAL) {
                self.swept = Some(now);
                self.busy_until.retain(|_, until| *until > now);
            }
            if self.busy_until.len() >= MAX_QUESTIONS {
                return false;
            }
        }
        let until = self.busy_until.entry(key).or_insert(now);
        let next = (*until).max(now).after(INTERVAL);
        if next.since(now) > INTERVAL * BURST {
            self.delayed += 1;
            return true;
        }
        *until = next;
        false
    }
}

#[cfg(test)]
#[path = "brake_tests.rs"]
mod tests;
