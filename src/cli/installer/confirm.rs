//! `confirm`: keep what `apply --confirm` changed.

use super::{Status, locked, print_json, say};
use crate::args::InstallerArgs;
use crate::error::Trouble;
use crate::host::receipt::{Receipt, State};
use crate::host::{Host, unconfirmed};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Answer {
    pub confirmed: bool,
    pub bundle: String,
}

pub(super) fn run(args: &InstallerArgs) -> Result<Status, Trouble> {
    let host = Host::at(&args.root)?;
    let _lock = locked(&host)?;
    let failed = |cause: &str| {
        Trouble::new("confirm", cause)
            .cure("look at what is applied here with `redisguard-install status`")
    };
    let record = unconfirmed::read(&host)?;
    let record = record.ok_or_else(|| failed("no change waits for it: it may be too late"))?;
    if record.is_over(&host) {
        return Err(failed(&record.sentence(&host)));
    }
    let receipt = Receipt::read(&host)?.unwrap_or_default();
    if receipt.state == State::Changing {
        let trouble = failed("the change was stopped half-way: there is nothing whole to keep");
        return Err(trouble.cure("wait until it is taken back, or run `redisguard-install revert`"));
    }
    let bundle = receipt.bundle;
    unconfirmed::clear(&host)?;
    if args.json {
        print_json(&Answer { confirmed: true, bundle });
    } else {
        say!("confirmed: bundle {bundle} stays");
    }
    Ok(Status::Same)
}
