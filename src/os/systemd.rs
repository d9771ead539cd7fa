//! Owns systemd: asking and telling it through systemctl, and where enablement is kept.

use super::command;
use crate::error::Error;
use crate::host::Host;
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

const CURE: &str =
    "systemd manages this host, and systemctl must work: mend it and run the same again";

/// How long systemctl may take: a unit waits for what it comes after.
const PATIENCE: Duration = Duration::from_secs(300);

/// What systemd says of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UnitState {
    /// `loaded`, `not-found`, `masked`, …
    pub load: String,
    /// `active`, `inactive`, `failed`, …
    pub active: String,
    /// The main process, 0 where there is none.
    pub pid: u32,
    /// What the service says of itself, in one line.
    pub says: String,
    /// The file that it was read from; empty where there is none.
    pub file: String,
    /// The drop-ins that change it (systemd.unit(5)).
    pub drop_ins: Vec<String>,
    /// Whether its files were changed since they were read.
    pub stale: bool,
}

/// The states of units, by name.
///
/// # Errors
/// systemctl is missing or fails.
pub fn states(units: &[&str]) -> Result<BTreeMap<String, UnitState>, Error> {
    const PROPERTIES: &str = "--property=Id,LoadState,ActiveState,MainPID,StatusText,\
                              FragmentPath,DropInPaths,NeedDaemonReload";
    let mut arguments = vec!["show", PROPERTIES, "--"];
    arguments.extend(units);
    let said = systemctl(&arguments)?;
    let mut states = BTreeMap::new();
    for block in said.split("\n\n") {
        let mut state = UnitState::default();
        let mut name = String::new();
        for (key, value) in block.lines().filter_map(|line| line.split_once('=')) {
            match key {
                "Id" => name = value.to_owned(),
                "LoadState" => state.load = value.to_owned(),
                "ActiveState" => state.active = value.to_owned(),
                "StatusText" => state.says = value.to_owned(),
                "FragmentPath" => state.file = value.to_owned(),
                "DropInPaths" => {
                    state.drop_ins = value.split_whitespace().map(str::to_owned).collect();
                }
                "NeedDaemonReload" => state.stale = value == "yes",
                "MainPID" => state.pid = value.parse().unwrap_or_default(),
                _ => {}
            }
        }
        states.insert(name, state);
    }
    Ok(states)
}

/// Runs systemctl; what it printed.
///
/// # Errors
/// Its own words, and where to read more.
pub fn systemctl(arguments: &[&str]) -> Result<String, Error> {
    let what = format!("systemctl {}", arguments.join(" "));
    let mut command = Command::new("systemctl");
    command.arg("--no-ask-password").args(arguments);
    let said = command::run(&mut command, &format!("run {what}"), b"", PATIENCE)
        .map_err(|trouble| trouble.or_help(CURE))?;
    if said.success {
        return Ok(said.stdout);
    }
    let first = said.stderr.lines().next().unwrap_or("no reason given").to_owned();
    let trouble = Error::new(format!("run {what}"), first);
    Err(match arguments {
        ["start" | "restart" | "reload", .., unit] => trouble
            .and(last_words(unit))
            .help(format!("journalctl -u {unit} says more; mend it and run the same again")),
        _ => trouble.help(CURE),
    })
}

/// What a unit that failed said last, in one line.
pub(crate) fn last_words(unit: &str) -> String {
    let output = Command::new("journalctl")
        .args(["--unit", unit, "--lines=4", "--output=cat", "--no-pager", "--quiet"])
        .output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let said = said.unwrap_or_default();
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    format!(
        "{unit} said last: {}",
        if lines.is_empty() { "nothing".into() } else { lines.join(" | ") }
    )
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
            let link = format!("/etc/systemd/system/{target}.wants/{instance}");
            (link, format!("/etc/systemd/system/{unit}"))
        })
        .collect()
}

/// Makes systemd read the units anew, where it runs.
///
/// # Errors
/// systemctl fails.
pub fn reload(host: &Host) -> Result<(), Error> {
    if host.has_systemd() { systemctl(&["daemon-reload"]).map(drop) } else { Ok(()) }
}
