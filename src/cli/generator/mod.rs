//! `redisguard-gen`: everything is rendered and checked before the first byte is written.

mod changes;
mod check;
mod explain;
mod init;
mod problems;
mod schema;
mod summary;
mod write;

use self::changes::changes;
use self::check::check;
use self::write::write;
use super::{Status, coloured, diff, ended, report, say, tell, tell_text};
use crate::args::{GeneratorArgs, GeneratorVerb};
use crate::error::Trouble;
use crate::spec::{Source, Spec};
use std::fs;
use std::io;

/// Runs the command; every message is printed here.
pub fn run(args: &GeneratorArgs) -> Status {
    let result = match (&args.verb, args.explain) {
        (Some(GeneratorVerb::Init(verb)), _) => init::init(&verb.config),
        (Some(GeneratorVerb::Schema), _) => Ok(schema::print()),
        (None, Some(check)) => Ok(explain::explain(check)),
        (None, None) => generate(args),
    };
    let status = result.unwrap_or_else(|trouble| {
        report(&trouble);
        Status::Trouble
    });
    let answers = args.summary.is_some() || args.check || args.explain.is_some() || args.json;
    ended(status, !answers && !matches!(args.verb, Some(GeneratorVerb::Schema)))
}

fn generate(args: &GeneratorArgs) -> Result<Status, Trouble> {
    if args.json {
        // Standard output is the array's alone.
        super::say_to_standard_error();
    }
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
        let trouble = Trouble::new(format!("read {name}"), &error);
        match error.kind() {
            io::ErrorKind::NotFound => {
                trouble.cure("--config names the source of truth; `redisguard-gen init` writes one to start from")
            }
            _ => trouble.cure("--config names the source of truth"),
        }
    })?;
    let parsed = Source::from_bytes(&name, bytes).and_then(Spec::parse);
    let (spec, mut problems) = match parsed {
        Ok((spec, problems)) => (Some(spec), problems),
        Err(problems) => (None, problems),
    };
    problems.rule(&args.rulings.0);
    if args.json {
        problems::print(&problems)?;
    }
    tell_text(&problems.render(coloured(&io::stderr())));
    let faults = problems.faults();
    if faults > 0 {
        tell!("{name}: {}; nothing was written. --explain NAME says more", problems.count());
        return Ok(None);
    }
    if problems.are_many() {
        tell!("{name}: {}", problems.count());
    }
    Ok(spec)
}
