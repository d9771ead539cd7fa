//! What a plan is made of, as plain data: what is wanted, what was observed, and the steps between.

use super::bytes::Bytes;
use crate::family::Family;
use crate::spec::{PortRange, PortSet};
use crate::unit::Unit;
use std::collections::BTreeMap;
use std::fmt;

/// The directory of everything that redisguard remembers of a host.
pub const STATE: &str = "/var/lib/redisguard";
/// The record of what was applied.
pub const RECEIPT: &str = "/var/lib/redisguard/receipt.json";
/// The kernel's list of ports that outgoing connections do not take, as sysctl(8) names it.
pub const LOCAL_PORTS: &str = "net.ipv4.ip_local_reserved_ports";

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

/// One difference between the kernel's rules and the wanted ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFault {
    /// The table that it is in (`filter`, `inet redisguard`); `None`: it is about all rules.
    pub table: Option<String>,
    /// What is wrong, in words.
    pub what: String,
}

impl RuleFault {
    /// A fault of all rules.
    pub fn of_all(what: impl Into<String>) -> Self {
        Self { table: None, what: what.into() }
    }

    /// A fault in a table.
    pub fn in_table(table: &str, what: impl Into<String>) -> Self {
        Self { table: Some(table.to_owned()), what: what.into() }
    }
}

impl fmt::Display for RuleFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.table {
            Some(table) => write!(formatter, "{table}: {}", self.what),
            None => formatter.write_str(&self.what),
        }
    }
}

/// What was stopped on a reserved port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// The table that counts: `mangle`, `filter` or `nat` of iptables', or nft's `inet`.
    pub table: &'static str,
    /// The port or range as it was reserved.
    pub ports: PortRange,
    /// Whether it counts probes.
    pub is_probe: bool,
    /// Packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What systemd says of a unit (systemctl(1), show): LoadState=, ActiveState= and Job=.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitStatus {
    /// `loaded`, `not-found`, `masked`, …
    pub load: String,
    /// `active`, `inactive`, `failed`, …
    pub active: String,
    /// Whether a job of it waits or runs, such as its start while the host boots.
    pub has_job: bool,
}

impl UnitStatus {
    /// Whether it runs, or is on its way to that. One that waits until systemd tries it again is not: it has no job.
    pub fn is_running(&self) -> bool {
        match self.active.as_str() {
            "active" | "reloading" => true,
            "activating" => self.has_job,
            _ => false,
        }
    }
}

/// What is to change in [`LOCAL_PORTS`].
#[derive(Clone, Debug, Default)]
pub struct LocalPorts {
    /// Ports that it lacks.
    pub missing: PortSet,
    /// Ports that redisguard added to it, and that nothing needs any more.
    pub stale: PortSet,
    /// Why it cannot be written, in words; asked only where it would have to be.
    pub fault: Option<String>,
}

/// What a host looks like, gathered before anything is decided.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Files by their path on the host; only those that exist.
    pub files: BTreeMap<String, FileState>,
    /// Symbolic links by their path; the value is the target.
    pub links: BTreeMap<String, String>,
    /// Paths that hold neither a file nor a link, and what they hold, in words.
    pub irregular: BTreeMap<String, &'static str>,
    /// Every difference between the kernel's rules and the wanted ones. `None`: not compared.
    pub rule_drift: Option<Vec<(Scope, RuleFault)>>,
    /// What was stopped so far: packets and bytes by port and family.
    pub stopped: BTreeMap<(PortRange, Family), (u64, u64)>,
    /// What was stopped of probes, which `stopped` does not include.
    pub stopped_probes: BTreeMap<(PortRange, Family), (u64, u64)>,
    /// When that counting began (RFC 3339), if anything was counted.
    pub counted_since: Option<String>,
    /// Whether any of redisguard's rules is in the kernel.
    pub rules_loaded: bool,
    /// The main units' states. `None`: systemd does not run here.
    pub units: Option<BTreeMap<Unit, UnitStatus>>,
    /// Why a listener that runs cannot answer, in words.
    pub listener_fault: Option<String>,
    /// What is to change in [`LOCAL_PORTS`]. Nothing for an offline tree.
    pub local_ports: LocalPorts,
    /// Files that the receipt lists.
    pub owned_files: Vec<String>,
    /// Links that the receipt lists.
    pub owned_links: Vec<String>,
    /// Whether the receipt is the wanted bundle's, of a change that ended.
    pub receipt_current: bool,
}

