//! `rules load` and `rules unload`: what the block unit calls.

use super::{Status, print_json, say};
use crate::args::{InstallerArgs, RulesVerb};
use crate::error::Trouble;
use crate::host::rules::{self, Loaded};
use crate::host::{Host, source};
use serde::Serialize;

/// What both print with --json.
#[derive(Serialize)]
struct Answer {
    changed: bool,
    findings: Vec<String>,
}

pub(super) fn run(args: &InstallerArgs, verb: &RulesVerb) -> Result<Status, Trouble> {
    let host = Host::at(&args.root)?;
    if !host.is_live() {
        return Err(Trouble::new("load or unload rules", "an offline tree has no kernel")
            .cure("leave out --root"));
    }
    let (answer, text) = match verb {
        RulesVerb::Load => load(args, &host)?,
        RulesVerb::Unload => {
            let changed = rules::unload()?;
            let text = if changed { "unloaded: the ports are open" } else { "nothing to unload" };
            (Answer { changed, findings: Vec::new() }, text.to_owned())
        }
    };
    if args.json {
        print_json(&answer);
    } else {
        say!("{text}");
    }
    Ok(Status::Same)
}

fn load(args: &InstallerArgs, host: &Host) -> Result<(Answer, String), Trouble> {
    let loaded = match &args.bundle {
        None => rules::load_installed(host)?,
        Some(directory) => {
            let bundle = source::bundle(Some(directory))?;
            rules::load(&bundle, &rules::facts(&bundle)?)?
        }
    };
    let Loaded::Because(findings) = loaded else {
        let text = "in place: nothing was touched".to_owned();
        return Ok((Answer { changed: false, findings: Vec::new() }, text));
    };
    let lines = findings.iter().map(|(scope, finding)| format!("{}: {finding}", scope.name()));
    let findings: Vec<String> = lines.collect();
    let text = format!("loaded, because:\n  {}", findings.join("\n  "));
    Ok((Answer { changed: true, findings }, text))
}
