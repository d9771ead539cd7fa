//! `remove`: take away what was applied.

use super::{Status, Steps, locked, print_json, say, show_steps};
use crate::args::{InstallerArgs, RemoveArgs};
use crate::error::Trouble;
use crate::host::{Host, receipt::Receipt, remove, unconfirmed};

pub(super) fn run(args: &InstallerArgs, verb: &RemoveArgs) -> Result<Status, Trouble> {
    let host = Host::at(&args.root)?;
    let _lock = if verb.dry_run { None } else { Some(locked(&host)?) };
    let bundle = Receipt::read(&host)?.map(|receipt| receipt.bundle).unwrap_or_default();
    let takeaways = remove::plan(&host)?;
    let steps = remove::views(&host, &takeaways)?;
    if !verb.dry_run {
        // Nothing goes back from here on, wherever this ends.
        unconfirmed::clear(&host)?;
        remove::remove(&host, &takeaways)?;
    }
    let changed = !steps.is_empty();
    if args.json {
        print_json(&Steps { changed, bundle: &bundle, steps, ..Steps::default() });
    } else if changed {
        say!("{}", if verb.dry_run { "remove would do this:" } else { "removed:" });
        show_steps(&steps);
    } else {
        say!("nothing to remove: nothing of redisguard is on this host");
    }
    Ok(if verb.dry_run && changed { Status::Differs } else { Status::Same })
}
