//! `redisguard-gen`: everything is rendered and checked before the first byte is written.

mod changes;
mod check;
mod summary;
mod write;

use self::changes::changes;
use self::check::check;
use self::write::write;
use super::{Status, coloured, diff, report, say};
use crate::args::GeneratorArgs;
use crate::error::Trouble;
use crate::spec::{Source, Spec};
use std::fs;
use std::io;

/// Runs the command; every message is printed here.
pub fn run(args: &GeneratorArgs) -> Status {
    if let Some(base) = &args.summary {
        return match spec(args) {
            Ok(Some(new)) => summary::summary(args, base, &new),
            Ok(None) => Ok(Status::Trouble),
            Err(trouble) => Err(trouble),
        }
        .unwrap_or_else(|trouble| {
            report(&trouble);
            Status::Trouble
        });
    }
    let _lock = (!args.check).then(|| write::lock(&args.docs_root));
    match changes(args) {
        Ok(Some(changes)) if args.check => check(args, &changes),
        Ok(Some(changes)) => write(&changes).unwrap_or_else(|trouble| {
            report(&trouble);
            Status::Trouble
        }),
        Ok(None) => Status::Trouble,
        Err(trouble) => {
            report(&trouble);
            Status::Trouble
        }
    }
}

/// The spec. `None`: the TOML has faults, and its author has been told.
fn spec(args: &GeneratorArgs) -> Result<Option<Spec>, Trouble> {
    let name = args.config.display().to_string();
    let bytes = fs::read(&args.config).map_err(|error| {
        Trouble::new(format!("read {name}"), error).cure("--config names the source of truth")
    })?;
    let parsed = Source::from_bytes(&name, bytes).and_then(Spec::parse);
    let (spec, mut problems) = match parsed {
        Ok((spec, problems)) => (Some(spec), problems),
        Err(problems) => (None, problems),
    };
    if args.deny_warnings {
        problems.deny_warnings();
    }
    eprint!("{}", problems.render(coloured(&io::stderr())));
    let faults = problems.faults();
    if faults > 0 {
        let plural = if faults == 1 { "" } else { "s" };
        eprintln!("{name}: {faults} fault{plural}; nothing was written");
        return Ok(None);
    }
    Ok(spec)
}
