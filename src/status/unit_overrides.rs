//! What systemd makes of our units beside what we installed: drop-ins, another file in the place of
//! ours, files that it has not read yet. None of it is mended by apply.

use super::findings::{Finding, finding};
use crate::host::receipt::Receipt;
use crate::os::systemd::UnitState;
use crate::unit;
use crate::unit::Unit;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const INSTALLED: &str = unit::DIRECTORY;

/// All units that run by themselves: the main ones, and what the receipt says was enabled. A
/// template runs as its instances only.
pub(crate) fn units(receipt: &Receipt) -> BTreeSet<&str> {
    let enabled = receipt.links.keys().filter_map(|link| {
        let (directory, unit) = link.strip_prefix(INSTALLED)?.rsplit_once('/')?;
        (directory.ends_with(".wants") && !unit.contains("@.")).then_some(unit)
    });
    enabled.chain(Unit::MAIN.map(Unit::name)).collect()
}

/// Names what is not as we installed it. Drop-ins may be an administrator's good right, so they break
/// nothing; a unit that is read from another file does what we do not know.
pub(crate) fn overrides(
    states: &BTreeMap<String, UnitState>,
    findings: &[Finding],
) -> Vec<Finding> {
    let mut found = Vec::new();
    // One that is masked is told as such.
    for (unit, state) in states.iter().filter(|(_, state)| state.load != "masked") {
        let mut named = |broken, detail| {
            found.push(Finding { broken, ..finding("unit", unit, detail) });
        };
        let ours = installed(unit);
        if !state.file.is_empty() && state.file != ours {
            let cure = "remove that, then systemctl daemon-reload";
            named(true, format!("is read from {} and not from {ours}: {cure}", state.file));
        }
        for drop_in in state.drop_ins.iter().filter(|path| !is_for_all(unit, path)) {
            let cure = "if that is not meant, remove it, then systemctl daemon-reload";
            named(false, format!("is changed by {drop_in}: {cure}"));
        }
        // What apply mends it also has systemd read.
        if state.stale && !findings.iter().any(|finding| finding.target == ours) {
            let cure = format!("look at systemctl cat {unit}, then systemctl daemon-reload");
            named(false, format!("was changed since systemd has read it: {cure}"));
        }
    }
    found
}

/// The file that we have brought for a unit, or for the template of an instance.
fn installed(unit: &str) -> String {
    let template = unit.split_once('@').zip(unit.rsplit_once('.'));
    match template {
        Some(((name, _), (_, kind))) => format!("{INSTALLED}/{name}@.{kind}"),
        None => format!("{INSTALLED}/{unit}"),
    }
}

/// Whether a drop-in is for all units of that kind (`service.d`), and so not about ours. Distributions
/// and containers bring such.
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
        found.map(|finding| (finding.detail, finding.broken)).collect()
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
        let ours = installed(BLOCK);
        let changed =
            found(BLOCK, state(&ours, &["/run/systemd/system/redis-.d/a.conf"], false), &[]);
        assert!(changed[0].0.starts_with("is changed by /run/systemd/system/redis-.d/a.conf"));
        assert!(!changed[0].1);
        let other = found(BLOCK, state("/run/systemd/transient/x.service", &[], false), &[]);
        assert!(other[0].0.contains("is read from /run/systemd/transient/x.service") && other[0].1);
        let stale = found(BLOCK, state(&ours, &[], true), &[]);
        assert!(stale[0].0.contains("systemctl cat redis-ports-block.service") && !stale[0].1);
        // Whoever is told to apply need not be told to have it read first.
        let edited = finding("file", &ours, "was edited");
        assert_eq!(found(BLOCK, state(&ours, &[], true), &[edited]), []);
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
        let links = links.map(|link| (format!("{INSTALLED}/{link}"), String::new()));
        let mut receipt = Receipt::default();
        receipt.links.extend(links);
        receipt.links.insert("/var/log/a.log".to_owned(), String::new());
        let mut wanted: Vec<&str> = Unit::MAIN.map(Unit::name).to_vec();
        wanted.extend(["redis-port-yield@redis-server.service", "redis-ports-revert.service"]);
        assert_eq!(units(&receipt), wanted.into_iter().collect());
    }
}
