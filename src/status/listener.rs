//! What of a listener that runs does not work, and the metrics that `metrics` cannot write.

use super::types::{Command, Finding, FindingKind, ListenerStatus};
use crate::bundle::GuardConfig;
use crate::host::busy_ports::BusyPort;
use crate::host::listener_health::{Fault, stopped_process};
use crate::host::prepare::Target;
use crate::host::{Host, listener_health, units};
use crate::listener_contract::{self, LOG_FAULT, unbound_port};
use crate::os::appendable::{self, Obstacle};
use crate::os::systemd::UnitState;
use crate::unit::Unit;
use std::path::Path;

/// Findings by who can do something about them.
#[derive(Default)]
pub(super) struct ListenerFindings {
    /// `apply` restarts the listener, which helps.
    pub(super) by_apply: Vec<Finding>,
    /// A person must do something first.
    pub(super) by_person: Vec<Finding>,
}

/// What does not work in a listener that systemd calls active, but for ports that are known to be `busy`.
pub(super) fn findings(
    host: &Host,
    state: &UnitState,
    target: Option<&Target>,
    busy: &[BusyPort],
) -> ListenerFindings {
    let mut found = ListenerFindings::default();
    found.by_apply.extend(stopped_process(state).map(finding));
    let Some(target) = target else {
        // Without the bundle, what would help is unknown.
        let told = listener_contract::faults(&state.says).filter(|_| state.active == "active");
        found.by_person.extend(told.map(str::to_owned).map(finding));
        return found;
    };
    let is_busy = |fault: &str| {
        busy.iter().any(|busy| unbound_port(fault).is_some_and(|port| port == busy.port))
    };
    let faults = listener_health::faults(host, state, &target.bundle, &target.guard_config);
    for Fault { text, first, needs_restart, broken } in faults {
        if is_busy(&text) {
            continue;
        }
        let mut found_one = Finding { broken, ..finding(text) };
        found_one.remedy.command = needs_restart.then_some(Command::Apply);
        match first {
            Some(first) => found.by_person.push(found_one.first(first)),
            None => found.by_apply.push(found_one),
        }
    }
    found
}

fn finding(detail: String) -> Finding {
    Finding::new(FindingKind::Listener, Unit::Listener.name(), detail)
}

/// What a listener says of itself in its status line.
pub(super) fn add_status(state: &UnitState, status: &mut ListenerStatus) {
    status.unit = Some(state.active.clone());
    if state.active != "active" {
        return;
    }
    let has_fault =
        |of: &str| listener_contract::faults(&state.says).any(|told| told.starts_with(of));
    status.certificate_end = listener_contract::certificate_end(&state.says).map(str::to_owned);
    status.log_writable = Some(!has_fault(LOG_FAULT));
}

/// What does not work in the listener of a host to which a bundle was just applied. No reason to undo a change:
/// the ports are blocked.
pub fn listener_warnings(host: &Host, target: &Target) -> Vec<String> {
    let states = units::states(&[Unit::Listener]).unwrap_or_default();
    let Some(state) = states.get(&Unit::Listener) else { return Vec::new() };
    let faults = listener_health::faults(host, state, &target.bundle, &target.guard_config);
    faults.iter().map(warning).collect()
}

fn warning(Fault { text, first, needs_restart, .. }: &Fault) -> String {
    let first = first.as_deref().unwrap_or_default();
    let restart = match (needs_restart, first) {
        (false, _) => "",
        (true, "") => "redisguard-install apply",
        (true, _) => ", then run: redisguard-install apply",
    };
    format!("{}: {text}\n  fix: {first}{restart}", Unit::Listener)
}

/// The file of metrics that cannot be written. Nobody is guarded or told the worse for it.
pub(super) fn textfile(
    host: &Host,
    guard_config: &GuardConfig,
    state: &UnitState,
) -> Option<Finding> {
    let textfile = guard_config.textfile.as_deref()?;
    let unit = Unit::Metrics;
    let finding = |detail: String| {
        let finding = Finding::new(FindingKind::Unit, unit.name(), detail);
        Finding { broken: false, ..finding }
    };
    match appendable::obstacle(&host.path(textfile)) {
        Some(Obstacle::NoDirectory) => {
            let directory = Path::new(textfile).parent()?.display();
            let detail = format!("cannot write {textfile}: there is no directory {directory}");
            Some(finding(detail).first(
                "install node_exporter, or name the directory that it reads in `textfile` in [metrics]",
            ))
        }
        Some(Obstacle::Other { cause, action }) => {
            Some(finding(format!("cannot write {textfile}: {cause}")).first(action))
        }
        None if state.active == "failed" => {
            let failed = finding(format!("has failed (journalctl -u {unit} says why)"));
            Some(failed.command(Command::Shell(format!("systemctl start {unit}"))))
        }
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_line_of_a_listener_is_read() {
        let says = listener_contract::status_line(
            "answers on port 6379",
            Some("2026-12-01T00:00:00Z"),
            ["the log /x cannot be written since now: No space", "a: b"],
        );
        let mut state = UnitState { active: "active".to_owned(), says, ..UnitState::default() };
        let mut status = ListenerStatus::default();
        add_status(&state, &mut status);
        assert_eq!(status.certificate_end.as_deref(), Some("2026-12-01T00:00:00Z"));
        assert_eq!(status.log_writable, Some(false));
        "failed".clone_into(&mut state.active);
        let mut status = ListenerStatus::default();
        add_status(&state, &mut status);
        assert_eq!((status.certificate_end, status.log_writable), (None, None));
    }
}
