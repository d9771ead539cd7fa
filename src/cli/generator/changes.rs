//! Owns comparing: from a spec to every file that is not what is rendered from it. Writes nothing.

use super::spec;
use crate::args::GeneratorArgs;
use crate::bundle::{self, Bundle, Documents, SUMS};
use crate::error::Trouble;
use crate::host::files;
use crate::spec::DocumentPath;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// One file that should be otherwise.
pub(super) struct Change {
    pub path: PathBuf,
    pub old: Option<Vec<u8>>,
    /// `None`: it should not be there.
    pub new: Option<Vec<u8>>,
    /// Whether a write may remove it: SHA256SUMS says that an earlier run made it.
    pub ours: bool,
}

/// Renders everything and compares it with what is there. `None`: the TOML has faults, and its
/// author has been told.
pub(super) fn changes(args: &GeneratorArgs) -> Result<Option<Vec<Change>>, Trouble> {
    let Some(spec) = spec(args)? else { return Ok(None) };
    let failed = |why: String| Trouble::new("render the bundle", why);
    let bundle = Bundle::render(&spec).map_err(failed)?;
    let documents = Documents::render(&spec, &bundle).map_err(failed)?;
    let paths = documents.files.iter().map(|(path, _)| path);
    for path in paths.chain(documents.guides.iter().map(|(path, _)| path)) {
        if document(&args.docs_root, path).starts_with(&args.out) {
            let cause = format!("it lies in {}, which holds the bundle only", args.out.display());
            return Err(Trouble::new(format!("write {path}"), cause).cure("move it in [docs]"));
        }
    }
    let mut changes = bundle_changes(&args.out, &bundle)?;
    for (path, text) in documents.files {
        let path = document(&args.docs_root, &path);
        let old = plain_file(&path)?;
        changes.push(Change { path, old, new: Some(text.into_bytes()), ours: true });
    }
    changes.extend(guide_changes(&args.docs_root, &documents.guides)?);
    changes.retain(|change| change.old != change.new);
    Ok(Some(changes))
}

fn bundle_changes(out: &Path, bundle: &Bundle) -> Result<Vec<Change>, Trouble> {
    refuse_a_strangers_folder(out, bundle)?;
    let mut present = files::read_tree(out)?;
    let listed = present.get(SUMS).and_then(|sums| bundle::parse_sums(sums).ok());
    let listed: BTreeMap<String, String> = listed.unwrap_or_default();
    let mut changes = Vec::new();
    for (path, bytes) in bundle.artifacts() {
        let old = present.remove(path);
        changes.push(Change { path: out.join(path), old, new: Some(bytes.to_vec()), ours: true });
    }
    for (path, old) in present {
        let ours = listed.contains_key(&path);
        changes.push(Change { path: out.join(path), old: Some(old), new: None, ours });
    }
    Ok(changes)
}

/// A mistyped --out must not have somebody's home read, compared and called stray.
fn refuse_a_strangers_folder(out: &Path, bundle: &Bundle) -> Result<(), Trouble> {
    let Ok(entries) = fs::read_dir(out) else { return Ok(()) };
    let names = entries.flatten().map(|entry| entry.file_name());
    let ours = |name: &OsString| {
        let first = |path: &str| path.split('/').next().is_some_and(|first| name == first);
        bundle.artifacts().any(|(path, _)| first(path))
    };
    let stranger = names.into_iter().find(|name| !ours(name));
    match stranger {
        Some(stranger) if !out.join(SUMS).exists() => {
            let cause = format!("it holds {} and no {SUMS}", stranger.display());
            Err(Trouble::new(format!("use {} for the bundle", out.display()), cause)
                .cure("--out names a folder of the bundle's own"))
        }
        _ => Ok(()),
    }
}

fn guide_changes(
    root: &Path,
    guides: &[(DocumentPath, Vec<bundle::Section>)],
) -> Result<Vec<Change>, Trouble> {
    let mut changes = Vec::new();
    let mut faults = Vec::new();
    for (path, sections) in guides {
        let path = document(root, path);
        let Some(old) = plain_file(&path)? else {
            let trouble =
                Trouble::new(format!("read {}", path.display()), "there is no such guide");
            return Err(trouble.cure("write it with its markers, or take it out of [docs] guides"));
        };
        match bundle::fill(&old, sections) {
            Ok(new) => changes.push(Change { path, old: Some(old), new: Some(new), ours: true }),
            Err(found) => faults.extend(
                found
                    .iter()
                    .map(|fault| format!("{}:{}: {}", path.display(), fault.line, fault.message)),
            ),
        }
    }
    if faults.is_empty() {
        return Ok(changes);
    }
    let cause = format!("their markers are not in order\n  {}", faults.join("\n  "));
    Err(Trouble::new("fill the guides", cause).cure("nothing was written; mend the lines above"))
}

/// Where a document lies; without a `./` that nobody wants to read.
fn document(root: &Path, path: &DocumentPath) -> PathBuf {
    if root == Path::new(".") { path.as_str().into() } else { root.join(path.as_str()) }
}

/// A file's bytes; a symbolic link or anything else in its place is refused.
fn plain_file(path: &Path) -> Result<Option<Vec<u8>>, Trouble> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() => {
            Err(Trouble::new(format!("use {}", path.display()), "it is not an ordinary file"))
        }
        _ => files::read(path),
    }
}
