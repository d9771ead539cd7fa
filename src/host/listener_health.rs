//! Whether this host's listener answers local clients with the notice, and what it says does not work.
//!
//! Never: changes anything. The listener neither counts nor logs these connections where root asks.

use super::busy_ports;
use super::root::Host;
use crate::bundle::{Bundle, GuardConfig, ReservedConfig};
use crate::expectation::{Expectation, Origin, OutcomeKind, PortRole, expectation};
use crate::family::Family;
use crate::listener::{Settings, validity_on_disk};
use crate::listener_contract::{self, CERTIFICATE_FAULTS, LOG_FAULT, METRICS_FAULT};
use crate::os::appendable::{self, Obstacle};
use crate::os::systemd::UnitState;
use crate::probe::probe_own_host;
use crate::spec::{Listen, PortRange};
use crate::unit::Unit;
use jiff::Timestamp;
use serde::Serialize;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// How long the listener may take to answer on this host.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// How many of its ports are connected to.
pub const MAX_PORTS: usize = 16;
/// The listener's settings in a bundle.
const SETTINGS: &str = "host/etc/redisguard/notice.toml";

/// What a local client of a port got, as `status --json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// The port.
    pub port: u16,
    /// `IPv4` or `IPv6`.
    pub family: Family,
    /// `notice`, `served` (somebody else answers), `refused`, `silence`, `mute` (a connection without a
    /// word) or `failed`.
    pub outcome: OutcomeKind,
    /// Whether that is what it should get.
    #[serde(skip)]
    pub expected: bool,
}

impl std::fmt::Display for Answer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { port, family, outcome, .. } = self;
        write!(formatter, "port {port} over {}: {outcome}", family.name())
    }
}

/// Connects to the first `most` ports that the listener answers on, over both families, all at once.
pub fn ask(guard_config: &GuardConfig, most: usize, timeout: Duration) -> Vec<Answer> {
    let listened = guard_config.reserved.iter().filter(|reserved| reserved.listen != Listen::Never);
    let asked = listened
        .take(most)
        .flat_map(|reserved| Family::BOTH.map(|family| (reserved.ports.first(), family)));
    let asked: Vec<(u16, Family)> = asked.collect();
    let ask_one = |(port, family): (u16, Family)| {
        let expectation = expectation(guard_config, Origin::Local, PortRole::Reserved, port);
        let outcome = probe_own_host(port, family, timeout);
        // Another server that holds an `if-free` port may hold it on one family only.
        let expected = expectation != Expectation::Notice || expectation.is_met_by(port, &outcome);
        Answer { port, family, outcome: outcome.kind(), expected }
    };
    let answers: Vec<Answer> = thread::scope(|scope| {
        let threads: Vec<_> =
            asked.into_iter().map(|one| scope.spawn(move || ask_one(one))).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    // A connection that fails in another way: the host lacks the family.
    answers.into_iter().filter(|answer| answer.outcome != OutcomeKind::Failed).collect()
}

/// The fault of a listener whose process is stopped (SIGSTOP): systemd calls it active, but it answers
/// nobody. Reads /proc only, so that nothing is counted or logged.
pub fn stopped_process(listener: &UnitState) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", listener.pid)).ok()?;
    let state = status.lines().find_map(|line| line.strip_prefix("State:"))?;
    // proc_pid_status(5): `T (stopped)`, and `t (tracing stop)` where a debugger holds it on purpose.
    state.trim().starts_with('T').then(|| "its process is stopped".to_owned())
}

/// Something of a listener that runs that does not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What does not work, and why: one line.
    pub text: String,
    /// What a person must do first.
    pub first: Option<String>,
    /// Whether the listener must be restarted after that.
    pub needs_restart: bool,
    /// Whether clients or operators lack something now, and not only soon.
    pub broken: bool,
}

/// What of a listener that runs does not work: by what it has told systemd, and by what root sees.
pub fn faults(
    host: &Host,
    state: &UnitState,
    bundle: &Bundle,
    guard_config: &GuardConfig,
) -> Vec<Fault> {
    if state.active != "active" {
        return Vec::new();
    }
    let settings = String::from_utf8_lossy(bundle.get(SETTINGS).unwrap_or_default());
    let settings = Settings::parse(&settings).ok();
    let (of_log, others): (Vec<&str>, Vec<&str>) =
        listener_contract::faults(&state.says).partition(|fault| fault.starts_with(LOG_FAULT));
    let log = host.path(&guard_config.log_file);
    let others = others.into_iter().map(|told| fault(told, settings.as_ref()));
    log_fault(of_log.first().copied(), &log).into_iter().chain(others).collect()
}

