//! Replays a connection of the listener without a socket.

use redisguard::listener::Transport;
use redisguard::listener::protocol::encode::Notice;
use redisguard::listener::protocol::parser::MAX_COMMAND_BYTES;
use redisguard::listener::protocol::reply_queue::WriteBuffer;
use redisguard::listener::protocol::session::{Phase, Session};

/// How the simulated client behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// How many bytes of replies it reads after each piece that it sends; it reads the rest at the end.
    pub reads: usize,
    /// The most bytes of one command that the session accepts.
    pub max_command_bytes: u64,
}

impl Default for Peer {
    /// A client that reads everything at once, and the listener's own limit.
    fn default() -> Peer {
        Peer { reads: usize::MAX, max_command_bytes: MAX_COMMAND_BYTES }
    }
}

/// The result of a session. Only [`Replay::max_retained_bytes`] may depend on how the input was split and
/// on how the client reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// All bytes that were sent to the client.
    pub wire: Vec<u8>,
    /// Commands received, those that were cut off by a fault included.
    pub commands: u64,
    /// Replies sent in full.
    pub replies: u64,
    /// Whether the notice was among them (for TLS, the alert).
    pub notice_sent: bool,
    /// What the log would say about the client.
    pub client: String,
    /// The most heap bytes that the session held at any time.
    pub max_retained_bytes: usize,
}

/// What the client does next.
#[derive(Debug, Clone, Copy)]
pub enum Step<'a> {
    /// It sends these bytes.
    Send(&'a [u8]),
    /// It is silent for so long that a client that waits gets the notice unprompted.
    Wait,
}

/// The notice of replayed sessions.
pub const SENTENCE: &str = "PORTCLOSED 6379 is blocked here.";

/// Replays a client that sends `pieces`, ends its input, and reads everything.
pub fn replay<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, peer: Peer) -> Replay {
    replay_steps(pieces.into_iter().map(Step::Send), peer)
}

/// Replays a client that takes `steps`, ends its input, and reads everything.
pub fn replay_steps<'a>(steps: impl IntoIterator<Item = Step<'a>>, peer: Peer) -> Replay {
    let notice = Notice { sentence: SENTENCE.into(), port: 6379, address: [127, 0, 0, 1].into() };
    let mut transport = Transport::default();
    let mut session = Session::with_command_limit(peer.max_command_bytes);
    let (mut wire, mut max_retained_bytes) = (Vec::new(), 0);
    let mut buffer = WriteBuffer::default();
    for step in steps {
        match step {
            Step::Send(bytes) => transport.receive(bytes, &mut session, || None),
            Step::Wait if matches!(session.phase(), Phase::AwaitingInput | Phase::PartialLine) => {
                session.send_unprompted_notice();
            }
            Step::Wait => {}
        }
        max_retained_bytes = max_retained_bytes.max(session.retained_bytes());
        read(&mut session, &notice, peer.reads, &mut buffer, &mut wire);
        // The listener parks a session between two commands, too.
        if let Some(parked) = session.park() {
            session.resume(parked);
        }
    }
    transport.end_of_input(&mut session);
    max_retained_bytes = max_retained_bytes.max(session.retained_bytes());
    read(&mut session, &notice, usize::MAX, &mut buffer, &mut wire);
    let record = session.record();
    Replay {
        wire,
        commands: session.commands().into(),
        replies: record.stats.sent.into(),
        notice_sent: record.stats.notice_sent,
        client: format!("{:?}", record.client),
        max_retained_bytes,
    }
}

/// Moves at most `limit` bytes of queued replies to `wire`.
fn read(
    session: &mut Session,
    notice: &Notice,
    mut limit: usize,
    buffer: &mut WriteBuffer,
    wire: &mut Vec<u8>,
) {
    while limit > 0 && session.owes_replies() {
        session.render(notice, buffer);
        let taken = buffer.bytes().len().min(limit);
        wire.extend_from_slice(&buffer.bytes()[..taken]);
        session.mark_sent(buffer, taken);
        limit -= taken;
    }
}
