//! What the generator, the listener, the report and the status must agree on: the defaults of the
//! listener's settings, the lengths of its lines, and its status line. Pure.
//!
//! The TOML's reference and the listener read their defaults from here, so that a `notice.toml`
//! that lacks a key means what the TOML without that key means.

use std::ops::RangeInclusive;

/// The most bytes of the notice as a Redis error line, `-` and CR LF included.
pub const MAX_NOTICE_BYTES: usize = 512;
/// The most bytes of a line of the listener's log, its end included.
pub const MAX_LOG_LINE_BYTES: usize = 1024;

/// The log's path.
pub const LOG: &str = "/var/log/redis_port_notice.log";
/// The form of the log's lines.
pub const LOG_FORMAT: &str = "logfmt";
/// Log lines per source and minute.
pub const LOG_PER_SOURCE: u32 = 1000;
/// Connections held at once.
pub const MAX_CONNECTIONS: u32 = 1024;
/// Connections held at once from one source.
pub const MAX_PER_SOURCE: u32 = 256;
/// Seconds without a byte after which a connection is closed.
pub const IDLE_SECONDS: u32 = 300;
/// The largest value of that: a day. No connection lasts longer than an hour anyway.
pub const MAX_IDLE_SECONDS: u32 = 86_400;

/// The most bytes of a client's own name (`CLIENT SETNAME`) in the log, its library's name and version
/// likewise, escapes included.
pub const MAX_CLIENT_NAME_BYTES: usize = 64;
/// The most bytes of a local client's unit, container or cgroup in the log, escapes included.
pub const MAX_LOCAL_CLIENT_BYTES: usize = 128;

/// The name (`CLIENT SETNAME`) by which redisguard's own questions to a listener are known.
pub const OWN_CLIENT_NAME: &str = "redisguard";

/// The source ports of redisguard's own questions to a listener on the same host, between loopback addresses. The
/// kernel gives a port below 1024 only to root (ip(7)), so no other local user can pass for redisguard. IANA has
/// assigned none of these to a service (RFC 6335), so that no service misses one.
pub const OWN_SOURCE_PORTS: RangeInclusive<u16> = 925..=952;

/// In the listener's status line for the service manager: what comes after it does not work.
pub const DEGRADED: &str = "; trouble: ";

/// What does not work, from a status line of the listener; `None` where everything does.
#[must_use]
pub fn degraded(status: &str) -> Option<&str> {
    status.split_once(DEGRADED).map(|(_, degraded)| degraded)
}
