//! `redisguard-gen`. Everything is rendered and checked before the first byte is written.

mod check;
mod diff;
mod explain;
mod init;
mod json;
mod package_files;
pub mod schema;
mod summary;
mod write;

use self::diff::changes;
use self::write::write;
use crate::args::{GeneratorArgs, GeneratorVerb};
use crate::cli::output::{Status, coloured, err, exit_status, out, print_error, print_to_stderr};
use crate::error::Error;
use crate::spec::{Problems, Source, Spec};
use std::fs;
use std::io;

/// Runs the command; every message is printed here.
pub fn run(args: &GeneratorArgs) -> Status {
    let result = match (&args.verb, args.explain) {
        (Some(_), _) if args.generates() => {
            Err(Error::new("do two things at once", "the options given are those of generating")
                .help("leave them out, or run redisguard-gen twice"))
        }
        (Some(GeneratorVerb::Init), _) => init::init(&args.config),
        (Some(GeneratorVerb::Schema), _) => shown(&format!("{:#}", schema::schema())),
        (None, Some(check)) => shown(&explain::page(check)),
        (None, None) => match args.generate {
            Some(kind) => package_files::write(kind, &args.out),
            None => generate(args),
        },
    };
    let status = result.unwrap_or_else(|error| {
        print_error(&error);
        Status::Error
    });
    let answers = args.summary.is_some() || args.check || args.explain.is_some();
    exit_status(status, !answers && !matches!(args.verb, Some(GeneratorVerb::Schema)))
}

fn shown(text: &str) -> Result<Status, Error> {
    out!("{text}");
    Ok(Status::Same)
}

fn generate(args: &GeneratorArgs) -> Result<Status, Error> {
    let _lock = (!args.check && args.summary.is_none()).then(|| write::lock(&args.docs_root));
    let (spec, problems) = read(args)?;
    if !args.json {
        show_problems(args, &problems);
    }
    let Some(spec) = spec.filter(|_| problems.error_count() == 0) else {
        if args.json {
            json::print(&problems, &[], None);
        }
        return Ok(Status::Error);
    };
    if let Some(base) = &args.summary {
        return summary::summary(args, base, &spec);
    }
    let changes = changes(args, &spec)?;
    let fix = check::fix(args, &changes);
    if !args.check {
        write(&changes, args.json)?;
    } else if !args.json {
        check::show(&changes, fix.as_deref());
    }
    if args.json {
        json::print(&problems, &changes, fix.filter(|_| args.check));
    }
    Ok(if args.check && !changes.is_empty() { Status::Differs } else { Status::Same })
}

/// The spec, if the TOML has no errors, and its problems.
fn read(args: &GeneratorArgs) -> Result<(Option<Spec>, Problems), Error> {
    let name = args.config.display().to_string();
    let bytes = fs::read(&args.config).map_err(|error| {
        Error::io(format!("read {name}"), &error).help(match error.kind() {
            io::ErrorKind::NotFound => {
                "--config names the source of truth; `redisguard-gen init` writes one to start from"
            }
            _ => "--config names the source of truth",
        })
    })?;
    let parsed = Source::from_bytes(&name, bytes).and_then(Spec::parse);
    let (spec, mut problems) = match parsed {
        Ok((spec, problems)) => (Some(spec), problems),
        Err(problems) => (None, problems),
    };
    problems.apply_lint_levels(&args.lint_levels.0);
    Ok((spec, problems))
}

/// Prints every problem for the author.
fn show_problems(args: &GeneratorArgs, problems: &Problems) {
    let name = args.config.display();
    print_to_stderr(&problems.render(coloured(&io::stderr())));
    if problems.error_count() > 0 {
        err!("{name}: {}; nothing was written. --explain NAME says more", problems.count());
    } else if problems.are_many() {
        err!("{name}: {}", problems.count());
    }
}
