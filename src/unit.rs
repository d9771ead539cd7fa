//! The systemd units of a guarded host, by name and path.

use std::fmt;

/// Where redisguard installs its units.
pub const DIRECTORY: &str = "/etc/systemd/system";

/// A systemd unit that redisguard brings, or starts for a change that waits for its confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// Loads the rules.
    Block,
    /// Runs the listener.
    Listener,
    /// Checks the rules once, and loads them where they are not in place.
    Check,
    /// Starts [`Unit::Check`] every minute.
    CheckTimer,
    /// Writes the metrics after every check; only where the TOML names a file for them.
    Metrics,
    /// Goes back at boot from a change that was not confirmed.
    Revert,
    /// Has the listener give way to an instance of Redis; only where a port is listened on if it is
    /// free.
    Yield,
    /// Has the listener come back when that instance has ended.
    Wait,
    /// Runs the process that goes back unless a change is confirmed; transient (systemd-run(1)).
    Unconfirmed,
}

impl Unit {
    /// The units that every bundle brings and that run or wait at any time, in the order in which they
    /// are started.
    pub const MAIN: [Self; 4] = [Self::Block, Self::Listener, Self::Check, Self::CheckTimer];

    /// The name that systemd knows it by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Block => "redis-ports-block.service",
            Self::Listener => "redis-port-notice.service",
            Self::Check => "redis-ports-check.service",
            Self::CheckTimer => "redis-ports-check.timer",
            Self::Metrics => "redis-ports-metrics.service",
            Self::Revert => "redis-ports-revert.service",
            Self::Yield => "redis-port-yield@.service",
            Self::Wait => "redis-port-wait@.service",
            Self::Unconfirmed => "redis-ports-unconfirmed.service",
        }
    }

    /// The path of its file on the host.
    pub fn path(self) -> String {
        format!("{DIRECTORY}/{}", self.name())
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}
