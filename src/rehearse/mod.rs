//! Owns the rehearsal: the bundle's own rules and listener in network namespaces that vanish with
//! the process, and packets sent at them. The host's own network is never touched.
//!
//! Three processes: the caller makes the namespaces and waits; `host` is the first process in them,
//! so that all others die with it; `outside` sits in a second network behind a virtual cable.

mod cases;
mod guarded_host;
mod namespaces;
mod outsider;
mod report;
mod stub_servers;

pub use self::cases::{Expected, From, Row, rows};
pub use self::guarded_host::host;
pub use self::namespaces::enter;
pub use self::outsider::outside;
pub use self::report::{Observation, Report};

use crate::bundle::GuardConfig;
use crate::error::Error;
use crate::os::command::{Program, one_line};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Tells a process of a rehearsal which part it plays.
const STAGE: &str = "REDISGUARD_REHEARSAL_STAGE";

/// The parts of a rehearsal; each is a process, and starts the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Makes the namespaces and waits.
    Caller,
    /// The guarded host: the first process in them.
    Host,
    /// The outsider, in a second network.
    Outside,
}

impl Stage {
    /// The part that this process plays.
    pub fn of_this_process() -> Self {
        match std::env::var(STAGE).as_deref() {
            Ok("host") => Self::Host,
            Ok("outside") => Self::Outside,
            _ => Self::Caller,
        }
    }
}

/// The two ends of the virtual cable, for one family.
#[derive(Clone, Copy, Debug)]
struct Cable {
    host: IpAddr,
    outside: IpAddr,
    prefix: u8,
}

/// Networks for documentation and tests (RFC 5737, RFC 2544, RFC 3849, RFC 4193): the first that is
/// not among those that the guard lets past.
fn cables(guard_config: &GuardConfig) -> Result<[Cable; 2], Error> {
    let stranger = |address: &IpAddr| !guard_config.allow.iter().any(|net| net.contains(address));
    let v4 = [[203, 0, 113], [198, 51, 100], [192, 0, 2], [198, 18, 77]].map(|[a, b, c]| {
        let end = |last| IpAddr::V4(Ipv4Addr::new(a, b, c, last));
        Cable { host: end(1), outside: end(2), prefix: 30 }
    });
    let v6 =
        [0x2001_0db8_0072_0067_u128, 0xfd72_6467_0000_0001, 0xfc00_6467_0000_0001].map(|net| {
            let end = |last: u128| IpAddr::V6(Ipv6Addr::from((net << 64) | last));
            Cable { host: end(1), outside: end(2), prefix: 64 }
        });
    let pick = |cables: &[Cable]| cables.iter().copied().find(|cable| stranger(&cable.outside));
    match (pick(&v4), pick(&v6)) {
        (Some(v4), Some(v6)) => Ok([v4, v6]),
        _ => Err(Error::new(
            "rehearse an outsider",
            "the allowed networks cover every address that it could take",
        )),
    }
}

/// Runs `ip` with the given arguments.
fn ip(arguments: &[&str]) -> Result<(), Error> {
    let what = format!("run ip {}", arguments.join(" "));
    let output = Program::new("ip").args(arguments).run(&what)?;
    if output.is_success() { Ok(()) } else { Err(Error::new(what, one_line(&output.stderr))) }
}
