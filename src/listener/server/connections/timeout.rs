//! What a connection waits for, and how long it may.

use std::time::Duration;

/// The most that a whole connection may last.
pub(super) const CONNECTION_LIMIT: Duration = Duration::from_secs(3600);

/// How long a client may be silent before it gets the notice unprompted. A library that gets the notice
/// before it has sent its first command gives up the connection, so this must be longer than slow tunnels
/// and busy hosts delay it: delays of 1.3 s were seen, and 3 s are tried in the tests. A person who waits
/// in telnet should not wait longer than needed.
const SILENCE: Duration = Duration::from_secs(5);

/// What a connection waits for. All waits of one kind have the same length, so a list in the order
/// of their beginnings is in the order of their ends too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeoutKind {
    /// The first byte.
    FirstByte,
    /// The rest of a line.
    PartialLine,
    /// The next command; every reply is sent.
    Idle,
    /// The rest of a command, or room in the socket's send buffer.
    Busy,
    /// The end of the delay that slows down clients that retry in a loop, on one connection or on many.
    Tarpit,
    /// The last replies to be sent, after this side decided to close.
    Closing,
    /// As [`TimeoutKind::Closing`], while the listener stops.
    Shutdown,
    /// The peer's close, after everything is sent.
    Lingering,
    /// The peer's acknowledgement of the last bytes, after both sides have closed.
    Acknowledgement,
}

impl TimeoutKind {
    /// Every kind, in the order of their discriminants.
    pub(super) const ALL: [TimeoutKind; 9] = [
        TimeoutKind::FirstByte,
        TimeoutKind::PartialLine,
        TimeoutKind::Idle,
        TimeoutKind::Busy,
        TimeoutKind::Tarpit,
        TimeoutKind::Closing,
        TimeoutKind::Shutdown,
        TimeoutKind::Lingering,
        TimeoutKind::Acknowledgement,
    ];

    /// How long the wait lasts; `idle` is the configured idle time.
    pub(super) fn length(self, idle: Duration) -> Duration {
        match self {
            TimeoutKind::FirstByte | TimeoutKind::PartialLine => SILENCE,
            TimeoutKind::Closing => Duration::from_secs(1),
            TimeoutKind::Idle | TimeoutKind::Busy => idle.min(CONNECTION_LIMIT),
            // Shorter than any client's own time-out for a reply that is known: Valkey GLIDE has 250 ms.
            TimeoutKind::Tarpit => Duration::from_millis(200),
            TimeoutKind::Shutdown => Duration::from_millis(500),
            TimeoutKind::Lingering => Duration::from_secs(5),
            // The kernel does not report an acknowledgement; this is how often it is looked for.
            TimeoutKind::Acknowledgement => Duration::from_millis(100),
        }
    }

    /// Whether the connection is being closed, and no longer counts towards the limits.
    pub(super) fn is_closing(self) -> bool {
        matches!(
            self,
            TimeoutKind::Closing
                | TimeoutKind::Shutdown
                | TimeoutKind::Lingering
                | TimeoutKind::Acknowledgement
        )
    }

    /// Whether activity begins the wait anew.
    pub(super) fn is_extended_by_activity(self) -> bool {
        !matches!(
            self,
            TimeoutKind::FirstByte
                | TimeoutKind::Closing
                | TimeoutKind::Shutdown
                | TimeoutKind::Acknowledgement
        )
    }
}
