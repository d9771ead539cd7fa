//! `remove`: take away what was applied.

use super::input::{host, locked};
use super::output::Steps;
use super::plan::indented;
use crate::args::{InstallerArgs, RemoveArgs};
use crate::cli::output::{Status, err, out, print_json};
use crate::error::Error;
use crate::host::change::{confirm, remove};
use crate::host::receipt::Receipt;
use crate::host::saved_rules;

pub(super) fn run(args: &InstallerArgs, verb: &RemoveArgs) -> Result<Status, Error> {
    let host = host(args)?;
    let _lock = if verb.dry_run { None } else { Some(locked(&host)?) };
    let bundle = Receipt::read(&host)?.map(|receipt| receipt.bundle).unwrap_or_default();
    let plan = remove::plan(&host)?;
    if !verb.dry_run {
        // However this ends, a change that waits must not be undone behind it.
        confirm::disarm(&host)?;
        remove::remove(&host, &plan)?;
    }
    // They are files of others, and stay.
    for saved in saved_rules::find(&host) {
        err!("warning: {}", indented(&saved.described(None)));
    }
    let steps = Steps::of(&bundle, &plan);
    if args.json {
        print_json(&steps);
    } else if steps.changed {
        out!("{}", if verb.dry_run { "remove would do this:" } else { "removed:" });
        steps.show();
    } else {
        out!("nothing to remove: nothing of redisguard is on this host");
    }
    Ok(if verb.dry_run && steps.changed { Status::Differs } else { Status::Same })
}
