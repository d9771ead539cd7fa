//! Owns the time of the serving side: small numbers that are read once for many connections.

use std::num::NonZeroU64;
use std::time::Duration;

use tokio::time::Instant;

/// Milliseconds since the listener started, counted from one: that none is known takes no more
/// room than that one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::listener) struct Tick(NonZeroU64);

impl Default for Tick {
    fn default() -> Tick {
        Tick(NonZeroU64::MIN)
    }
}

impl Tick {
    /// This long afterwards.
    pub(in crate::listener) fn after(self, time: Duration) -> Tick {
        Tick(self.0.saturating_add(milliseconds(time)))
    }

    /// How long it has been since `earlier`.
    pub(in crate::listener) fn since(self, earlier: Tick) -> Duration {
        Duration::from_millis(self.0.get().saturating_sub(earlier.0.get()))
    }
}

/// Counts from when it was made.
#[derive(Debug, Clone, Copy)]
pub(in crate::listener) struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub(in crate::listener) fn start() -> Clock {
        Clock { start: Instant::now() }
    }

    /// The moment that `instant` is.
    pub(in crate::listener) fn moment(self, instant: Instant) -> Tick {
        Tick::default().after(instant - self.start)
    }

    /// When `moment` is, for a timer.
    pub(in crate::listener) fn instant(self, moment: Tick) -> Instant {
        self.start + moment.since(Tick::default())
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
