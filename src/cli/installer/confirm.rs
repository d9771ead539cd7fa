//! `confirm`: keep what `apply --confirm` changed.

use super::input::{host, locked};
use crate::args::InstallerArgs;
use crate::cli::output::{Status, out, print_json};
use crate::error::Error;
use crate::host::change::confirm::confirm;
use serde::Serialize;

/// That the change is kept.
#[derive(Serialize)]
pub(super) struct Confirmed {
    /// Always true: where nothing was confirmed the exit status is 2.
    pub confirmed: bool,
    /// The digest of the bundle that stays.
    pub bundle: String,
}

pub(super) fn run(args: &InstallerArgs) -> Result<Status, Error> {
    let host = host(args)?;
    let _lock = locked(&host)?;
    let bundle = confirm(&host)?;
    if args.json {
        print_json(&Confirmed { confirmed: true, bundle });
    } else {
        out!("confirmed: bundle {bundle} stays");
    }
    Ok(Status::Same)
}
