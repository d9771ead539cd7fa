//! `remove`: take away what was applied.

use super::{Status, Steps, locked, out, print_json, show_steps};
use crate::args::{InstallerArgs, RemoveArgs};
use crate::error::Error;
use crate::host::Host;
use crate::host::change::{confirm, remove};
use crate::host::receipt::Receipt;

pub(super) fn run(args: &InstallerArgs, verb: &RemoveArgs) -> Result<Status, Error> {
    let host = Host::at(&args.root)?;
    let _lock = if verb.dry_run { None } else { Some(locked(&host)?) };
    let bundle = Receipt::read(&host)?.map(|receipt| receipt.bundle).unwrap_or_default();
    let takeaways = remove::plan(&host)?;
    let steps = remove::views(&host, &takeaways)?;
    if !verb.dry_run {
        // Nothing goes back from here on, wherever this ends.
        confirm::clear(&host)?;
        remove::remove(&host, &takeaways)?;
    }
    let changed = !steps.is_empty();
    if args.json {
        print_json(&Steps { changed, bundle: &bundle, steps, ..Steps::default() });
    } else if changed {
        out!("{}", if verb.dry_run { "remove would do this:" } else { "removed:" });
        show_steps(&steps);
    } else {
        out!("nothing to remove: nothing of redisguard is on this host");
    }
    Ok(if verb.dry_run && changed { Status::Differs } else { Status::Same })
}
