//! Owns the guarded host of the rehearsal: the first process of the new namespaces.

use super::cases;
use super::cases::{Expected, From, Row};
use super::outsider::Outsider;
use super::report::{Observation, Report};
use super::stub_servers;
use super::{Cable, cables, ip};
use crate::bundle::{Bundle, GuardConfig};
use crate::error::Error;
use crate::family::Family;
use crate::firewall::{CounterTotals, DryRunNetns, Firewall};
use crate::probe::{Outcome, probe};
use crate::spec::Listen;
use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// How long silence must last to be called so.
const PATIENCE: Duration = Duration::from_millis(800);
/// The second try of one that was silent and should not have been: the machine may be busy.
const MORE_PATIENCE: Duration = Duration::from_secs(5);
/// How often the listener is asked whether it is up, 50 ms apart.
const TRIES: usize = 200;

/// Plays the host: loads the bundle's rules, runs its listener, and tries every row.
/// `notice` are the arguments that start the bundle's listener.
///
/// # Errors
/// Anything that keeps the rehearsal from being one.
pub fn host(
    bundle: &Bundle,
    guard_config: &GuardConfig,
    notice: &[&OsStr],
) -> Result<Report, Error> {
    die_with_parent()?;
    private_mounts()?;
    ip(&["link", "set", "lo", "up"])?;
    let with_ipv6 = Path::new("/proc/net/if_inet6").exists();
    let families = if with_ipv6 { &Family::BOTH[..] } else { &Family::BOTH[..1] };
    let cables = cables(guard_config)?;
    let cables = &cables[..families.len()];
    let mut outsider = Outsider::start(cables)?;

    let rows = cases::rows(guard_config);
    stub_servers::start(&cases::served(&rows), with_ipv6)?;
    let _listener = listener(guard_config, notice)?;
    let unguarded = reached(&rows, cables, &mut outsider)?;
    let firewall = Firewall::of(bundle, guard_config)?;
    let installed = firewall.observe()?;
    firewall.check(&installed, &DryRunNetns::default())?;
    firewall.load(&installed, &mut CounterTotals::default())?;

    let mut observations = Vec::new();
    for row in rows {
        let mut outcomes = Vec::new();
        for (family, cable) in families.iter().zip(cables) {
            outcomes.push((*family, attempt(&row, *cable, &mut outsider)?));
        }
        observations.push(Observation { row, outcomes });
    }
    Ok(Report { bundle: guard_config.bundle.clone(), with_ipv6, unguarded, observations })
}

/// The caller may be killed at any time; then this process, and with it the namespaces, must go.
fn die_with_parent() -> Result<(), Error> {
    let failed = |error: nix::Error| Error::new("tie the rehearsal to its caller", error.desc());
    set_pdeathsig(Signal::SIGKILL).map_err(failed)?;
    // It may have died before that: then the other end of the pipe is closed.
    let stdin = io::stdin();
    let mut ends = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    let ready = poll(&mut ends, PollTimeout::ZERO).map_err(failed)?;
    let closed = ends[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP));
    if ready > 0 && closed {
        return Err(Error::new("rehearse", "the caller is gone"));
    }
    Ok(())
}

/// A /run of our own: iptables keeps its lock there, and the host's must not be touched.
fn private_mounts() -> Result<(), Error> {
    let none: Option<&str> = None;
    let failed = |error: nix::Error| Error::new("make a private /run", error.desc());
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).map_err(failed)?;
    mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), none).map_err(failed)
}

/// The listener; killed when dropped.
struct Listener(Child);

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the bundle's listener, if it has a port to stand on, and waits until it answers.
fn listener(guard_config: &GuardConfig, arguments: &[&OsStr]) -> Result<Option<Listener>, Error> {
    let always = guard_config.reserved.iter().find(|reserved| reserved.listen == Listen::Always);
    let port = match always {
        Some(reserved) => reserved.ports.first(),
        None if guard_config.redirects() => guard_config.notice,
        None => return Ok(None),
    };
    let failed = |cause: String| Error::new("start the listener in the rehearsal", cause);
    let child = Command::new("/proc/self/exe")
        .args(arguments)
        // Its pipe is read only if it ends: nothing but errors must go in there.
        .env("REDISGUARD_LOG", "error")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let mut listener = Listener(child);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    for _ in 0..TRIES {
        if matches!(probe(address, PATIENCE), Outcome::Notice(_)) {
            return Ok(Some(listener));
        }
        if let Ok(Some(status)) = listener.0.try_wait() {
            let mut said = String::new();
            if let Some(mut stderr) = listener.0.stderr.take() {
                let _ = stderr.read_to_string(&mut said);
            }
            return Err(failed(format!("it ended with {status}: {}", said.trim())));
        }
        thread::sleep(Duration::from_millis(50));
    }
    Err(failed(format!("nobody answers on port {port}")))
}

/// Before the rules are loaded: how many of the rows that the guard shall stop reach the host, and
/// of how many. If they did not, their silence afterwards would prove nothing.
fn reached(
    rows: &[Row],
    cables: &[Cable],
    outsider: &mut Outsider,
) -> Result<(usize, usize), Error> {
    let stopped = |row: &&Row| {
        row.from == From::Outside && matches!(row.expected, Expected::Silence | Expected::Refused)
    };
    let (mut reached, mut tried) = (0, 0);
    for row in rows.iter().filter(stopped) {
        for cable in cables {
            let outcome = outsider.probe(SocketAddr::new(cable.host, row.port), MORE_PATIENCE)?;
            reached += usize::from(matches!(outcome, Outcome::Notice(_) | Outcome::Served(_)));
            tried += 1;
        }
    }
    Ok((reached, tried))
}

fn attempt(row: &Row, cable: Cable, outsider: &mut Outsider) -> Result<Outcome, Error> {
    let loopback: IpAddr = match cable.host {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let mut once = |patience| match row.from {
        From::Loopback => Ok(probe(SocketAddr::new(loopback, row.port), patience)),
        From::OwnAddress => Ok(probe(SocketAddr::new(cable.host, row.port), patience)),
        From::Outside => outsider.probe(SocketAddr::new(cable.host, row.port), patience),
    };
    match once(PATIENCE)? {
        Outcome::Silence if row.expected != Expected::Silence => once(MORE_PATIENCE),
        outcome => Ok(outcome),
    }
}
