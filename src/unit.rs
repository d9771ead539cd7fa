//! The systemd units of a guarded host, by name and path.

use std::fmt;

/// Where redisguard installs its units.
pub const DIRECTORY: &str = "/etc/systemd/system";

/// A systemd unit that redisguard brings, or starts for a change that waits for its confirmation. Ordered by
/// name, as systemctl(1) lists units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// Runs the listener.
    Listener,
    /// Starts the listener again when the instance of Redis that it gave way to has ended.
    Wait,
    /// Stops the listener before an instance of Redis starts; only where a port has `listen =
    /// "if-free"`.
    Yield,
    /// Loads the rules.
    Block,
    /// Checks the rules once, and loads them where they are not in place.
    Check,
    /// Checks the rules after a firewall or Docker has started, one instance for each.
    CheckAfter,
    /// Starts [`Unit::Check`] every minute.
    CheckTimer,
    /// Loads the rules where systemd cannot confine [`Unit::Block`] and [`Unit::Check`].
    Fallback,
    /// Writes the metrics after every check; only where the TOML names a file for them.
    Metrics,
    /// Undoes at boot a change that was not confirmed.
    Revert,
    /// Runs the process that undoes a change unless it is confirmed; transient (systemd-run(1)).
    Unconfirmed,
}

impl Unit {
    /// The units that every bundle brings and that run or wait at any time, in the order in which they
    /// are started.
    pub const MAIN: [Self; 4] = [Self::Block, Self::Listener, Self::Check, Self::CheckTimer];

    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Listener,
        Self::Wait,
        Self::Yield,
        Self::Block,
        Self::Check,
        Self::CheckAfter,
        Self::CheckTimer,
        Self::Fallback,
        Self::Metrics,
        Self::Revert,
        Self::Unconfirmed,
    ];

    /// Whether a unit has the name of one of them, or of an instance of one.
    pub fn is_name(name: &str) -> bool {
        Self::ALL.into_iter().map(Self::name).any(|own| match own.split_once("@.") {
            Some((front, kind)) => name
                .strip_prefix(front)
                .and_then(|rest| rest.strip_suffix(kind))
                .is_some_and(|rest| rest.starts_with('@') && rest.ends_with('.')),
            None => name == own,
        })
    }

    /// The name that systemd knows it by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Listener => "redis-port-notice.service",
            Self::Wait => "redis-port-wait@.service",
            Self::Yield => "redis-port-yield@.service",
            Self::Block => "redis-ports-block.service",
            Self::Check => "redis-ports-check.service",
            Self::CheckAfter => "redis-ports-check@.service",
            Self::CheckTimer => "redis-ports-check.timer",
            Self::Fallback => "redis-ports-fallback.service",
            Self::Metrics => "redis-ports-metrics.service",
            Self::Revert => "redis-ports-revert.service",
            Self::Unconfirmed => "redis-ports-unconfirmed.service",
        }
    }

    /// The path of its file on the host.
    pub fn path(self) -> String {
        format!("{DIRECTORY}/{}", self.name())
    }
}

/// A path's part below [`DIRECTORY`]: the name of a unit, or of what is in a unit's directory.
pub fn below_directory(path: &str) -> Option<&str> {
    path.strip_prefix(DIRECTORY)?.strip_prefix('/')
}

impl fmt::Display for Unit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}
