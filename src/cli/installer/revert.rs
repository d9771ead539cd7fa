//! `revert`: undo a change that was not confirmed.

use super::input::{host, locked};
use super::output::Steps;
use crate::args::{InstallerArgs, RevertArgs};
use crate::cli::output::{Status, out, print_json};
use crate::error::Error;
use crate::host::change::revert::{Reverted, revert, revert_if_over, wait_until_over};
use nix::unistd::{dup2_stdout, setsid};
use std::fs::File;
use std::io::{self, Write};
use std::thread;
use std::time::Duration;

/// How long a process in the background waits after a failure. Under systemd it ends and is restarted.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

pub(super) fn run(args: &InstallerArgs, verb: &RevertArgs) -> Result<Status, Error> {
    let host = host(args)?;
    if !verb.when_lapsed {
        let _lock = locked(&host)?;
        show_reverted(args, &revert(&host)?);
        return Ok(Status::Same);
    }
    let in_background = !host.has_systemd();
    if in_background {
        detach().map_err(|error| Error::new("wait in the background", error))?;
    }
    while wait_until_over(&host)? {
        let lock = locked(&host)?;
        let reverted = revert_if_over(&host);
        drop(lock);
        match reverted {
            Ok(reverted) => reverted.iter().for_each(|reverted| show_reverted(args, reverted)),
            Err(_) if in_background => thread::sleep(RETRY_INTERVAL),
            Err(error) => return Err(error),
        }
    }
    Ok(Status::Same)
}

/// Leaves the session that started this process, tells the parent with a byte, and prints nothing more.
fn detach() -> io::Result<()> {
    // Fails where this process leads a session already, which is as good.
    let _ = setsid();
    io::stdout().write_all(b"\n")?;
    io::stdout().flush()?;
    Ok(dup2_stdout(File::options().write(true).open("/dev/null")?)?)
}

fn show_reverted(args: &InstallerArgs, Reverted { bundle, plan, queued }: &Reverted) {
    let mut steps = Steps::of(bundle.as_deref().unwrap_or_default(), plan);
    steps.queued.clone_from(queued);
    if args.json {
        print_json(&steps);
        return;
    }
    match bundle {
        Some(bundle) => out!("went back to bundle {bundle}:"),
        None => out!("removed again what was not there before:"),
    }
    // The files that come back were reviewed when they were applied.
    steps.drop_diffs();
    steps.show();
}
