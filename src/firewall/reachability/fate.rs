//! Follows a client's connection to the listener and back. Runs nothing.

use super::guesses::Guesses;
use super::packet::{Connection, Kind, Packet, Way};
use super::rule::{Hook, Place, Ruleset};
use super::walk::{Obstruction, Question, Walk};
use crate::family::Family;

/// How often a connection is followed with other guesses. More than that is not known at all.
const MOST_WALKS: usize = 128;

/// What becomes of a connection: nothing stops it where no obstruction is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Known(Vec<Obstruction>),
    /// This decides, and cannot be judged.
    Unknown(Place),
}

/// What becomes of a connection that an outsider opens. `queues` are those that a program reads.
pub(super) fn fate(ruleset: &Ruleset, way: &Way, queues: &[u16]) -> Fate {
    let (question, guesses) = (Question::Told, Guesses::default());
    let mut walk = Walk { ruleset, queues, question, guesses, found: Vec::new() };
    connection(&mut walk, way);
    let first = std::mem::take(&mut walk.found);
    for _ in 0..MOST_WALKS {
        let Some(changed) = walk.guesses.plan_next() else { return Fate::Known(first) };
        connection(&mut walk, way);
        let found = std::mem::take(&mut walk.found);
        if first.is_empty() != found.is_empty() {
            // All walks before this one had the same fate: the changed answer makes the difference.
            return Fate::Unknown(walk.guesses.place(changed));
        }
    }
    Fate::Unknown(walk.guesses.place(0))
}

fn connection(walk: &mut Walk<'_>, way: &Way) {
    let discovery = [Kind::Solicitation, Kind::Advertisement];
    let discovers = way.family == Family::V6 && way.discovers;
    let first = discovery.into_iter().filter(|_| discovers);
    let mut connection = Connection { mark: Some(0), ..Connection::default() };
    for kind in first.chain([Kind::Syn, Kind::SynAck, Kind::Data, Kind::Notice]) {
        let mut packet = Packet::new(way, kind, connection);
        let hooks = if kind.is_inbound() { Hook::INBOUND } else { Hook::OUTBOUND };
        for hook in hooks {
            walk.hook(hook, &mut packet);
        }
        connection = packet.connection;
    }
}
