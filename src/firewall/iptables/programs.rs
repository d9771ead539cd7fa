//! Runs `iptables-save` and `iptables-restore`, and words what they refuse.

use super::chains::TABLES;
use crate::error::Error;
use crate::family::Family;
use crate::os::command::{Output, Program, one_line};
use nix::unistd::geteuid;

pub(super) const HELP: &str =
    "install it (Debian: apt-get install iptables), or run as root if it is there";
/// How long iptables waits for other programs that hold the xtables lock, in seconds.
const LOCK_TIMEOUT: &str = "5";

/// Has a family's iptables-restore load a transaction for each table.
///
/// # Errors
/// What it refuses; a table whose transaction was committed before that stays changed.
pub(super) fn load(family: Family, transaction: &str) -> Result<(), Error> {
    restore(family, "load", &[], transaction)
}

/// The same for a transaction that is only checked; with `--test` among the options it is not committed.
///
/// # Errors
/// What it refuses.
pub(super) fn check(family: Family, options: &[&str], transaction: &str) -> Result<(), Error> {
    restore(family, "check", options, transaction)
}

fn restore(family: Family, verb: &str, options: &[&str], transaction: &str) -> Result<(), Error> {
    let program = format!("{}-restore", family.iptables());
    let action = format!("{verb} the {} rules", family.name());
    let output = run_restore(&program, options, &action, transaction)
        .map_err(|error| error.or_help(HELP))?;
    if output.is_success() {
        return Ok(());
    }
    let cause = format!("{program} said: {}", one_line(&output.stderr));
    Err(Error::new(action, cause).help(help_for(&output.stderr)))
}

/// Runs a program that is some iptables-restore to its end, whatever status that has.
///
/// # Errors
/// The program is missing, or does not end.
pub(super) fn run_restore(
    program: &str,
    options: &[&str],
    action: &str,
    transaction: &str,
) -> Result<Output, Error> {
    let restore = Program::new(program).args(["--noflush", "--wait", LOCK_TIMEOUT]).args(options);
    restore.input(transaction.as_bytes()).run(action)
}

/// All rules of a family, with their counters, as its iptables-save prints them.
///
/// # Errors
/// A process that may not see them; a table that iptables cannot use.
pub(super) fn save(family: Family) -> Result<String, Error> {
    let program = format!("{}-save", family.iptables());
    let action = format!("list the {} rules", family.name());
    let failed = |cause: &str| Error::new(&action, cause).help(help_for(cause));
    let output = Program::new(&program)
        .args(["--counters"])
        .run(&action)
        .map_err(|error| error.or_help(HELP))?;
    if !output.is_success() {
        return Err(failed(&format!("{program} said: {}", one_line(&output.stderr))));
    }
    // Legacy iptables ends with 0 and prints nothing where the process may not see its tables.
    if output.stdout.is_empty() && !geteuid().is_root() {
        return Err(failed("Permission denied"));
    }
    // A table by iptables' name that nft has made: the listing skips it with a comment, and loading rules
    // would be refused. The exit status is 0 all the same.
    let is_incompatible = |line: &&str| {
        TABLES.iter().any(|table| line.starts_with(&format!("# Table `{table}' is incompatible")))
    };
    let listing = output.text();
    match listing.lines().find(is_incompatible) {
        Some(line) => Err(failed(line.trim_start_matches("# "))),
        None => Ok(listing),
    }
}

/// The help for what iptables has refused. Its words decide, because its exit status does not: 4 is
/// for a missing right, a held lock and a table of nft's alike.
fn help_for(stderr: &str) -> &'static str {
    if stderr.contains("ermission denied") {
        "run it as root"
    } else if stderr.contains("lock") {
        "another program holds the xtables lock; run it again"
    } else if stderr.contains("incompatible") {
        "the host's own rules are nft's: set backend = \"nftables\" in [firewall] and render again"
    } else {
        "the rules are as they were; the kernel may lack a module that is named above"
    }
}
