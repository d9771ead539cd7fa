//! Owns the difference between a bundle and a host, as plain data: it can be compared, printed and
//! serialised, and computing it touches nothing.

mod bytes;
pub(crate) mod diff;

pub use self::bytes::Bytes;
pub use self::diff::{compute, kept_free, masked, masked_unit};

use crate::bundle::BINARY;
use crate::family::Family;
use crate::spec::PortRange;
use crate::unit::Unit;
use serde::Serialize;
use std::collections::BTreeMap;

/// A file as it was found or is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileState {
    /// Its bytes.
    pub bytes: Bytes,
    /// Its permission bits.
    pub mode: u32,
    /// Its user and group.
    pub owner: (u32, u32),
}

/// Which rules a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The iptables rules of one family.
    Family(Family),
    /// All rules of `iptables` or of `nftables`.
    Backend(&'static str),
}

impl Scope {
    /// `IPv4`, `IPv6`, `iptables` or `nftables`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Family(family) => family.name(),
            Self::Backend(name) => name,
        }
    }
}

/// What was stopped on a reserved port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// The table that counts: `filter` or `nat` of iptables', or nft's `inet`.
    pub table: &'static str,
    /// The port or range as it was reserved.
    pub ports: PortRange,
    /// Packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What systemd says of a unit (systemctl(1), show): LoadState= and ActiveState=.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitStatus {
    /// `loaded`, `not-found`, `masked`, …
    pub load: String,
    /// `active`, `inactive`, `failed`, …
    pub active: String,
}

impl UnitStatus {
    /// Whether it runs, or is on its way to that.
    pub fn is_running(&self) -> bool {
        matches!(self.active.as_str(), "active" | "reloading" | "activating")
    }
}

/// What a host looks like, gathered before anything is decided.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Files by their path on the host; only those that exist.
    pub files: BTreeMap<String, FileState>,
    /// Symbolic links by their path; the value is the target.
    pub links: BTreeMap<String, String>,
    /// What stands at paths of ours and is neither a file nor a link, in words.
    pub strangers: BTreeMap<String, &'static str>,
    /// Everything in which the kernel's rules are not the wanted ones. `None`: not looked at.
    pub rule_drift: Option<Vec<(Scope, String)>>,
    /// What was stopped so far: packets and bytes by port and family.
    pub stopped: BTreeMap<(PortRange, Family), (u64, u64)>,
    /// When counting that began, if anything was counted.
    pub counted_since: Option<String>,
    /// Whether any rule of ours is in the kernel.
    pub guarded: bool,
    /// What systemd says of the main units. `None`: no systemd runs here.
    pub units: Option<BTreeMap<Unit, UnitStatus>>,
    /// Why a listener that runs cannot answer, in words.
    pub mute: Option<String>,
    /// Ports that net.ipv4.ip_local_reserved_ports lacks. `None`: not looked at.
    pub not_kept_free: Option<String>,
    /// Ports that an earlier bundle added there, and nobody needs. `None`: none, or not looked at.
    pub kept_needlessly: Option<String>,
    /// Why that list cannot be changed, in words; asked only where it would have to be.
    pub list_fixed: Option<String>,
    /// Files that the receipt says are ours.
    pub owned_files: Vec<String>,
    /// Links that the receipt says are ours.
    pub owned_links: Vec<String>,
    /// Whether the receipt is the wanted bundle's, of a run that ended.
    pub receipt_current: bool,
}

/// What the host should be.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Files by their path on the host.
    pub files: BTreeMap<String, FileState>,
    /// Symbolic links by their path; the value is the target.
    pub links: BTreeMap<String, String>,
}

impl Wanted {
    /// Has all bytes read that are read only when they are needed.
    ///
    /// # Errors
    /// What kept them from being read.
    pub fn load(&self) -> Result<(), String> {
        self.files.values().try_for_each(|file| file.bytes.load())
    }
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write a file.
    WriteFile {
        /// The path on the host.
        path: String,
        /// The file that stands there now.
        old: Option<FileState>,
        /// Where the link leads that stands there now.
        link: Option<String>,
        /// What will.
        new: FileState,
    },
    /// Remove a file that an earlier bundle brought.
    RemoveFile {
        /// The path on the host.
        path: String,
        /// What stands there now.
        old: FileState,
    },
    /// Make a symbolic link: enablement of a unit, or the log's well-known path.
    Link {
        /// The path on the host.
        path: String,
        /// Where it leads.
        target: String,
        /// What is in its place now.
        old: InPlace,
    },
    /// Remove a link that an earlier bundle brought.
    Unlink {
        /// The path on the host.
        path: String,
    },
    /// Have outgoing connections keep off the ports.
    KeepFree {
        /// The ports that are missing from the kernel's list.
        ports: String,
    },
    /// Leave ports to outgoing connections again.
    LetGo {
        /// The ports that an earlier bundle added to the kernel's list.
        ports: String,
    },
    /// Load the rules.
    Rules {
        /// What is wrong with those in the kernel.
        findings: Vec<(Scope, String)>,
    },
    /// Start or restart a unit.
    Unit {
        /// The unit.
        unit: Unit,
        /// `start` or `restart`.
        verb: &'static str,
        /// Why.
        reason: String,
    },
    /// Bring the receipt up to date.
    Receipt,
}

/// What stands where a link shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InPlace {
    /// Nothing.
    Nothing,
    /// A link to somewhere else.
    Link(String),
    /// An ordinary file: it is moved aside, not lost.
    File,
}

/// All that is to do, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
}

impl Plan {
    /// Whether the host already is as the bundle says.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// A step as it is shown and serialised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepView {
    /// `binary`, `file`, `link`, `sysctl`, `rules`, `unit`, `receipt`.
    pub kind: &'static str,
    /// What it is done to.
    pub target: String,
    /// What is done.
    pub action: String,
    /// The change, where it is one of text.
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
        match self {
            Self::WriteFile { path, old, .. } if path == BINARY => {
                let action =
                    if old.is_some() { "replace by this program" } else { "install this program" };
                view("binary", path, action, None)
            }
            Self::WriteFile { path, link: Some(link), .. } if masked_unit(path, link).is_some() => {
                let action = "masked: apply changes nothing before `systemctl unmask`";
                view("file", path, action, None)
            }
            Self::WriteFile { path, link: Some(link), new, .. } => {
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
            Self::LetGo { ports } => {
                let action = format!("take out {ports}");
                view("sysctl", "net.ipv4.ip_local_reserved_ports", &action, None)
            }
            Self::KeepFree { ports } => {
                let action = format!("add {ports}");
                view("sysctl", "net.ipv4.ip_local_reserved_ports", &action, None)
            }
            Self::Rules { findings } => {
                let lines: Vec<String> = findings
                    .iter()
                    .map(|(scope, finding)| format!("{}: {finding}", scope.name()))
                    .collect();
                view("rules", "REDISGUARD", &format!("load ({})", lines.join("; ")), None)
            }
            Self::Unit { unit, verb, reason } => {
                view("unit", unit.name(), &format!("{verb} ({reason})"), None)
            }
            Self::Receipt => view("receipt", "/var/lib/redisguard/receipt.json", "write", None),
        }
    }
}

/// In what two files with the same bytes differ.
pub fn attributes(old: &FileState, new: &FileState) -> String {
    if old.mode != new.mode {
        return format!("mode {:04o} to {:04o}", old.mode, new.mode);
    }
    let (old, new) = (old.owner, new.owner);
    format!("owner {}:{} to {}:{}", old.0, old.1, new.0, new.1)
}
