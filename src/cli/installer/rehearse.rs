//! `rehearse`: tries the bundle in network namespaces of its own.

use super::input::opened_anywhere;
use crate::args::InstallerArgs;
use crate::cli::output::{Status, out, print_json};
use crate::error::Error;
use crate::host::prepare::Target;
use crate::rehearse::{self, Stage};
use std::ffi::OsStr;

pub(super) fn run(args: &InstallerArgs) -> Result<Status, Error> {
    let stage = Stage::of_this_process();
    if stage == Stage::Outside {
        return rehearse::outside().map(|()| Status::Same);
    }
    let Target { bundle, guard_config, .. } = opened_anywhere(args)?;
    let with_bundle: Vec<&OsStr> = match &args.bundle {
        Some(directory) => vec![OsStr::new("--bundle"), directory.as_os_str()],
        None => Vec::new(),
    };
    if stage == Stage::Caller {
        let json = args.json.then_some(OsStr::new("--json"));
        let arguments: Vec<&OsStr> =
            [OsStr::new("rehearse")].into_iter().chain(with_bundle).chain(json).collect();
        return Ok(match rehearse::enter(&guard_config, &arguments)? {
            0 => Status::Same,
            1 => Status::Differs,
            _ => Status::Error,
        });
    }
    let listener = ["notice", "--log", "-"].map(OsStr::new);
    let listener: Vec<&OsStr> = listener.into_iter().chain(with_bundle).collect();
    let report = rehearse::host(&bundle, &guard_config, &listener)?;
    if args.json {
        print_json(&report);
    } else {
        out!("{}", report.markdown());
    }
    Ok(if report.as_expected { Status::Same } else { Status::Differs })
}
