//! Where systemd runs redisguard's units otherwise than they were installed: drop-ins, a unit file from
//! another directory, files that it has not read yet. `apply` repairs none of this.

use super::types::{Command, Finding, FindingKind, Remedy};
use crate::host::receipt::Receipt;
use crate::os::systemd::UnitState;
use crate::unit::{DIRECTORY, Unit};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What has systemd read all unit files again.
const RELOAD: &str = "systemctl daemon-reload";

/// All units that run by themselves: the main ones, and those that the receipt says were enabled. A
/// template runs as its instances only.
pub(crate) fn units(receipt: &Receipt) -> BTreeSet<&str> {
    let enabled = receipt.links.keys().filter_map(|link| {
        let (directory, unit) = link.strip_prefix(DIRECTORY)?.rsplit_once('/')?;
        (directory.ends_with(".wants") && !unit.contains("@.")).then_some(unit)
    });
    enabled.chain(Unit::MAIN.map(Unit::name)).collect()
}

/// What differs from the installed units. Drop-ins may be an administrator's intent, so they count as not
/// broken; what a unit from another file does is unknown.
pub(crate) fn overrides(
    states: &BTreeMap<String, UnitState>,
    findings: &[Finding],
) -> Vec<Finding> {
    let mut found = Vec::new();
    // A masked unit has a finding of its own.
    for (unit, state) in states.iter().filter(|(_, state)| state.load != "masked") {
        let mut named = |broken, detail: String, remedy| {
            let finding = Finding::new(FindingKind::Unit, unit, detail);
            found.push(Finding { broken, remedy, ..finding });
        };
        let person = |sentence: String| Remedy { first: Some(sentence), command: None };
        let installed = installed(unit);
        if !state.file.is_empty() && state.file != installed {
            let file = &state.file;
            let sentence = format!("remove {file}, then run: {RELOAD}");
            named(true, format!("is read from {file} and not from {installed}"), person(sentence));
        }
        for drop_in in state.drop_ins.iter().filter(|path| !is_for_all(unit, path)) {
            let sentence = format!(
                "{unit} is changed by {drop_in}. If that is not meant, remove it, then run: {RELOAD}"
            );
            named(false, format!("is changed by {drop_in}"), person(sentence));
        }
        // `apply` has systemd read what it repairs.
        if state.stale && !findings.iter().any(|finding| finding.target == installed) {
            let remedy = Remedy {
                first: Some(format!("read what systemd would load: systemctl cat {unit}")),
                command: Some(Command::Shell(RELOAD.to_owned())),
            };
            named(false, "was changed after systemd read it".to_owned(), remedy);
        }
    }
    found
}

/// The file that redisguard installed for a unit, or for the template of an instance.
fn installed(unit: &str) -> String {
    let template = unit.split_once('@').zip(unit.rsplit_once('.'));
    match template {
        Some(((name, _), (_, kind))) => format!("{DIRECTORY}/{name}@.{kind}"),
        None => format!("{DIRECTORY}/{unit}"),
    }
}

/// Whether a drop-in is for all units of that type (`service.d`, systemd.unit(5)). Distributions and
/// containers bring such.
fn is_for_all(unit: &str, drop_in: &str) -> bool {
    let directory = Path::new(drop_in).parent().and_then(Path::file_name);
    let kind = unit.rsplit_once('.').map(|(_, kind)| format!("{kind}.d"));
    directory.is_some_and(|directory| kind.is_some_and(|kind| directory == kind.as_str()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const BLOCK: &str = Unit::Block.name();

    fn state(file: &str, drop_ins: &[&str], stale: bool) -> UnitState {
        let drop_ins = drop_ins.iter().map(|path| (*path).to_owned()).collect();
        UnitState { file: file.to_owned(), drop_ins, stale, ..UnitState::default() }
    }

    fn found(unit: &str, state: UnitState, findings: &[Finding]) -> Vec<(String, bool)> {
        let states = BTreeMap::from([(unit.to_owned(), state)]);
        let found = overrides(&states, findings).into_iter();
        let words = |finding: Finding| {
            format!("{}; {}", finding.detail, finding.remedy.first.unwrap_or_default())
        };
        found.map(|finding| (words(finding.clone()), finding.broken)).collect()
    }

    #[test]
    fn a_unit_as_it_was_installed_is_not_named_whatever_is_for_all_units() {
        let for_all = ["/usr/lib/systemd/system/service.d/10-timeout.conf"];
        for (unit, file) in [
            (BLOCK, "/etc/systemd/system/redis-ports-block.service"),
            ("redis-port-yield@redis.service", "/etc/systemd/system/redis-port-yield@.service"),
            ("redis-port-yield@a.b.service", "/etc/systemd/system/redis-port-yield@.service"),
            (BLOCK, ""),
        ] {
            assert_eq!(found(unit, state(file, &for_all, false), &[]), [], "{unit}");
        }
    }

    #[test]
    fn every_way_to_change_a_unit_is_named_and_only_another_file_breaks_it() {
        let path = installed(BLOCK);
        let changed =
            found(BLOCK, state(&path, &["/run/systemd/system/redis-.d/a.conf"], false), &[]);
        assert!(changed[0].0.starts_with("is changed by /run/systemd/system/redis-.d/a.conf"));
        assert!(!changed[0].1);
        let other = found(BLOCK, state("/run/systemd/transient/x.service", &[], false), &[]);
        assert!(other[0].0.contains("is read from /run/systemd/transient/x.service") && other[0].1);
        let stale = found(BLOCK, state(&path, &[], true), &[]);
        assert!(stale[0].0.contains("systemctl cat redis-ports-block.service") && !stale[0].1);
        // A unit that `apply` repairs needs no daemon-reload by hand.
        let edited = Finding::new(FindingKind::File, &path, "was edited");
        assert_eq!(found(BLOCK, state(&path, &[], true), &[edited]), []);
        let masked = UnitState { load: "masked".to_owned(), ..state("/dev/null", &[], true) };
        assert_eq!(found(BLOCK, masked, &[]), []);
    }

    #[test]
    fn what_was_enabled_is_asked_for_and_templates_are_not() {
        let links = [
            "multi-user.target.wants/redis-ports-revert.service",
            "redis-server@.service.wants/redis-port-yield@.service",
            "redis-server.service.wants/redis-port-yield@redis-server.service",
        ];
        let links = links.map(|link| (format!("{DIRECTORY}/{link}"), String::new()));
        let mut receipt = Receipt::default();
        receipt.links.extend(links);
        receipt.links.insert("/var/log/a.log".to_owned(), String::new());
        let mut wanted: Vec<&str> = Unit::MAIN.map(Unit::name).to_vec();
        wanted.extend(["redis-port-yield@redis-server.service", "redis-ports-revert.service"]);
        assert_eq!(units(&receipt), wanted.into_iter().collect());
    }
}
