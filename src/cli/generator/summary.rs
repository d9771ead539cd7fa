//! `--summary BASE`: the meaning of a change of the TOML, as Markdown for a pull request.

use crate::args::GeneratorArgs;
use crate::bundle::{Bundle, Documents, change_summary};
use crate::cli::output::{Status, out};
use crate::error::Error;
use crate::spec::{Source, Spec};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Prints what changed from the TOML at `base`, a file or a Git revision, to `new`.
pub(super) fn summary(args: &GeneratorArgs, base: &str, new: &Spec) -> Result<Status, Error> {
    let old = spec_at(&args.config, base)?;
    let name = args.config.display();
    let sentences = change_summary(old.as_ref(), new);
    out!("## What this change of `{name}` means\n");
    if sentences.is_empty() {
        out!("Nothing: what is rendered from it stays the same.");
        return Ok(Status::Same);
    }
    sentences.iter().for_each(|sentence| out!("- {}", capitalised(sentence)));
    let before = old.as_ref().map(rendered).transpose()?.unwrap_or_default();
    let after = rendered(new)?;
    let changed = after.iter().filter(|file| !before.contains(file));
    let changed: Vec<&str> = changed.map(|(path, _)| path.as_str()).collect();
    let on_hosts = changed.iter().filter_map(|path| path.strip_prefix("host/")).collect::<Vec<_>>();
    out!("\n### What follows\n");
    out!("- On each host `redisguard-install apply` {}.", effects(&on_hosts));
    let documents = changed.iter().filter(|path| path.ends_with(".md"));
    let documents: Vec<String> = documents.map(|path| format!("`{path}`")).collect();
    if !documents.is_empty() {
        out!("- Documents that say something else now: {}.", documents.join(", "));
    }
    out!("- Files of the bundle that change: {}.", changed.len() - documents.len());
    Ok(Status::Same)
}

/// Every file that a spec renders to, and the sections of each guide, as (path, bytes).
fn rendered(spec: &Spec) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let failed = |why: String| Error::new("render the bundle", why);
    let bundle = Bundle::render(spec).map_err(failed)?;
    let documents = Documents::render(spec, &bundle).map_err(failed)?;
    let artifacts = bundle.artifacts().map(|(path, bytes)| (path.to_owned(), bytes.to_vec()));
    let guides = documents.guides.into_iter().map(|(path, sections)| {
        (path, sections.into_iter().map(|section| section.text).collect::<String>())
    });
    let documents = documents.files.into_iter().chain(guides);
    let documents = documents.map(|(path, text)| (path.to_string(), text.into_bytes()));
    Ok(artifacts.chain(documents).collect())
}

/// What applying these files does to a host.
fn effects(files: &[&str]) -> &'static str {
    let listener = ["etc/redisguard/notice.toml", "etc/systemd/system/redis-port-notice.service"];
    match (files.is_empty(), files.iter().any(|path| listener.contains(path))) {
        (true, _) => "changes nothing",
        (false, false) => "loads the rules anew, without an unguarded moment",
        (false, true) => {
            "loads the rules anew, without an unguarded moment, and restarts the listener"
        }
    }
}

/// The spec at `base`; `None` if the revision has no TOML.
fn spec_at(config: &Path, base: &str) -> Result<Option<Spec>, Error> {
    let action = format!("read {} at {base}", config.display());
    let bytes = if Path::new(base).is_file() {
        fs::read(base).map_err(|error| Error::new(&action, error))?
    } else {
        match in_git(config, base).map_err(|cause| {
            Error::new(&action, cause).help(
                "--summary names a revision of Git (origin/main) or an older copy of the TOML",
            )
        })? {
            Some(bytes) => bytes,
            None => return Ok(None),
        }
    };
    let name = format!("{base}:{}", config.display());
    let parsed = Source::from_bytes(&name, bytes).and_then(Spec::parse);
    parsed.map(|(spec, _)| Some(spec)).map_err(|problems| {
        let errors = problems.error_count();
        Error::new(action, format!("it has {errors} faults for this program"))
            .help("compare with a revision whose TOML is whole")
    })
}

/// The bytes of a file at a revision; `None` if the revision does not have it.
fn in_git(config: &Path, revision: &str) -> Result<Option<Vec<u8>>, String> {
    let folder = config.parent().filter(|parent| !parent.as_os_str().is_empty());
    let name = config.file_name().unwrap_or_default().to_string_lossy();
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.arg("-C").arg(folder.unwrap_or(Path::new("."))).args(arguments);
        command.output().map_err(|error| format!("git cannot be run: {error}"))
    };
    let known = git(&["rev-parse", "--verify", "--quiet", &format!("{revision}^{{commit}}")])?;
    if !known.status.success() {
        return Err("there is neither such a file nor such a revision".to_owned());
    }
    let shown = git(&["show", &format!("{revision}:./{name}")])?;
    Ok(shown.status.success().then_some(shown.stdout))
}

fn capitalised(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
