//! Runs `nft`.

use super::netlink;
use crate::error::Error;
use crate::os::command::{Output, Program, one_line};

const HELP: &str = "install it (Debian: apt-get install nftables), or run as root if it is there";

/// Runs nft to its end, whatever status that has.
///
/// # Errors
/// nft is missing, or does not end.
pub(in crate::firewall) fn run(
    arguments: &[&str],
    action: &str,
    input: &str,
) -> Result<Output, Error> {
    let nft = Program::new("nft").args(arguments).input(input.as_bytes());
    nft.run(action).map_err(|error| error.or_help(HELP))
}

/// A chain as nft lists it, with the handles of its rules; `None` where nft does not. `table` as nft names it:
/// `inet filter`.
pub(in crate::firewall) fn listed_chain(table: &str, chain: &str) -> Option<String> {
    let (family, table) = table.split_once(' ')?;
    let arguments = ["--handle", "list", "chain", family, table, chain];
    let output = run(&arguments, "list a chain", "").ok()?;
    output.is_success().then(|| output.text())
}

/// Has nft read a script, which is one transaction.
///
/// # Errors
/// What nft refuses; then nothing has changed.
pub(in crate::firewall) fn read_script(
    arguments: &[&str],
    action: &str,
    script: &str,
) -> Result<(), Error> {
    let output = run(&[arguments, &["--file", "-"]].concat(), action, script)?;
    if output.is_success() { Ok(()) } else { Err(refused(action, &output.stderr)) }
}

/// The error where nft has refused something.
pub(in crate::firewall) fn refused(action: &str, stderr: &str) -> Error {
    let help = if netlink::is_forbidden() {
        "run it as root"
    } else {
        "the rules are as they were; the kernel may lack a module that is named above"
    };
    Error::new(action, format!("nft said: {}", one_line(stderr))).help(help)
}
