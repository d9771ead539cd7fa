//! `confirm`: keep what `apply --confirm` changed.

use super::{Status, locked, out, print_json};
use crate::args::InstallerArgs;
use crate::error::Error;
use crate::host::Host;
use crate::host::change::confirm;
use crate::host::receipt::{Receipt, State};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Answer {
    pub confirmed: bool,
    pub bundle: String,
}

pub(super) fn run(args: &InstallerArgs) -> Result<Status, Error> {
    let host = Host::at(&args.root)?;
    let _lock = locked(&host)?;
    let failed = |cause: &str| {
        Error::new("confirm", cause)
            .help("look at what is applied here with `redisguard-install status`")
    };
    let record = confirm::read(&host)?;
    let record = record.ok_or_else(|| failed("no change waits for it: it may be too late"))?;
    if record.is_over(&host) {
        return Err(failed(&record.sentence(&host)));
    }
    let receipt = Receipt::read(&host)?.unwrap_or_default();
    if receipt.state == State::Changing {
        let trouble = failed("the change was stopped half-way: there is nothing whole to keep");
        return Err(trouble.help("wait until it is taken back, or run `redisguard-install revert`"));
    }
    let bundle = receipt.bundle;
    confirm::clear(&host)?;
    if args.json {
        print_json(&Answer { confirmed: true, bundle });
    } else {
        out!("confirmed: bundle {bundle} stays");
    }
    Ok(Status::Same)
}
