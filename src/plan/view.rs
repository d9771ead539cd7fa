//! A step as it is printed and serialised.

use super::diff::masked_unit;
use super::types::{
    FileState, Former, InPlace, LOCAL_PORTS, RECEIPT, RuleFault, STATE, Scope, Step,
};
use crate::bundle::BINARY;
use serde::Serialize;

/// A step as it is shown and serialised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepView {
    /// `binary`, `file`, `link`, `sysctl`, `rules`, `unit` or `receipt`.
    pub kind: &'static str,
    /// What it is done to: a path, a unit or a name.
    pub target: String,
    /// What is done, in words.
    pub action: String,
    /// A unified diff, of a file whose text changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
}

impl Step {
    /// The step as it is shown; `diff` makes a unified diff of (name, old, new).
    pub fn view(&self, diff: impl Fn(&str, Option<&[u8]>, Option<&[u8]>) -> String) -> StepView {
        let view = |kind, target: &str, action: &str, diff| StepView {
            kind,
            target: target.to_owned(),
            action: action.to_owned(),
            diff,
        };
        let local_ports = |action: String| view("sysctl", LOCAL_PORTS, &action, None);
        let rules = |action: &str| view("rules", "REDISGUARD", action, None);
        match self {
            Self::WriteFile { path, old, .. } if path == BINARY => {
                let action = if old.is_some() {
                    "replace with this program"
                } else {
                    "install this program"
                };
                view("binary", path, action, None)
            }
            Self::WriteFile { path, link: Some(link), new, .. } => {
                if let Some(unit) = masked_unit(path, link) {
                    let refused = "masked; apply refuses until you run: systemctl unmask";
                    return view("file", path, &format!("{refused} {unit}"), None);
                }
                let diff = diff(path, None, Some(&new.bytes));
                view("file", path, &format!("replace the link to {link}"), Some(diff))
            }
            Self::WriteFile { path, old: None, new, .. } => {
                view("file", path, "create", Some(diff(path, None, Some(&new.bytes))))
            }
            Self::WriteFile { path, old: Some(old), new, .. } if old.bytes == new.bytes => {
                view("file", path, &format!("change {}", attributes(old, new)), None)
            }
            Self::WriteFile { path, old: Some(old), new, .. } => {
                let diff = diff(path, Some(&old.bytes), Some(&new.bytes));
                view("file", path, "change", Some(diff))
            }
            Self::RemoveFile { path, old } => {
                view("file", path, "remove", Some(diff(path, Some(&old.bytes), None)))
            }
            Self::Link { path, target, old } => {
                let action = match old {
                    InPlace::Nothing => format!("link to {target}"),
                    InPlace::Link(other) => format!("link to {target} instead of {other}"),
                    InPlace::File => format!("move the file aside and link to {target}"),
                };
                view("link", path, &action, None)
            }
            Self::Unlink { path } => view("link", path, "remove", None),
            Self::AddLocalPorts { ports } => local_ports(format!("add {}", ports.joined(","))),
            Self::RemoveLocalPorts { ports } => {
                local_ports(format!("take out {}", ports.joined(",")))
            }
            Self::LeaveLocalPorts { ports, cause } => {
                let ports = ports.joined(",");
                local_ports(format!("leave {ports} in: it cannot be written ({cause})"))
            }
            Self::LoadRules { drift } => {
                let line =
                    |(scope, found): &(Scope, RuleFault)| format!("{}: {found}", scope.name());
                let lines: Vec<String> = drift.iter().map(line).collect();
                rules(&format!("load ({})", lines.join("; ")))
            }
            Self::UnloadRules => rules("unload: the ports are open to the outside then"),
            Self::StartUnit { unit, verb, reason } => {
                view("unit", unit.name(), &format!("{verb} ({reason})"), None)
            }
            Self::StopUnit { unit } => view("unit", unit.name(), "stop", None),
            Self::RestoreLink { path, former } => view("link", path, &restored(former), None),
            Self::RestoreFile { path, former } => view("file", path, &restored(former), None),
            Self::WriteReceipt => view("receipt", RECEIPT, "write", None),
            Self::RemoveState => view("receipt", STATE, "remove", None),
        }
    }
}

/// What a removal does to a path.
fn restored(former: &Former) -> String {
    match former {
        Former::Nothing => "remove".to_owned(),
        Former::Kept => "put back what was there before".to_owned(),
        Former::MovedTo(aside) => format!("remove, and move {aside} back"),
    }
}

/// How two files with the same bytes differ.
pub fn attributes(old: &FileState, new: &FileState) -> String {
    if old.mode != new.mode {
        return format!("mode {:04o} to {:04o}", old.mode, new.mode);
    }
    let (old, new) = (old.owner, new.owner);
    format!("owner {}:{} to {}:{}", old.0, old.1, new.0, new.1)
}
