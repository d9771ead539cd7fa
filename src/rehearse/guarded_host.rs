//! The guarded host of a rehearsal: the first process in the new namespaces. It loads the bundle's rules,
//! runs its listener and tries every case.

use super::cases::{Case, Vantage, cases, stub_ports};
use super::network::{Cable, cables, ip};
use super::outsider::Outsider;
use super::report::{Attempt, Report};
use super::stub_servers;
use crate::bundle::{Bundle, GuardConfig};
use crate::error::Error;
use crate::expectation::{Outcome, OutcomeKind};
use crate::family::Family;
use crate::firewall::{CounterTotals, DryRunNetns, Firewall};
use crate::os::command::KilledOnDrop;
use crate::probe::probe;
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
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// How long an attempt waits for an answer. Without one the outcome is silence.
const PROBE_TIMEOUT: Duration = Duration::from_millis(800);
/// The same for attempts that must get an answer: a busy machine may need longer.
const RETRY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the listener may take to answer after its start.
const STARTUP_TRIES: usize = 200;
const STARTUP_PAUSE: Duration = Duration::from_millis(50);

/// Runs the rehearsal. `notice` are the arguments with which this program starts the bundle's listener.
///
/// # Errors
/// The rehearsal could not be set up. Unexpected outcomes are part of the report.
pub fn host(
    bundle: &Bundle,
    guard_config: &GuardConfig,
    notice: &[&OsStr],
) -> Result<Report, Error> {
    die_with_parent()?;
    private_mounts()?;
    ip(&["link", "set", "lo", "up"])?;
    // A kernel without IPv6 (ipv6.disable=1) lacks this file.
    let with_ipv6 = Path::new("/proc/net/if_inet6").exists();
    let families = if with_ipv6 { &Family::BOTH[..] } else { &Family::BOTH[..1] };
    let cables = cables(guard_config)?;
    let cables = &cables[..families.len()];
    let mut outsider = Outsider::start(cables)?;

    let cases = cases(guard_config);
    stub_servers::start(&stub_ports(&cases), with_ipv6)?;
    let _listener = listener(guard_config, notice)?;
    // The listener and the stub servers are there already, so that every port answers.
    let (reached, tried) = try_without_rules(&cases, cables, &mut outsider)?;
    let firewall = Firewall::of(bundle, guard_config)?;
    let installed = firewall.observe()?;
    // As `apply` does: rules are checked before they are loaded.
    firewall.check(&installed, &DryRunNetns::default())?;
    firewall.load(&installed, &mut CounterTotals::default())?;

    let mut attempts = Vec::new();
    for case in &cases {
        for (family, cable) in families.iter().zip(cables) {
            let outcome = attempt(case, *cable, &mut outsider)?;
            attempts.push(Attempt::new(case, *family, outcome.kind()));
        }
    }
    Ok(Report {
        // What did not get through before the rules were loaded proves nothing afterwards.
        as_expected: reached == tried && attempts.iter().all(|attempt| attempt.same),
        attempts,
        bundle: guard_config.bundle.clone(),
        reached_before_the_rules: reached,
        tried_before_the_rules: tried,
        families,
    })
}

/// Has the kernel kill this process, and with it the namespaces, when the caller dies: that may be killed at any
/// time.
fn die_with_parent() -> Result<(), Error> {
    let failed = |error: nix::Error| Error::new("tie the rehearsal to its caller", error.desc());
    set_pdeathsig(Signal::SIGKILL).map_err(failed)?;
    // The caller may have died before prctl: then its end of the pipe is closed.
    let stdin = io::stdin();
    let mut ends = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    let ready = poll(&mut ends, PollTimeout::ZERO).map_err(failed)?;
    let closed = ends[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP));
    if ready > 0 && closed {
        return Err(Error::new("rehearse", "the caller is gone"));
    }
    Ok(())
}

/// Mounts a private /run: iptables keeps its lock file there (/run/xtables.lock), and must not wait for the
/// host's.
fn private_mounts() -> Result<(), Error> {
    let none: Option<&str> = None;
    let failed = |error: nix::Error| Error::new("make a private /run", error.desc());
    // Without this the mount would propagate to the host (mount_namespaces(7)).
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).map_err(failed)?;
    mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), none).map_err(failed)
}

/// Starts the bundle's listener and waits until it answers; `None` if the bundle gives it no port for sure.
fn listener(
    guard_config: &GuardConfig,
    arguments: &[&OsStr],
) -> Result<Option<KilledOnDrop>, Error> {
    let always = guard_config.reserved.iter().find(|reserved| reserved.listen == Listen::Always);
    let port = match always {
        Some(reserved) => reserved.ports.first(),
        None if guard_config.redirects() => guard_config.notice,
        None => return Ok(None),
    };
    let failed = |cause: String| Error::new("start the listener in the rehearsal", cause);
    let child = Command::new("/proc/self/exe")
        .args(arguments)
        // The pipe of its standard error is read only after it has ended: more than errors could fill it.
        .env("REDISGUARD_LOG", "error")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let mut listener = KilledOnDrop(child);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    for _ in 0..STARTUP_TRIES {
        if matches!(probe(address, PROBE_TIMEOUT), Outcome::Notice(_)) {
            return Ok(Some(listener));
        }
        if let Ok(Some(status)) = listener.0.try_wait() {
            let mut output = String::new();
            if let Some(mut stderr) = listener.0.stderr.take() {
                let _ = stderr.read_to_string(&mut output);
            }
            return Err(failed(format!("it ended with {status}: {}", output.trim())));
        }
        thread::sleep(STARTUP_PAUSE);
    }
    Err(failed(format!("nobody answers on port {port}")))
}

/// Makes the attempts that the rules must block before the rules are loaded; how many got through, and how
/// many were made. An attempt that did not get through now would prove nothing by its silence afterwards.
fn try_without_rules(
    cases: &[Case],
    cables: &[Cable],
    outsider: &mut Outsider,
) -> Result<(usize, usize), Error> {
    let is_blocked = |case: &&Case| {
        let blocked = [OutcomeKind::Silence, OutcomeKind::Refused];
        case.from == Vantage::Outside && blocked.contains(&case.expected)
    };
    let (mut reached, mut tried) = (0, 0);
    for case in cases.iter().filter(is_blocked) {
        for cable in cables {
            let outcome = outsider.probe(SocketAddr::new(cable.host, case.port), RETRY_TIMEOUT)?;
            let is_open = matches!(outcome, Outcome::Notice(_) | Outcome::Served(_));
            reached += usize::from(is_open);
            tried += 1;
        }
    }
    Ok((reached, tried))
}

/// The outcome of one case over one family.
fn attempt(case: &Case, cable: Cable, outsider: &mut Outsider) -> Result<Outcome, Error> {
    let loopback: IpAddr = match cable.host {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let mut once = |timeout| match case.from {
        Vantage::Loopback => Ok(probe(SocketAddr::new(loopback, case.port), timeout)),
        Vantage::OwnAddress => Ok(probe(SocketAddr::new(cable.host, case.port), timeout)),
        Vantage::Outside => outsider.probe(SocketAddr::new(cable.host, case.port), timeout),
    };
    match once(PROBE_TIMEOUT)? {
        Outcome::Silence if case.expected != OutcomeKind::Silence => once(RETRY_TIMEOUT),
        outcome => Ok(outcome),
    }
}
