//! A connection whose client asks what it asked on many connections before.
//!
//! Never: counts a connection twice, or delays redisguard's own question, or a connection that is being
//! closed.

use super::drive::Wakeup;
use super::state::{Connection, Lifecycle};
use crate::listener::clock::Tick;
use crate::listener::protocol::session::Session;
use crate::listener::server::brake::Question;
use crate::listener::server::shared::WorkerState;

impl Connection {
    /// Whether the first question of the connection is one that its source asks again and again. The
    /// tarpit does not delay the same reply: it begins after fifty questions on one connection.
    pub(super) fn asks_again(
        &mut self,
        wakeup: Wakeup,
        session: &Session,
        state: &mut WorkerState,
        now: Tick,
    ) -> bool {
        let is_ending = matches!(wakeup, Wakeup::Close(_) | Wakeup::Abort);
        if self.is_counted || is_ending || state.is_stopping || self.lifecycle != Lifecycle::Open {
            return false;
        }
        let handshake = self.transport.is_handshaking().then_some(Question::TLS);
        let Some(question) = handshake.or_else(|| Question::of(session)) else { return false };
        self.is_counted = true;
        let local = self.local.and_then(|index| state.local_clients.get(index));
        if local.is_some_and(|local| local.is_redisguard(session.record().client)) {
            return false;
        }
        let source = self.source(state);
        state.brake.delays(source, question, now)
    }
}
