//! The steps of a removal: everything that the receipt lists goes, and what was there before comes back.

use super::types::{Former, LocalPorts, Plan, Step, UnitStatus};
use crate::unit::Unit;
use std::collections::BTreeMap;

/// The main units in the order in which they are stopped: first what would load the rules again.
const STOP_ORDER: [Unit; 4] = [Unit::CheckTimer, Unit::Check, Unit::Block, Unit::Listener];

/// What a host has of redisguard, gathered before anything is decided.
#[derive(Clone, Debug, Default)]
pub struct Removable {
    /// The main units' states. Empty: systemd does not run here.
    pub units: BTreeMap<Unit, UnitStatus>,
    /// The links of the receipt that exist, and what was there before.
    pub links: Vec<(String, Former)>,
    /// The files that exist, or that something was kept of, and what was there before.
    pub files: Vec<(String, Former)>,
    /// Ports that redisguard added to [`super::LOCAL_PORTS`] and that no file of others assigns are
    /// stale.
    pub local_ports: LocalPorts,
    /// Whether any of redisguard's rules is in the kernel.
    pub rules_loaded: bool,
    /// Whether there is a receipt, or what a removal leaves that was killed at its end.
    pub has_state: bool,
}

/// The steps, in order; none where nothing of redisguard is on the host. The rules go when nothing else
/// can fail any more, so that a removal that fails leaves the ports blocked.
pub fn removal(removable: Removable) -> Plan {
    let Removable { units, links, files, local_ports, .. } = removable;
    let LocalPorts { stale: ports, fault, .. } = local_ports;
    let mut steps = Vec::new();
    let is_up = |unit: &Unit| {
        let status = units.get(unit);
        status.is_some_and(|status| {
            (status.active != "inactive" || status.has_job) && status.load != "not-found"
        })
    };
    steps.extend(STOP_ORDER.into_iter().filter(is_up).map(|unit| Step::StopUnit { unit }));
    steps.extend(links.into_iter().map(|(path, former)| Step::RestoreLink { path, former }));
    steps.extend(files.into_iter().map(|(path, former)| Step::RestoreFile { path, former }));
    if !ports.is_empty() {
        steps.push(match fault {
            None => Step::RemoveLocalPorts { ports },
            Some(cause) => Step::LeaveLocalPorts { ports, cause },
        });
    }
    steps.extend(removable.rules_loaded.then_some(Step::UnloadRules));
    steps.extend(removable.has_state.then_some(Step::RemoveState));
    Plan { steps }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn shown(removable: Removable) -> Vec<String> {
        let plan = removal(removable);
        let views = plan.steps.iter().map(|step| step.view(|_, _, _| String::new()));
        views.map(|view| format!("{} {} {}", view.kind, view.target, view.action)).collect()
    }

    #[test]
    fn a_host_without_redisguard_needs_nothing() {
        assert!(removal(Removable::default()).is_empty());
    }

    #[test]
    fn the_rules_go_behind_all_else_and_the_receipt_last() {
        let status = |active: &str| UnitStatus {
            load: "loaded".into(),
            active: active.into(),
            has_job: false,
        };
        let units =
            [(Unit::Listener, "active"), (Unit::Check, "inactive"), (Unit::CheckTimer, "failed")];
        let local_ports = |fault: Option<&str>| LocalPorts {
            stale: "6379-6380,7000".parse().unwrap(),
            fault: fault.map(str::to_owned),
            ..LocalPorts::default()
        };
        let removable = Removable {
            units: units.map(|(unit, active)| (unit, status(active))).into(),
            links: vec![("/var/log/x.log".into(), Former::MovedTo("/var/log/x.log.old".into()))],
            files: vec![("/etc/a".into(), Former::Nothing), ("/etc/b".into(), Former::Kept)],
            local_ports: local_ports(None),
            rules_loaded: true,
            has_state: true,
        };
        assert_eq!(
            shown(removable.clone()),
            [
                "unit redis-ports-check.timer stop",
                "unit redis-port-notice.service stop",
                "link /var/log/x.log remove, and move /var/log/x.log.old back",
                "file /etc/a remove",
                "file /etc/b put back what was there before",
                "sysctl net.ipv4.ip_local_reserved_ports take out 6379-6380,7000",
                "rules REDISGUARD unload: the ports are open to the outside then",
                "receipt /var/lib/redisguard remove",
            ]
        );
        assert_eq!(
            shown(Removable {
                local_ports: local_ports(Some("Read-only file system")),
                ..removable
            })[5],
            "sysctl net.ipv4.ip_local_reserved_ports leave 6379-6380,7000 in: it cannot be written \
             (Read-only file system)"
        );
    }
}
