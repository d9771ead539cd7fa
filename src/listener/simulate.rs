//! Owns the replaying of a conversation without a socket: what the property tests and the fuzz
//! target in `tests/fuzz` look at. Must never do I/O, nor be used by the listener.

use super::protocol::encode::Notice;
use super::protocol::parser::LARGEST_COMMAND;
use super::protocol::reply_queue::Batch;
use super::protocol::session::Session;

/// How the other side behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// How many bytes of answers it reads after each piece that it sent; the rest at the end.
    pub reads: usize,
    /// From how many bytes on a command of it counts as oversize.
    pub largest_command: u64,
}

impl Default for Peer {
    /// A peer that reads everything at once, with the listener's own limit.
    fn default() -> Peer {
        Peer { reads: usize::MAX, largest_command: LARGEST_COMMAND }
    }
}

/// What became of a conversation. Only [`Replay::most_kept`] may depend on how the input was split
/// and on how the peer reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// All bytes that were said.
    pub wire: Vec<u8>,
    /// Commands received, whole or ended by a fault of theirs.
    pub commands: u64,
    /// Answers said in full.
    pub replies: u64,
    /// Whether the sentence was among them, or what stands for it.
    pub told: bool,
    /// What the log would say of it.
    pub heard: String,
    /// The most bytes that were kept for the conversation at any time.
    pub most_kept: usize,
}

/// The sentence that replayed conversations are told.
pub const SENTENCE: &str = "PORTCLOSED 6379 is blocked here.";

/// Has a peer send `pieces`, then end, and read everything.
pub fn replay<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, peer: Peer) -> Replay {
    let notice = Notice { sentence: SENTENCE.into(), port: 6379, address: [127, 0, 0, 1].into() };
    let mut dialogue = Session::limited(peer.largest_command);
    let (mut wire, mut most_kept, mut batch) = (Vec::new(), 0, Batch::default());
    for piece in pieces {
        dialogue.receive(piece);
        most_kept = most_kept.max(dialogue.kept());
        read(&mut dialogue, &notice, peer.reads, &mut batch, &mut wire);
        // As the listener does between two commands.
        if let Some(pause) = dialogue.pause() {
            dialogue.resume(pause);
        }
    }
    dialogue.end_of_input();
    most_kept = most_kept.max(dialogue.kept());
    read(&mut dialogue, &notice, usize::MAX, &mut batch, &mut wire);
    Replay {
        wire,
        commands: dialogue.commands(),
        replies: dialogue.replies(),
        told: dialogue.told(),
        heard: format!("{:?}", dialogue.heard()),
        most_kept,
    }
}

/// Reads at most `most` bytes of what is owed.
fn read(
    dialogue: &mut Session,
    notice: &Notice,
    mut most: usize,
    batch: &mut Batch,
    wire: &mut Vec<u8>,
) {
    while most > 0 && dialogue.owes() {
        dialogue.fill(notice, batch);
        let taken = batch.bytes().len().min(most);
        wire.extend_from_slice(&batch.bytes()[..taken]);
        dialogue.sent_bytes(batch, taken);
        most -= taken;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_says_what_the_listener_would() {
        let pieces = [&b"AUTH x\r\nPI"[..], b"NG\r\nGET"];
        for reads in [0, 1, 5, usize::MAX] {
            let replay = replay(pieces, Peer { reads, ..Peer::default() });
            let said = String::from_utf8_lossy(&replay.wire).into_owned();
            assert_eq!(said, format!("+OK\r\n-{SENTENCE}\r\n-{SENTENCE}\r\n"));
            assert_eq!((replay.commands, replay.replies, replay.told), (2, 3, true));
            assert!(replay.most_kept > 0);
        }
    }
}
