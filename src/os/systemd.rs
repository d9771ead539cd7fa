//! systemd, through systemctl: the states of units, starting and stopping them, and the links that
//! enable them.

use super::command::{Output, Program, one_line};
use crate::error::Error;
use crate::unit::DIRECTORY;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

const HELP: &str =
    "systemd manages this host, and systemctl must work: repair it and run this again";

/// How long systemctl may take: it waits until a unit has started, and that for the units before it.
pub(super) const SYSTEMCTL_LIMIT: Duration = Duration::from_secs(300);

/// The state of a unit, in systemd's words (systemctl(1), `show`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UnitState {
    /// `loaded`, `not-found`, `masked`, …
    pub load: String,
    /// `active`, `inactive`, `failed`, …
    pub active: String,
    /// Whether a job of it waits or runs, such as its start while the host boots.
    pub has_job: bool,
    /// The main process, 0 where there is none.
    pub pid: u32,
    /// The exit status of the main process that ended last (`ExecMainStatus=`); 0 where there is none.
    pub exit_status: u32,
    /// The status that the service has told systemd (sd_notify(3), `STATUS=`), in one line.
    pub says: String,
    /// The file that it was read from; empty where there is none.
    pub file: String,
    /// The drop-ins that change it (systemd.unit(5)).
    pub drop_ins: Vec<String>,
    /// Whether its files have changed since systemd read them.
    pub stale: bool,
}

impl UnitState {
    /// Whether systemd could not make the namespaces that confine it, so that its program did not run: the
    /// statuses USER, NETWORK and NAMESPACE of systemd.exec(5). Containers may forbid it.
    pub fn lacks_namespaces(&self) -> bool {
        self.active != "active" && matches!(self.exit_status, 217 | 225 | 226)
    }
}

/// The states of units, by name.
///
/// # Errors
/// systemctl is missing or fails.
pub fn states(units: &[&str]) -> Result<BTreeMap<String, UnitState>, Error> {
    const PROPERTIES: &str = "--property=Id,LoadState,ActiveState,Job,MainPID,StatusText,\
                              ExecMainStatus,FragmentPath,DropInPaths,NeedDaemonReload";
    let mut arguments = vec!["show", PROPERTIES, "--"];
    arguments.extend(units);
    let printed = systemctl(&arguments)?;
    let read = |block: &str| {
        let properties = block.lines().filter_map(|line| line.split_once('='));
        let properties: BTreeMap<&str, &str> = properties.collect();
        let of = |key| properties.get(key).copied().unwrap_or_default().to_owned();
        let state = UnitState {
            load: of("LoadState"),
            active: of("ActiveState"),
            has_job: !matches!(of("Job").as_str(), "" | "0"),
            pid: of("MainPID").parse().unwrap_or_default(),
            exit_status: of("ExecMainStatus").parse().unwrap_or_default(),
            says: of("StatusText"),
            file: of("FragmentPath"),
            drop_ins: of("DropInPaths").split_whitespace().map(str::to_owned).collect(),
            stale: of("NeedDaemonReload") == "yes",
        };
        (of("Id"), state)
    };
    Ok(printed.split("\n\n").map(read).collect())
}

/// Runs systemctl. Returns what it prints.
///
/// # Errors
/// systemctl is missing, or fails: its first line, and where to read more.
pub fn systemctl(arguments: &[&str]) -> Result<String, Error> {
    systemctl_within(arguments, SYSTEMCTL_LIMIT)
}

/// [`systemctl`] with another limit. Where it ends, the job that was asked for goes on.
pub(super) fn systemctl_within(arguments: &[&str], limit: Duration) -> Result<String, Error> {
    let action = format!("run systemctl {}", arguments.join(" "));
    let systemctl = Program::new("systemctl").args(["--no-ask-password"]).args(arguments);
    let output = systemctl.limit(limit).run(&action).map_err(|error| error.or_help(HELP))?;
    if output.is_success() {
        return Ok(output.text());
    }
    let error = Error::new(action, output.stderr.lines().next().unwrap_or("no reason given"));
    Err(match arguments {
        ["start" | "restart" | "reload", .., unit] => error
            .and(last_words(unit))
            .help(format!("journalctl -u {unit} says more; remove the cause and run this again")),
        _ => error.help(HELP),
    })
}

/// The last lines that a unit has written to the journal, as one.
pub(crate) fn last_words(unit: &str) -> String {
    let journalctl = Program::new("journalctl").args(["--unit", unit]);
    let journalctl = journalctl.args(["--lines=4", "--output=cat", "--no-pager", "--quiet"]);
    // These words go with an error that says what failed: without them it is shown all the same.
    let lines = journalctl.run("read the journal").map(Output::text).unwrap_or_default();
    format!("{unit} said last: {}", one_line(&lines))
}

/// The links that enable a unit, as (path, target): one for each WantedBy= of its \[Install\]. A
/// template that is wanted by a template is linked as it is, and systemd makes the instance; wanted by
/// another unit, its instance is named after that one.
pub fn enablement(unit: &str, text: &str) -> Vec<(String, String)> {
    let wanted = text.lines().filter_map(|line| line.strip_prefix("WantedBy="));
    wanted
        .flat_map(str::split_whitespace)
        .map(|target| {
            let instance = match (unit.split_once("@."), target.rsplit_once('.')) {
                (Some((name, kind)), Some((wanting, _))) if !wanting.ends_with('@') => {
                    format!("{name}@{wanting}.{kind}")
                }
                _ => unit.to_owned(),
            };
            let link = format!("{DIRECTORY}/{target}.wants/{instance}");
            (link, format!("{DIRECTORY}/{unit}"))
        })
        .collect()
}

/// Makes systemd read all unit files again.
///
/// # Errors
/// systemctl fails.
pub fn daemon_reload() -> Result<(), Error> {
    systemctl(&["daemon-reload"]).map(drop)
}
