//! Owns the time of the serving side: small numbers that are read once for many connections.

use std::num::NonZeroU64;
use std::time::Duration;

use tokio::time::Instant;

/// Milliseconds since the listener started, counted from one: that none is known takes no more
/// room than that one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(NonZeroU64);

impl Default for Moment {
    fn default() -> Moment {
        Moment(NonZeroU64::MIN)
    }
}

impl Moment {
    /// This long afterwards.
    pub(super) fn after(self, time: Duration) -> Moment {
        Moment(self.0.saturating_add(milliseconds(time)))
    }

    /// How long it has been since `earlier`.
    pub(super) fn since(self, earlier: Moment) -> Duration {
        Duration::from_millis(self.0.get().saturating_sub(earlier.0.get()))
    }
}

/// Counts from when it was made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub(super) fn start() -> Clock {
        Clock { start: Instant::now() }
    }

    /// The moment that `instant` is.
    pub(super) fn moment(self, instant: Instant) -> Moment {
        Moment::default().after(instant - self.start)
    }

    /// When `moment` is, for a timer.
    pub(super) fn instant(self, moment: Moment) -> Instant {
        self.start + moment.since(Moment::default())
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
