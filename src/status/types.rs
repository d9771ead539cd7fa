//! The answer of `status`, as it is serialised.

use crate::family::Family;
use crate::host::listener_health::Answer;
use crate::log_sources::RecentAttempt;
use crate::spec::PortRange;
use serde::Serialize;
use std::fmt;

/// What is in place.
#[derive(Default, Serialize)]
pub struct HostStatus {
    /// `open`, `unknown`, `blocked`, `ok`, or `absent` where nothing was ever applied.
    pub verdict: Verdict,
    /// The verdict as a sentence.
    #[serde(skip)]
    pub headline: String,
    /// How to find out from another host whether outsiders get through, where this host cannot tell.
    #[serde(skip)]
    pub test: Option<String>,
    /// Whether rules, files, links and enablement are as they were applied.
    pub in_sync: bool,
    /// Whether the rules are in place, the units run and the listener answers.
    pub healthy: bool,
    /// The digest of the bundle that was applied; null where none was.
    pub bundle: Option<String>,
    /// When; null where nothing was.
    pub applied: Option<String>,
    /// The parts that this host is expected to run: `rules`, `boot`, `listener`, `timer`; null where nothing
    /// was applied.
    pub expect: Option<Vec<&'static str>>,
    /// Whether the host declares them itself.
    #[serde(skip)]
    pub declares: bool,
    /// What to tell of a family that the host does not have.
    #[serde(skip)]
    pub missing_family: Option<&'static str>,
    /// What an operator must know of the firewall that was chosen, and of copies of the applied rules.
    #[serde(skip)]
    pub notes: Vec<String>,
    /// What is wrong, one sentence a cause: several findings may have one cause.
    pub causes: Vec<String>,
    /// What to do about it, in order: first what a person must do, then one command, where a command helps.
    pub fix: Vec<String>,
    /// The command at the end of `fix`, for programs that read it in 0.1; absent where no command helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
    /// Until when `confirm` must come, where a change waits for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirm_by: Option<String>,
    /// The same as a sentence, with the time that is left.
    #[serde(skip)]
    pub unconfirmed: Option<String>,
    /// Everything that is not as it should be.
    pub findings: Vec<Finding>,
    /// When what `ports` tells began to be counted; absent where nobody came yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted_since: Option<String>,
    /// What the rules stopped or told in all that time, by reservation and family: it outlives reloads,
    /// changed bundles and reboots.
    pub ports: Vec<PortCount>,
    /// The same of the networks in `[probe] from`, which `ports` does not include; absent where the bundle names
    /// none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<PortCount>,
    /// The latest attempts from outside and of identified programs on this host, the latest first, each source
    /// at each port once; from the ends of the listener's log and, of the last day, of the kernel's.
    pub knocks: Vec<RecentAttempt>,
    /// The listener.
    pub listener: ListenerStatus,
}

/// The one question first: whether outsiders reach a reserved port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Outsiders can reach a reserved port that the bundle closes.
    Open,
    /// Whether they can is not known: other programs may decide, or redisguard's rules are damaged.
    Unknown,
    /// Outsiders are kept out, but something else is wrong.
    Blocked,
    /// Nothing is wrong.
    Ok,
    /// Nothing was ever applied.
    #[default]
    Absent,
}

/// What a finding is about, displayed as it is serialised. The names are listed in docs/architecture.md, and
/// stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingKind {
    /// The bundle.
    Bundle,
    /// The receipt, or the last good bundle beside it.
    Receipt,
    /// A file or directory.
    File,
    /// A symbolic link.
    Link,
    /// The kernel's list of local reserved ports.
    Sysctl,
    /// The rules in the kernel.
    Rules,
    /// A unit.
    Unit,
    /// The listener.
    Listener,
    /// The notice, where outsiders do not get it.
    Notice,
    /// Rules of others.
    Others,
    /// What loads the rules at boot, on a host without systemd.
    Boot,
    /// What checks the rules every minute, on a host without systemd.
    Timer,
}

