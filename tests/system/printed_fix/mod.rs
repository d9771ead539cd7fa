//! The printed fix fixes: after each damage of a table, the command that `status` prints makes it OK.
//!
//! Where a line before that command names what a person must do first, the test does that first.

mod files;
mod program;
mod rules;

use super::failed_apply::give_bundle;
use super::*;

/// One damage of a guarded host.
struct Damage {
    name: &'static str,
    /// Does it.
    script: &'static str,
    /// What a person must do, where the printed command does not suffice.
    act: Option<Act>,
}

/// What a person does.
struct Act {
    /// What the printed line must name: the unit, path or program.
    named: &'static str,
    /// The same as a shell script.
    script: &'static str,
}

const fn damage(name: &'static str, script: &'static str) -> Damage {
    Damage { name, script, act: None }
}

const fn with_act(
    name: &'static str,
    script: &'static str,
    named: &'static str,
    act: &'static str,
) -> Damage {
    Damage { name, script, act: Some(Act { named, script: act }) }
}

/// A site where outsiders of one port are told, so that every table has rules.
fn spec(backend: &str) -> String {
    format!(
        "[contact]\nteam = \"Ops\"\nemail = \"ops@example.org\"\n[cluster]\nports = 7000\n\
         [[reserved]]\nport = 6379\nexternal = \"notice\"\nlisten = \"always\"\n\
         [[reserved]]\nport = 6380\nexternal = \"drop\"\nlisten = \"if-free\"\n\
         [firewall]\nbackend = \"{backend}\"\n"
    )
}

/// For all units, so that `status` does not count it as a change of redisguard's: no timer repairs what is damaged,
/// and what fails stays away.
const STILL: &str = "mkdir -p /run/systemd/system/timer.d /run/systemd/system/service.d
    printf '[Timer]\\nOnActiveSec=\\nOnActiveSec=1d\\n' >/run/systemd/system/timer.d/still.conf
    printf '[Service]\\nRestartSec=1h\\n' >/run/systemd/system/service.d/still.conf
    systemctl daemon-reload";

/// A guarded host. `backend` names the rules of a bundle from a directory; without, the built-in one is applied.
fn still_host(name: &str, backend: Option<&str>) -> Option<Machine> {
    let machine = host(name)?;
    machine.run(&["sh", "-c", STILL]).ok();
    match backend {
        None => redisguard(&machine, &["apply"]).ok(),
        Some(backend) => {
            give_bundle(&machine, &spec(backend), "/root/site");
            redisguard(&machine, &["--bundle", "/root/site", "apply"]).ok()
        }
    };
    redisguard(&machine, &["status"]).ok();
    Some(machine)
}

/// Runs a script as root's login shell has it.
fn shell(machine: &Machine, script: &str) -> Output {
    machine.run(&["sh", "-c", &format!("cd /\n{script}")])
}

/// What `status` prints of a damaged host, once it sees the damage: a signal takes its time.
fn damaged(machine: &Machine) -> Result<Output, String> {
    let mut said = redisguard(machine, &["status"]);
    for _ in 0..20 {
        if said.code != 0 {
            return Ok(said);
        }
        thread::sleep(Duration::from_millis(50));
        said = redisguard(machine, &["status"]);
    }
    Err(format!("status calls it well:\n{}", said.stdout))
}

/// The lines that say what a person must do, folded ones as one; and the command after them.
fn printed(said: &Output) -> (String, Option<String>) {
    let text = if said.code == 1 { &said.stdout } else { &said.stderr };
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let person = words.find("first: ").map_or(String::new(), |at| words[at..].to_owned());
    let command = text.lines().find_map(|line| line.trim().strip_prefix("fix: "));
    (person, command.map(str::to_owned))
}

/// Does what was damaged, and follows what `status` prints.
fn follow(machine: &Machine, damages: &[&Damage]) -> Result<(), String> {
    for damage in damages {
        shell(machine, damage.script);
    }
    let said = damaged(machine)?;
    let text = format!("{}{}", said.stdout, said.stderr);
    if !matches!(said.code, 1 | 2) || text.starts_with("OK") {
        return Err(format!("status ends with {}:\n{text}", said.code));
    }
    let (person, command) = printed(&said);
    let mut transcript = text;
    for act in damages.iter().filter_map(|damage| damage.act.as_ref()) {
        if !person.contains(act.named) {
            // Among others, another damage may have taken this one away.
            if damages.len() > 1 {
                continue;
            }
            return Err(format!("no line before the fix names {}:\n{transcript}", act.named));
        }
        let done = shell(machine, act.script);
        transcript.push_str(&format!("\n$ {}\n{}{}", act.script, done.stdout, done.stderr));
    }
    if let Some(command) = &command {
        let done = shell(machine, command);
        transcript.push_str(&format!("\n$ {command}\n{}{}", done.stdout, done.stderr));
    } else if damages.iter().all(|damage| damage.act.is_none()) {
        return Err(format!("no fix is printed:\n{transcript}"));
    }
    let after = redisguard(machine, &["status"]);
    match after.code {
        0 if after.stdout.starts_with("OK") => Ok(()),
        _ => Err(format!("{transcript}\nafter that:\n{}{}", after.stdout, after.stderr)),
    }
}

/// Follows the fix after each of these on a host, and on another one after a failure.
fn follow_all(name: &str, backend: Option<&str>, damages: &[Vec<&Damage>]) {
    let only = std::env::var("REDISGUARD_ONLY_DAMAGE").unwrap_or_default();
    let mut machine = None;
    let mut failures = Vec::new();
    for several in damages {
        let names: Vec<&str> = several.iter().map(|damage| damage.name).collect();
        let names = names.join(", and ");
        if !names.contains(&only) {
            continue;
        }
        if machine.is_none() {
            machine = still_host(name, backend);
        }
        let Some(host) = &machine else { return };
        if let Err(cause) = follow(host, several) {
            failures.push(format!("=== {names}\n{cause}"));
            machine = None;
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {}:\n{}",
        failures.len(),
        damages.len(),
        failures.join("\n")
    );
}

fn each<'a>(tables: &[&'a [Damage]]) -> Vec<Vec<&'a Damage>> {
    tables.iter().flat_map(|table| table.iter()).map(|damage| vec![damage]).collect()
}

#[test]
fn damaged_rules_of_iptables_are_fixed() {
    follow_all("fix-iptables", Some("iptables"), &each(&[rules::IPTABLES, rules::TOLD]));
}

#[test]
fn damaged_rules_of_nftables_are_fixed() {
    follow_all("fix-nftables", Some("nftables"), &each(&[rules::NFTABLES]));
}

#[test]
fn damaged_files_and_units_are_fixed() {
    follow_all("fix-files", None, &each(&[files::FILES, files::UNITS]));
}

#[test]
fn a_damaged_program_record_or_log_is_fixed() {
    follow_all(
        "fix-program",
        None,
        &each(&[program::PROGRAM, program::RECORD, program::LOG, program::HOST]),
    );
}

#[test]
fn a_damaged_host_whose_bundle_came_from_a_directory_is_fixed() {
    follow_all("fix-directory", Some("iptables"), &each(&[program::DIRECTORY]));
}
