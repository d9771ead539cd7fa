//! Whether this host's listener answers local clients with the notice.
//!
//! Never: changes anything. The listener neither counts nor logs these connections where root asks.

use super::busy_ports;
use super::root::Host;
use crate::bundle::{GuardConfig, ReservedConfig};
use crate::expectation::{Expectation, Origin, OutcomeKind, PortRole, expectation};
use crate::family::Family;
use crate::os::systemd::UnitState;
use crate::probe::probe_own_host;
use crate::spec::{Listen, PortRange};
use serde::Serialize;
use std::thread;
use std::time::Duration;

/// How long the listener may take to answer on this host.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// How many of its ports are connected to.
pub const MAX_PORTS: usize = 16;

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
