//! The steps from what was observed to what is wanted.

use super::types::{InPlace, LocalPorts, Observed, Plan, Step, UnitStatus, Wanted};
use crate::bundle::BINARY;
use crate::spec::PortSet;
use crate::unit::{self, Unit};
use std::collections::BTreeSet;

/// The steps that make the host as it is wanted; none if it already is.
pub fn compute(wanted: &Wanted, observed: &Observed) -> Plan {
    let mut steps = Vec::new();
    files(wanted, observed, &mut steps);
    links(wanted, observed, &mut steps);
    if observed.local_ports.fault.is_none() {
        steps.extend(local_ports(&observed.local_ports));
    }
    if let Some(drift) = observed.rule_drift.as_ref().filter(|drift| !drift.is_empty()) {
        steps.push(Step::LoadRules { drift: drift.clone() });
    }
    units(wanted, observed, &mut steps);
    if !steps.is_empty() || !observed.receipt_current {
        steps.push(Step::WriteReceipt);
    }
    Plan { steps }
}

/// The steps that bring [`super::LOCAL_PORTS`] up to date. Where that list cannot be written they are not
/// part of a plan: the ports can be blocked all the same, and a second run must find nothing to do.
pub fn local_ports(change: &LocalPorts) -> impl Iterator<Item = Step> {
    let some = |ports: &PortSet| Some(ports.clone()).filter(|ports| !ports.is_empty());
    let add = some(&change.missing).map(|ports| Step::AddLocalPorts { ports });
    let remove = some(&change.stale).map(|ports| Step::RemoveLocalPorts { ports });
    add.into_iter().chain(remove)
}

fn files(wanted: &Wanted, observed: &Observed, steps: &mut Vec<Step>) {
    for (path, new) in &wanted.files {
        let old = observed.files.get(path).cloned();
        let link = observed.links.get(path).cloned();
        if old.as_ref() != Some(new) {
            steps.push(Step::WriteFile { path: path.clone(), old, link, new: new.clone() });
        }
    }
    for path in observed.owned_files.iter().filter(|path| !wanted.has(path)) {
        if let Some(old) = observed.files.get(path) {
            steps.push(Step::RemoveFile { path: path.clone(), old: old.clone() });
        }
    }
}

fn links(wanted: &Wanted, observed: &Observed, steps: &mut Vec<Step>) {
    for (path, target) in &wanted.links {
        let old = match (observed.links.get(path), observed.files.get(path)) {
            (Some(found), _) if found == target => continue,
            (Some(other), _) => InPlace::Link(other.clone()),
            (None, Some(_)) => InPlace::File,
            (None, None) => InPlace::Nothing,
        };
        steps.push(Step::Link { path: path.clone(), target: target.clone(), old });
    }
    // A file in the place of such a link is not redisguard's, and stays.
    for path in observed.owned_links.iter().filter(|path| !wanted.has(path)) {
        if observed.links.contains_key(path) {
            steps.push(Step::Unlink { path: path.clone() });
        }
    }
}

/// The names of the plan's units that an administrator has masked: apply refuses to change anything then.
pub fn masked(plan: &Plan, observed: &Observed) -> Vec<String> {
    let linked = plan.steps.iter().filter_map(|step| match step {
        Step::WriteFile { path, link: Some(link), .. } => masked_unit(path, link),
        _ => None,
    });
    let units = observed.units.iter().flatten();
    let loaded = units.filter(|(_, state)| state.load == "masked").map(|(unit, _)| unit.name());
    let masked: BTreeSet<&str> = linked.chain(loaded).collect();
    masked.into_iter().map(str::to_owned).collect()
}

/// The name of the unit that a link masks (systemctl(1), mask).
pub fn masked_unit<'a>(path: &'a str, link: &str) -> Option<&'a str> {
    unit::below_directory(path).filter(|_| link == "/dev/null")
}