/// What is wrong with the log: its disk may be full before a line is lost.
fn log_fault(told: Option<&str>, log: &Path) -> Option<Fault> {
    let obstacle = appendable::obstacle(log);
    let seen = match &obstacle {
        None => None,
        Some(Obstacle::NoDirectory) => Some("its directory is gone"),
        Some(Obstacle::Other { cause, .. }) => Some(cause.as_str()),
    };
    let seen = seen.map(|cause| format!("{LOG_FAULT}{}: {cause}", log.display()));
    let text = told.map(str::to_owned).or(seen)?;
    // The listener opens the log again by itself; systemd makes its directory when it starts the unit
    // (LogsDirectory=).
    let first = match obstacle {
        None | Some(Obstacle::NoDirectory) => None,
        Some(Obstacle::Other { action, .. }) => Some(action),
    };
    Some(Fault { text, needs_restart: first.is_none(), first, broken: true })
}

/// A fault that a listener has told.
fn fault(told: &str, settings: Option<&Settings>) -> Fault {
    let text = told.to_owned();
    if CERTIFICATE_FAULTS.iter().any(|certificate| told.starts_with(certificate)) {
        let broken = !told.contains(listener_contract::ENDS_SOON);
        return Fault { text, first: certificate_action(settings), needs_restart: true, broken };
    }
    let metrics_port = told.strip_prefix(METRICS_FAULT).and_then(|told| told.split_once(':'));
    let metrics_port = metrics_port.and_then(|(port, _)| port.parse().ok());
    let first = match (metrics_port, listener_contract::unbound_port(told)) {
        (Some(port), _) => {
            format!("{}, or choose another `scrape-port` in [metrics] of the TOML", free(port))
        }
        (None, Some(port)) => free(port),
        (None, None) => format!("do what this says: journalctl -u {}", Unit::Listener),
    };
    Fault { text, first: Some(first), needs_restart: false, broken: true }
}

/// What a person must do about a certificate, unless good files are there by now: the listener got copies of
/// them when it started.
fn certificate_action(settings: Option<&Settings>) -> Option<String> {
    let files = settings?.tls.as_ref()?;
    match validity_on_disk(files) {
        Ok(Some(validity)) if validity.fault(&files.cert, Timestamp::now()).is_none() => None,
        Ok(_) => Some(format!("renew {}", files.cert.display())),
        Err(error) => {
            let error = error.to_string();
            let still = error.lines().next().unwrap_or_default();
            Some(format!("put a certificate and its key there (now: {still})"))
        }
    }
}

/// What a person must do about a port that another program has: the listener takes it once it is free.
fn free(port: u16) -> String {
    busy_ports::free(port).unwrap_or_else(|| {
        let unit = Unit::Listener;
        format!(
            "wait, the listener tries again every few seconds: nothing that this host shows has port {port} \
             (journalctl -u {unit} names the cause)"
        )
    })
}

/// The first wrong answer of the ports that the listener must hold, in words. It waits for those that another
/// program has, and says so itself.
pub fn wrong_answer(host: &Host, guard_config: &GuardConfig, timeout: Duration) -> Option<String> {
    let busy = busy_ports::find(host, guard_config);
    let is_busy = |ports: PortRange| busy.iter().any(|busy| ports.contains(busy.port));
    let mut guard_config = guard_config.clone();
    let always = |reserved: &ReservedConfig| reserved.listen == Listen::Always;
    guard_config.reserved.retain(|reserved| always(reserved) && !is_busy(reserved.ports));
    let answers = ask(&guard_config, 1, timeout);
    answers.iter().find(|answer| !answer.expected).map(ToString::to_string)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_serialised_by_the_names_of_its_family_and_outcome() {
        let outcome = OutcomeKind::Mute;
        let answer = Answer { port: 6379, family: Family::V6, outcome, expected: false };
        let json = serde_json::to_string(&answer).unwrap();
        assert_eq!(json, r#"{"port":6379,"family":"IPv6","outcome":"mute"}"#);
    }
}
