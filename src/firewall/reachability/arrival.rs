//! Whether the first packet of an outsider's connection gets to a service, of this host or behind it. Runs nothing.

use super::condition::Value;
use super::guesses::Guesses;
use super::packet::{Connection, Destination, Kind, Packet, Way};
use super::rule::{Hook, Ruleset};
use super::walk::{Question, Stoppers, Walk};

/// How often a packet is followed with other guesses. More than that is not known at all.
const MOST_WALKS: usize = 1024;

/// Whether some outsider's packet gets there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// None does.
    No,
    /// One may.
    Perhaps,
    /// One does.
    Sure,
}

/// Whether outsiders get through at a port: for sure only where no rule of anybody stops them. What rules of others
/// stop today is open tomorrow, when their owner loads other ones, so that it is no guard.
pub(super) fn arrival(ruleset: &Ruleset, way: &Way) -> Level {
    let own = over_guesses(ruleset, way, Stoppers::Own, false);
    // Whether there is an outsider that a rule names is not known.
    if own == Level::No && over_guesses(ruleset, way, Stoppers::Own, true) == Level::No {
        return Level::No;
    }
    match over_guesses(ruleset, way, Stoppers::All, false) {
        Level::Sure => Level::Sure,
        _ => Level::Perhaps,
    }
}

fn over_guesses(
    ruleset: &Ruleset,
    way: &Way,
    stoppers: Stoppers,
    takes_named_clients: bool,
) -> Level {
    let guesses = Guesses::of_clients(takes_named_clients);
    let question = Question::Arrives(stoppers);
    let mut walk = Walk { ruleset, queues: &[], question, guesses, found: Vec::new() };
    let first = arrives(&mut walk, way);
    for _ in 0..MOST_WALKS {
        if walk.guesses.plan_next().is_none() {
            return if first { Level::Sure } else { Level::No };
        }
        if arrives(&mut walk, way) != first {
            break;
        }
    }
    Level::Perhaps
}

fn arrives(walk: &mut Walk<'_>, way: &Way) -> bool {
    walk.found.clear();
    let mut packet = Packet::new(way, Kind::Syn, Connection::default());
    for hook in [Hook::Ingress, Hook::BridgePrerouting, Hook::BridgeInput, Hook::Prerouting] {
        walk.hook(hook, &mut packet);
    }
    let is_forwarded = packet.destination == Destination::Elsewhere;
    walk.hook(if is_forwarded { Hook::Forward } else { Hook::Input }, &mut packet);
    // The kernel forwards no packet with a hop limit of 1 (ip_forward() in Linux).
    let ends_here = is_forwarded && packet.hops == Value::Number(1);
    walk.found.is_empty() && !ends_here && packet.destination != Destination::Listener
}
