//! What a connection waits for, and how long it may.

use std::time::Duration;

/// The most that a whole connection may last.
pub(super) const CONNECTION_LIMIT: Duration = Duration::from_secs(3600);

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
    /// The end of the delay that slows down clients that retry in a loop.
    Tarpit,
    /// The last replies to be sent, after this side decided to close.
    Closing,
    /// As [`TimeoutKind::Closing`], while the listener stops.
    Shutdown,
    /// The peer's close, after everything is sent.
    Lingering,
}

impl TimeoutKind {
    /// Every kind, in the order of their discriminants.
    pub(super) const ALL: [TimeoutKind; 8] = [
        TimeoutKind::FirstByte,
        TimeoutKind::PartialLine,
        TimeoutKind::Idle,
        TimeoutKind::Busy,
        TimeoutKind::Tarpit,
        TimeoutKind::Closing,
        TimeoutKind::Shutdown,
        TimeoutKind::Lingering,
    ];

    /// How long the wait lasts; `idle` is the configured idle time.
    pub(super) fn length(self, idle: Duration) -> Duration {
        match self {
            TimeoutKind::FirstByte | TimeoutKind::Closing => Duration::from_secs(1),
            TimeoutKind::PartialLine => Duration::from_secs(2),
            TimeoutKind::Idle | TimeoutKind::Busy => idle.min(CONNECTION_LIMIT),
            TimeoutKind::Tarpit => Duration::from_millis(200),
            TimeoutKind::Shutdown => Duration::from_millis(500),
            TimeoutKind::Lingering => Duration::from_secs(5),
        }
    }

    /// Whether the connection is being closed, and no longer counts towards the limits.
    pub(super) fn is_closing(self) -> bool {
        matches!(self, TimeoutKind::Closing | TimeoutKind::Shutdown | TimeoutKind::Lingering)
    }

    /// Whether activity begins the wait anew.
    pub(super) fn is_extended_by_activity(self) -> bool {
        !matches!(self, TimeoutKind::FirstByte | TimeoutKind::Closing | TimeoutKind::Shutdown)
    }
}
