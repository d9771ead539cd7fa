//! What the generator, the listener, the report and the status must agree on: the defaults of the
//! listener's settings, the lengths of its lines, and its status line. Pure.
//!
//! The TOML's reference and the listener read their defaults from here, so that a `notice.toml`
//! that lacks a key means what the TOML without that key means.

use std::net::SocketAddr;
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

/// In the listener's status line for the service manager: the faults come after it.
pub const DEGRADED: &str = "; trouble: ";
/// Between two faults. No fault contains it.
const NEXT_FAULT: &str = "; ";
/// In the part before the faults: the end of the certificate that TLS clients are shown comes after it.
const CERTIFICATE_END: &str = ", also through TLS until ";
/// How the fault of the log begins. Its path comes after it.
pub const LOG_FAULT: &str = "the log ";
/// How the fault of the metrics port begins. The port comes after it.
pub const METRICS_FAULT: &str = "no metrics on port ";
/// How the fault of a certificate begins that TLS clients are shown. Its path comes after it.
pub const CERTIFICATE_FAULT: &str = "the certificate ";
/// How the fault of a certificate begins that cannot be used. The cause comes after it.
pub const NO_CERTIFICATE: &str = "TLS clients get an alert instead of the notice";
/// How the fault of a renewed certificate begins that cannot be used. The cause comes after it.
pub const FORMER_CERTIFICATE: &str = "TLS clients are shown the former certificate";
/// How every fault of a certificate begins.
pub const CERTIFICATE_FAULTS: [&str; 3] = [CERTIFICATE_FAULT, NO_CERTIFICATE, FORMER_CERTIFICATE];
/// What a certificate that ends soon is called: clients accept it until then.
pub const ENDS_SOON: &str = " ends soon, on ";

/// The metric that says whether the listener's log can be written, of the listener and of `metrics`.
pub const LOG_WRITABLE: &str = "redisguard_notice_log_writable";
/// Its description.
pub const LOG_WRITABLE_HELP: &str = "Whether the listener's log can be written.";
/// The metric that says when the certificate ends, of the listener and of `metrics`.
pub const CERTIFICATE_EXPIRY: &str = "redisguard_notice_certificate_expiry_timestamp_seconds";
/// Its description.
pub const CERTIFICATE_EXPIRY_HELP: &str = "When the certificate ends that TLS clients are shown, in seconds since 1970; absent if there is none.";

/// The listener's status line: what works, when the certificate ends that TLS clients are shown, and the
/// faults.
#[must_use]
pub fn status_line<'a>(
    works: &str,
    certificate_end: Option<&str>,
    faults: impl IntoIterator<Item = &'a str>,
) -> String {
    let until = certificate_end.map(|end| format!("{CERTIFICATE_END}{end}")).unwrap_or_default();
    let line = |text: &str| text.replace(char::is_control, " ").replace(NEXT_FAULT, ", ");
    let faults: Vec<String> = faults.into_iter().map(line).collect();
    let degraded = if faults.is_empty() { "" } else { DEGRADED };
    format!("{works}{until}{degraded}{}", faults.join(NEXT_FAULT))
}

/// What does not work, from a status line of the listener; `None` where everything does.
#[must_use]
pub fn degraded(status: &str) -> Option<&str> {
    status.split_once(DEGRADED).map(|(_, degraded)| degraded)
}

/// The faults in a status line, one by one.
pub fn faults(status: &str) -> impl Iterator<Item = &str> {
    degraded(status).into_iter().flat_map(|faults| faults.split(NEXT_FAULT))
}

/// The port of a fault that says which address the listener lacks: the fault begins with the address.
#[must_use]
pub fn unbound_port(fault: &str) -> Option<u16> {
    let address: SocketAddr = fault.split(' ').next()?.parse().ok()?;
    Some(address.port())
}

/// When the certificate ends that TLS clients are shown, from a status line (RFC 3339).
#[must_use]
pub fn certificate_end(status: &str) -> Option<&str> {
    let works = status.split_once(DEGRADED).map_or(status, |(works, _)| works);
    works.split_once(CERTIFICATE_END).map(|(_, end)| end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_line_is_read_as_it_was_written() {
        let works = "answers on port 6379";
        let line = status_line(works, None, []);
        assert_eq!((line.as_str(), faults(&line).count()), (works, 0));
        assert_eq!((certificate_end(&line), degraded(&line)), (None, None));
        let line = status_line(works, Some("2026-12-01T00:00:00Z"), ["a; b\n", "c: d"]);
        assert_eq!(certificate_end(&line), Some("2026-12-01T00:00:00Z"));
        assert_eq!(faults(&line).collect::<Vec<_>>(), ["a, b ", "c: d"]);
    }

    #[test]
    fn only_a_fault_that_begins_with_an_address_is_about_a_port_that_is_not_bound() {
        assert_eq!(unbound_port("[::]:6379 is in use by another program"), Some(6379));
        assert_eq!(unbound_port("no metrics on port 9637: Address already in use"), None);
    }
}