/// Stops what is not expected to run, starts what is not active, and restarts what runs with something that is about to change.
fn units(wanted: &Wanted, observed: &Observed, steps: &mut Vec<Step>) {
    let Some(states) = &observed.units else { return };
    let changed = |paths: &[&str]| {
        let among = |path: &String| paths.contains(&path.as_str());
        steps.iter().any(|step| matches!(step, Step::WriteFile { path, .. } if among(path)))
    };
    let rules = steps.iter().any(|step| matches!(step, Step::LoadRules { .. }));
    let [block, listener, timer] = [Unit::Block, Unit::Listener, Unit::CheckTimer].map(Unit::path);
    let reasons = [
        (Unit::Block, rules || changed(&[&block]), "it loads the rules"),
        (
            Unit::Listener,
            changed(&[&listener, "/etc/redisguard/notice.toml", BINARY]),
            "its unit, settings or program change",
        ),
        (Unit::CheckTimer, changed(&[&timer]), "its unit changes"),
    ];
    let mut starts = Vec::new();
    for (unit, restart, reason) in reasons {
        let state = states.get(&unit);
        let active = state.is_some_and(UnitStatus::is_running);
        let state = state.map_or("inactive", |state| state.active.as_str());
        let fault = observed.listener_fault.as_ref().filter(|_| unit == Unit::Listener);
        if wanted.unexpected.contains(&unit) {
            starts.extend(active.then_some(Step::StopUnit { unit }));
            continue;
        }
        let (verb, reason) = match (active, restart, fault) {
            (true, true, _) => ("restart", reason.to_owned()),
            (true, false, Some(fault)) => ("restart", fault.clone()),
            (true, false, None) => continue,
            (false, _, _) if state == "activating" => {
                ("restart", "it has failed, and systemd waits before it tries again".to_owned())
            }
            (false, _, _) => ("start", format!("it is {state}")),
        };
        starts.push(Step::StartUnit { unit, verb, reason });
    }
    // A check runs for a moment now and then; one that failed is called failed until the next one succeeds.
    let check = Unit::Check;
    if states.get(&check).is_some_and(|state| state.active == "failed") {
        starts.push(Step::StartUnit {
            unit: check,
            verb: "start",
            reason: "it is failed".to_owned(),
        });
    }
    steps.extend(starts);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::family::Family;
    use crate::plan::{FileState, RuleFault, Scope};
    use std::collections::BTreeMap;

    fn file(text: &str) -> FileState {
        FileState { bytes: text.as_bytes().into(), mode: 0o644, owner: (0, 0) }
    }

    fn wanted() -> Wanted {
        Wanted {
            files: BTreeMap::from([
                ("/etc/redisguard/notice.toml".to_owned(), file("new")),
                ("/etc/systemd/system/redis-ports-block.service".to_owned(), file("block")),
            ]),
            links: BTreeMap::from([(
                "/var/log/x.log".to_owned(),
                "/var/log/redisguard/x.log".into(),
            )]),
            unexpected: Vec::new(),
        }
    }

    fn in_place() -> Observed {
        let active =
            UnitStatus { load: "loaded".to_owned(), active: "active".to_owned(), has_job: false };
        Observed {
            files: wanted().files,
            links: wanted().links,
            rule_drift: Some(Vec::new()),
            rules_loaded: true,
            units: Some(Unit::MAIN.map(|unit| (unit, active.clone())).into()),
            receipt_current: true,
            ..Observed::default()
        }
    }

    fn kinds(observed: &Observed) -> Vec<String> {
        let plan = compute(&wanted(), observed);
        let views = plan.steps.iter().map(|step| step.view(|_, _, _| String::new()));
        views.map(|view| format!("{} {} {}", view.kind, view.target, view.action)).collect()
    }

    #[test]
    fn a_host_that_is_as_wanted_needs_nothing() {
        assert!(compute(&wanted(), &in_place()).is_empty());
    }

    #[test]
    fn changed_settings_restart_the_listener_and_nothing_else() {
        let mut observed = in_place();
        observed.files.insert("/etc/redisguard/notice.toml".into(), file("old"));
        assert_eq!(
            kinds(&observed),
            [
                "file /etc/redisguard/notice.toml change",
                "unit redis-port-notice.service restart (its unit, settings or program change)",
                "receipt /var/lib/redisguard/receipt.json write",
            ]
        );
    }

    #[test]
    fn lost_rules_are_loaded_through_their_unit() {
        let mut observed = in_place();
        observed.rule_drift = Some(vec![(
            Scope::Family(Family::V6),
            RuleFault::in_table("filter", "the jump from INPUT is missing"),
        )]);
        let kinds = kinds(&observed);
        assert_eq!(
            kinds[0],
            "rules REDISGUARD load (IPv6: filter: the jump from INPUT is missing)"
        );
        assert_eq!(kinds[1], "unit redis-ports-block.service restart (it loads the rules)");
    }

    #[test]
    fn what_an_earlier_bundle_brought_goes() {
        let mut observed = in_place();
        observed.owned_files =
            vec!["/etc/redisguard/old".into(), "/etc/redisguard/notice.toml".into()];
        observed.owned_links = vec!["/var/log/x.log".into(), "/var/log/old.log".into()];
        observed.files.insert("/etc/redisguard/old".into(), file("x"));
        observed.links.insert("/var/log/old.log".into(), "/var/log/redisguard/old.log".into());
        let gone = kinds(&observed);
        assert_eq!(gone[0], "file /etc/redisguard/old remove");
        assert_eq!(gone[1], "link /var/log/old.log remove");
        assert_eq!(gone.len(), 3);
    }

    #[test]
    fn a_file_in_the_place_of_our_link_is_moved_aside_and_never_removed() {
        let mut observed = in_place();
        observed.owned_links = vec!["/var/log/x.log".into(), "/var/log/old.log".into()];
        observed.links.clear();
        observed.files.insert("/var/log/x.log".into(), file(""));
        observed.files.insert("/var/log/old.log".into(), file(""));
        let kinds = kinds(&observed);
        assert!(kinds[0].contains("move the file aside"), "{kinds:?}");
        assert_eq!(kinds.len(), 2, "{kinds:?}");
    }

    #[test]
    fn a_mode_alone_is_a_change_and_a_log_file_is_moved_aside() {
        let mut observed = in_place();
        observed.files.get_mut("/etc/redisguard/notice.toml").unwrap().mode = 0o666;
        observed.links.clear();
        observed.files.insert("/var/log/x.log".into(), file("old lines"));
        let kinds = kinds(&observed);
        assert_eq!(kinds[0], "file /etc/redisguard/notice.toml change mode 0666 to 0644");
        assert!(kinds[1].contains("move the file aside"), "{kinds:?}");
    }

    #[test]
    fn a_listener_that_runs_and_cannot_answer_is_restarted() {
        let mut observed = in_place();
        observed.listener_fault = Some("its process is stopped".into());
        let restart = "unit redis-port-notice.service restart (its process is stopped)";
        assert_eq!(kinds(&observed)[0], restart);
    }

    #[test]
    fn a_masked_unit_is_known_by_its_link_and_by_its_state() {
        let mut observed = in_place();
        let unit = "redis-ports-block.service";
        let path = format!("/etc/systemd/system/{unit}");
        let masked = |observed: &Observed| masked(&compute(&wanted(), observed), observed);
        assert!(masked(&observed).is_empty());
        observed.files.remove(&path);
        observed.links.insert(path, "/dev/null".into());
        assert_eq!(masked(&observed), [unit]);
        assert!(kinds(&observed)[0].contains("systemctl unmask"), "{:?}", kinds(&observed));
        let timer = Unit::CheckTimer;
        observed.units.as_mut().unwrap().get_mut(&timer).unwrap().load = "masked".into();
        assert_eq!(masked(&observed), [unit, timer.name()]);
    }

    #[test]
    fn a_list_of_ports_that_cannot_be_written_is_no_step() {
        let mut observed = in_place();
        observed.local_ports.missing = "6379".parse().unwrap();
        observed.local_ports.stale = "6380".parse().unwrap();
        assert_eq!(kinds(&observed).len(), 3);
        observed.local_ports.fault = Some("Read-only file system".into());
        assert!(compute(&wanted(), &observed).is_empty());
        assert_eq!(local_ports(&observed.local_ports).count(), 2);
    }

    #[test]
    fn a_unit_that_is_not_expected_is_stopped_and_never_started() {
        let wanted = Wanted { unexpected: vec![Unit::Listener], ..wanted() };
        let mut observed = in_place();
        let stop = Step::StopUnit { unit: Unit::Listener };
        assert_eq!(compute(&wanted, &observed).steps, [stop, Step::WriteReceipt]);
        let states = observed.units.as_mut().unwrap();
        states.get_mut(&Unit::Listener).unwrap().active = "inactive".into();
        assert!(compute(&wanted, &observed).is_empty());
    }

    #[test]
    fn a_dead_unit_is_started() {
        let mut observed = in_place();
        let states = observed.units.as_mut().unwrap();
        states.get_mut(&Unit::CheckTimer).unwrap().active = "failed".into();
        assert_eq!(kinds(&observed)[0], "unit redis-ports-check.timer start (it is failed)");
    }

    #[test]
    fn a_check_that_failed_is_run_again_after_what_it_checks() {
        let mut observed = in_place();
        let states = observed.units.as_mut().unwrap();
        states.get_mut(&Unit::Check).unwrap().active = "failed".into();
        states.get_mut(&Unit::Block).unwrap().active = "inactive".into();
        assert_eq!(
            kinds(&observed)[..2],
            [
                "unit redis-ports-block.service start (it is inactive)",
                "unit redis-ports-check.service start (it is failed)"
            ]
        );
    }

    #[test]
    fn a_unit_that_systemd_waits_to_start_again_is_restarted_and_one_that_starts_is_left_alone() {
        for (has_job, steps) in [(true, 0), (false, 2)] {
            let mut observed = in_place();
            let state = observed.units.as_mut().unwrap().get_mut(&Unit::Listener).unwrap();
            (state.active, state.has_job) = ("activating".into(), has_job);
            assert_eq!(kinds(&observed).len(), steps, "{:?}", kinds(&observed));
        }
    }
}
