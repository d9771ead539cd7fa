//! The listener's monotonic clock: whole milliseconds, read once for many connections.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// Milliseconds since the listener started, plus one, so that `Option<Tick>` takes 8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick(NonZeroU64);

impl Default for Tick {
    /// The start of the clock.
    fn default() -> Tick {
        Tick(NonZeroU64::MIN)
    }
}

impl Tick {
    /// The tick `time` later; a clock that overflows stays at its end.
    pub fn after(self, time: Duration) -> Tick {
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Tick(self.0.saturating_add(milliseconds))
    }

    /// The time since `earlier`; zero if that is later.
    pub fn since(self, earlier: Tick) -> Duration {
        Duration::from_millis(self.0.get().saturating_sub(earlier.0.get()))
    }
}

/// Tells the present tick.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Clock {
        Clock { start: Instant::now() }
    }

    /// The present tick.
    pub fn now(self) -> Tick {
        Tick::default().after(self.start.elapsed())
    }
}