impl fmt::Display for FindingKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(formatter)
    }
}

/// One thing that is not as it was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `bundle`, `receipt`, `file`, `link`, `sysctl`, `rules`, `unit`, `listener`, `notice`,
    /// `others`, `boot` or `timer`.
    pub kind: FindingKind,
    /// What it is about.
    pub target: String,
    /// What is wrong with it, in words.
    pub detail: String,
    /// Whether something that guards or answers is not in place now.
    #[serde(skip)]
    pub broken: bool,
    /// What to do about it.
    #[serde(skip)]
    pub remedy: Remedy,
    /// Findings of the same table of rules have one cause: the table, and `detail` without it.
    #[serde(skip)]
    pub table: Option<(String, String)>,
}

/// What puts something right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remedy {
    /// What a person must decide or do first, as a sentence.
    pub first: Option<String>,
    /// The command, after that.
    pub command: Option<Command>,
}

/// A command that puts something right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `apply` with the bundle that was applied.
    Apply,
    /// Another one.
    Shell(String),
}

impl Finding {
    /// A finding; one about what guards or answers means that something is broken.
    pub fn new(kind: FindingKind, target: &str, detail: impl Into<String>) -> Self {
        use FindingKind::{Boot, Listener, Notice, Rules, Timer, Unit};
        let broken = matches!(kind, Rules | Unit | Listener | Notice | Boot | Timer);
        let (target, detail) = (target.to_owned(), detail.into());
        Self { kind, target, detail, broken, remedy: Remedy::default(), table: None }
    }

    /// The same, and a person must do something first.
    #[must_use]
    pub fn first(mut self, sentence: impl Into<String>) -> Self {
        self.remedy.first = Some(sentence.into());
        self
    }

    /// The same, and a command puts it right.
    #[must_use]
    pub fn command(mut self, command: Command) -> Self {
        self.remedy.command = Some(command);
        self
    }

    /// Takes the fixes out of a detail that has them in lines that begin with `fix: `.
    #[must_use]
    pub fn with_fixes_apart(mut self) -> Self {
        let (fixes, words): (Vec<&str>, Vec<&str>) =
            self.detail.lines().partition(|line| line.starts_with("fix: "));
        let fixes: Vec<&str> = fixes.into_iter().map(|line| &line["fix: ".len()..]).collect();
        if fixes.is_empty() {
            return self;
        }
        let command = Command::Shell(fixes.join(" && "));
        self.detail = words.join("\n");
        self.command(command)
    }
}

/// What was stopped at one reservation, over one family.
#[derive(Serialize)]
pub struct PortCount {
    /// The reserved port, or the first of a range.
    pub port: u16,
    /// The last one of a range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_port: Option<u16>,
    /// `IPv4` or `IPv6`.
    pub family: &'static str,
    /// How many packets.
    pub packets: u64,
    /// How many bytes they had.
    pub bytes: u64,
}

impl PortCount {
    /// The count of a reservation.
    pub fn new(ports: PortRange, family: Family, (packets, bytes): (u64, u64)) -> Self {
        let last_port = (ports.first() != ports.last()).then_some(ports.last());
        Self { port: ports.first(), last_port, family: family.name(), packets, bytes }
    }

    /// `6379`, or `6381-6390`.
    pub fn port_label(&self) -> String {
        match self.last_port {
            Some(last) => format!("{}-{last}", self.port),
            None => self.port.to_string(),
        }
    }
}

/// The listener's unit and answers.
#[derive(Default, Serialize)]
pub struct ListenerStatus {
    /// Its unit's state as systemd names it (`active`, `failed`); null where no systemd runs.
    pub unit: Option<String>,
    /// When the certificate ends that it shows to TLS clients; absent where it shows none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_end: Option<String>,
    /// Whether it can write its log; absent where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_writable: Option<bool>,
    /// What some of its ports answered when asked on this host.
    pub answers: Vec<Answer>,
}
