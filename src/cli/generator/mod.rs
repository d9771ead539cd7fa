//! `redisguard-gen`: everything is rendered and checked before the first byte is written.

mod changes;
mod check;
mod summary;
mod write;

use self::changes::changes;
use self::check::check;
use self::write::write;
use super::{Status, coloured, diff, ended, report, say, tell, tell_text};
use crate::args::GeneratorArgs;
use crate::error::Trouble;
use crate::spec::{Ruling, Source, Spec};
use std::fs;
use std::io;

/// Runs the command; every message is printed here.
pub fn run(args: &GeneratorArgs) -> Status {
    let status = done(args).unwrap_or_else(|trouble| {
        report(&trouble);
        Status::Trouble
    });
    ended(status, args.summary.is_none() && !args.check)
}

fn done(args: &GeneratorArgs) -> Result<Status, Trouble> {
    if let Some(base) = &args.summary {
        let Some(new) = spec(args)? else { return Ok(Status::Trouble) };
        return summary::summary(args, base, &new);
    }
    let _lock = (!args.check).then(|| write::lock(&args.docs_root));
    match changes(args)? {
        Some(changes) if args.check => Ok(check(args, &changes)),
        Some(changes) => write(&changes),
        None => Ok(Status::Trouble),
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
        problems.rule(&[Ruling::DenyAll]);
    }
    tell_text(&problems.render(coloured(&io::stderr())));
    let faults = problems.faults();
    if faults > 0 {
        let plural = if faults == 1 { "" } else { "s" };
        tell!("{name}: {faults} fault{plural}; nothing was written");
        return Ok(None);
    }
    Ok(spec)
}