/// What the host should be.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Files by their path on the host.
    pub files: BTreeMap<String, FileState>,
    /// Symbolic links by their path; the value is the target.
    pub links: BTreeMap<String, String>,
    /// The units of parts that this host is not expected to run.
    pub unexpected: Vec<Unit>,
}

impl Wanted {
    /// Whether a file or link is wanted at a path.
    pub fn has(&self, path: &str) -> bool {
        self.files.contains_key(path) || self.links.contains_key(path)
    }

    /// Has all bytes read that are read only when they are needed.
    ///
    /// # Errors
    /// What kept them from being read.
    pub fn load(&self) -> Result<(), String> {
        self.files.values().try_for_each(|file| file.bytes.load())
    }
}

/// One thing to do. Those of a removal are at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write a file.
    WriteFile {
        /// The path on the host.
        path: String,
        /// The file that is there now.
        old: Option<FileState>,
        /// The target of the link that is there now.
        link: Option<String>,
        /// The file to write.
        new: FileState,
    },
    /// Remove a file that an earlier bundle brought.
    RemoveFile {
        /// The path on the host.
        path: String,
        /// The file that is there now.
        old: FileState,
    },
    /// Make a symbolic link: enablement of a unit, or the log's well-known path.
    Link {
        /// The path on the host.
        path: String,
        /// Its target.
        target: String,
        /// What is in its place now.
        old: InPlace,
    },
    /// Remove a link that an earlier bundle brought.
    Unlink {
        /// The path on the host.
        path: String,
    },
    /// Add ports to [`LOCAL_PORTS`].
    AddLocalPorts {
        /// The ports that it lacks.
        ports: PortSet,
    },
    /// Take ports out of [`LOCAL_PORTS`].
    RemoveLocalPorts {
        /// The ports that redisguard added.
        ports: PortSet,
    },
    /// Load the rules.
    LoadRules {
        /// How those in the kernel differ.
        drift: Vec<(Scope, RuleFault)>,
    },
    /// Start or restart a unit.
    StartUnit {
        /// The unit.
        unit: Unit,
        /// `start` or `restart`.
        verb: &'static str,
        /// Why.
        reason: String,
    },
    /// Bring the receipt up to date.
    WriteReceipt,
    /// Stop a unit.
    StopUnit {
        /// The unit.
        unit: Unit,
    },
    /// Remove a link, and put back what was at its path before.
    RestoreLink {
        /// The path on the host.
        path: String,
        /// What was there before.
        former: Former,
    },
    /// Remove a file, and put back what was at its path before.
    RestoreFile {
        /// The path on the host.
        path: String,
        /// What was there before.
        former: Former,
    },
    /// Leave ports in [`LOCAL_PORTS`], which cannot be written.
    LeaveLocalPorts {
        /// The ports that redisguard added.
        ports: PortSet,
        /// Why it cannot be written, in words.
        cause: String,
    },
    /// Unload the rules.
    UnloadRules,
    /// Remove everything that redisguard remembers, the receipt last.
    RemoveState,
}

/// What is in the place of a link to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InPlace {
    /// Nothing.
    Nothing,
    /// A link to somewhere else.
    Link(String),
    /// An ordinary file: it is moved aside, not lost.
    File,
}

/// What was at a path before redisguard was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Former {
    /// Nothing.
    Nothing,
    /// A file or link that is kept with the receipt.
    Kept,
    /// A file that was moved to this path.
    MovedTo(String),
}

/// Everything to do, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
}

impl Plan {
    /// The paths of files that it creates.
    pub fn created(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(|step| match step {
            Step::WriteFile { path, old: None, link: None, .. } => Some(path.as_str()),
            _ => None,
        })
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}
