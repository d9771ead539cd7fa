//! A plan in few lines, for people: what is alike is counted or named together. Pure.

use super::types::{InPlace, Plan, Step};
use super::view::StepView;
use crate::unit;
use std::collections::BTreeMap;

/// From so many new files in one directory on, they are counted.
const MANY_FILES: usize = 3;

/// What a step is shown together with.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Group<'a> {
    /// New files of a directory.
    Files(&'a str),
    /// Links that enable units.
    Enable,
    /// Links that enable units once other units are installed.
    EnableLater,
}

/// The steps as they are shown, without diffs, each group at the place of its first step. `is_installed` says
/// whether a unit has a file on the host.
pub fn summary(plan: &Plan, is_installed: impl Fn(&str) -> bool) -> Vec<StepView> {
    let group_of = |step| group(step, &is_installed);
    let mut groups: BTreeMap<Group<'_>, Vec<&str>> = BTreeMap::new();
    for (group, name) in plan.steps.iter().filter_map(group_of) {
        groups.entry(group).or_default().push(name);
    }
    groups.retain(|group, names| !matches!(group, Group::Files(_)) || names.len() >= MANY_FILES);
    let mut lines = Vec::new();
    for step in &plan.steps {
        match group_of(step) {
            Some((group, _)) if groups.get(&group).is_some_and(Vec::is_empty) => {}
            Some((group, _)) if groups.contains_key(&group) => {
                let names = groups.get_mut(&group).map(std::mem::take).unwrap_or_default();
                lines.push(group.line(&names));
            }
            _ => lines.push(StepView { diff: None, ..step.view(|_, _, _| String::new()) }),
        }
    }
    lines
}

/// The group of a step, and the name that it has there.
fn group<'a>(step: &'a Step, is_installed: impl Fn(&str) -> bool) -> Option<(Group<'a>, &'a str)> {
    match step {
        Step::WriteFile { path, old: None, link: None, .. } => {
            let (directory, name) = path.rsplit_once('/')?;
            Some((Group::Files(directory), name))
        }
        Step::Link { path, old: InPlace::Nothing, .. } => {
            let (directory, unit) = unit::below_directory(path)?.split_once('/')?;
            let wanting = directory.strip_suffix(".wants")?;
            // Targets are systemd's own.
            let is_there = wanting.ends_with(".target") || is_installed(wanting);
            Some((if is_there { Group::Enable } else { Group::EnableLater }, unit))
        }
        _ => None,
    }
}

impl Group<'_> {
    fn line(&self, names: &[&str]) -> StepView {
        let count = names.len();
        let (kind, target, action) = match self {
            Group::Files(directory) => ("file", *directory, format!("create {count} files")),
            Group::Enable => ("link", unit::DIRECTORY, format!("enable {}", names.join(", "))),
            Group::EnableLater => {
                let action = format!("{count} links for services that are not installed here");
                ("link", unit::DIRECTORY, action)
            }
        };
        StepView { kind, target: target.to_owned(), action, diff: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::FileState;

    fn create(path: &str) -> Step {
        let new = FileState { bytes: b"x".as_slice().into(), mode: 0o644, owner: (0, 0) };
        Step::WriteFile { path: path.to_owned(), old: None, link: None, new }
    }

    fn enable(wanting: &str, unit: &str) -> Step {
        let path = format!("/etc/systemd/system/{wanting}.wants/{unit}");
        Step::Link { path, target: format!("/etc/systemd/system/{unit}"), old: InPlace::Nothing }
    }

    #[test]
    fn many_files_are_counted_and_links_of_absent_services_too() {
        let steps = vec![
            create("/etc/a/1"),
            create("/etc/a/2"),
            create("/etc/a/3"),
            create("/etc/b/1"),
            create("/etc/b/2"),
            enable("sysinit.target", "one.service"),
            enable("ufw.service", "two.service"),
            enable("redis.service", "three.service"),
            enable("valkey@.service", "three@.service"),
            Step::WriteReceipt,
        ];
        let lines = summary(&Plan { steps }, |unit| unit == "ufw.service");
        let lines =
            lines.iter().map(|line| format!("{} {}: {}", line.kind, line.target, line.action));
        assert_eq!(
            lines.collect::<Vec<_>>(),
            [
                "file /etc/a: create 3 files",
                "file /etc/b/1: create",
                "file /etc/b/2: create",
                "link /etc/systemd/system: enable one.service, two.service",
                "link /etc/systemd/system: 2 links for services that are not installed here",
                "receipt /var/lib/redisguard/receipt.json: write",
            ]
        );
    }
}
