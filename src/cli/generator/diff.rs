//! Compares the files on the disk with what the spec renders to.
//!
//! Never: writes.

use crate::args::GeneratorArgs;
use crate::bundle::{self, Bundle, Documents, SUMS, sha256_hex};
use crate::error::Error;
use crate::files;
use crate::guide;
use crate::spec::{DocumentPath, Spec};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

/// A file that differs from what is rendered.
pub(super) struct Change {
    pub path: PathBuf,
    /// Its bytes; `None` if it does not exist.
    pub old: Option<Vec<u8>>,
    /// How it differs.
    pub state: FileState,
    /// How to make it right.
    pub fix: Fix,
}

/// What makes a file right.
pub(super) enum Fix {
    /// Write these bytes with this mode.
    Write { bytes: Vec<u8>, mode: u32 },
    /// Remove the file: an earlier run wrote it.
    Remove,
    /// Leave the file to its owner: no run wrote it.
    LeaveAlone,
}

impl Change {
    /// The bytes that the file should have; `None` if it should not exist.
    pub fn new_bytes(&self) -> Option<&[u8]> {
        match &self.fix {
            Fix::Write { bytes, .. } => Some(bytes),
            Fix::Remove | Fix::LeaveAlone => None,
        }
    }
}

/// How a file differs from what is rendered; displayed as it is serialised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum FileState {
    /// The TOML or the program has changed since it was written.
    Stale,
    /// It differs from its digest in SHA256SUMS.
    #[serde(rename = "edited by hand")]
    Edited,
    /// Its bytes are right, but it is executable.
    Executable,
    /// It does not exist.
    Missing,
    /// It should not exist.
    Stray,
    /// A run that was killed has left it.
    Unfinished,
}

impl fmt::Display for FileState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(formatter)
    }
}

/// The mode of a new file.
const MODE: u32 = 0o644;
/// The bits of a mode that make a file executable.
const EXECUTABLE: u32 = 0o111;

impl Change {
    /// Compares a file that is rendered whole; `sum` is its digest in SHA256SUMS. `None`: no difference.
    fn of_file(path: PathBuf, old: Option<Vec<u8>>, new: &[u8], sum: Option<&str>) -> Option<Self> {
        let found = files::mode(&path).unwrap_or(MODE);
        let (executable, mode) = (found & EXECUTABLE != 0, found & !EXECUTABLE);
        let state = match &old {
            None => FileState::Missing,
            Some(old) if *old == new && executable => FileState::Executable,
            Some(old) if *old == new => return None,
            Some(old) if sum.is_some_and(|sum| sum != sha256_hex(old)) => FileState::Edited,
            Some(_) => FileState::Stale,
        };
        Some(Self { path, old, state, fix: Fix::Write { bytes: new.to_vec(), mode } })
    }
}

/// Renders everything and compares it with what is there.
pub(super) fn changes(args: &GeneratorArgs, spec: &Spec) -> Result<Vec<Change>, Error> {
    let failed = |why: String| Error::new("render the bundle", why);
    let bundle = Bundle::render(spec).map_err(failed)?;
    let documents = Documents::render(spec, &bundle).map_err(failed)?;
    let mut paths = Vec::new();
    let files = documents.files.iter().map(|(path, _)| path);
    for path in files.chain(documents.guides.iter().map(|(path, _)| path)) {
        let on_disk = document(&args.docs_root, path);
        if on_disk.starts_with(&args.out) {
            let cause = format!("it lies in {}, which holds the bundle only", args.out.display());
            return Err(Error::new(format!("write {path}"), cause).help("move it in [docs]"));
        }
        paths.push(on_disk);
    }
    let mut changes = bundle_changes(&args.out, &bundle)?;
    for (path, text) in documents.files {
        let path = document(&args.docs_root, &path);
        let old = regular_file(&path)?;
        changes.extend(Change::of_file(path, old, text.as_bytes(), None));
    }
    changes.extend(guide_changes(&args.docs_root, &documents.guides)?);
    for path in files::unfinished(&paths) {
        let old = files::read(&path)?;
        changes.push(Change { path, old, state: FileState::Unfinished, fix: Fix::Remove });
    }
    Ok(changes)
}

fn bundle_changes(out: &Path, bundle: &Bundle) -> Result<Vec<Change>, Error> {
    refuse_foreign_directory(out, bundle)?;
    let mut present = files::read_tree(out)?;
    let listed = present.get(SUMS).and_then(|sums| bundle::parse_sums(sums).ok());
    let listed: BTreeMap<String, String> = listed.unwrap_or_default();
    let mut changes = Vec::new();
    for (path, bytes) in bundle.artifacts() {
        let old = present.remove(path);
        let sum = listed.get(path).map(String::as_str);
        changes.extend(Change::of_file(out.join(path), old, bytes, sum));
    }
    for (path, old) in present {
        let unfinished = files::is_unfinished(path.rsplit('/').next().unwrap_or_default());
        let (state, fix) = match (unfinished, listed.contains_key(&path)) {
            (true, _) => (FileState::Unfinished, Fix::Remove),
            (false, true) => (FileState::Stray, Fix::Remove),
            (false, false) => (FileState::Stray, Fix::LeaveAlone),
        };
        changes.push(Change { path: out.join(path), old: Some(old), state, fix });
    }
    Ok(changes)
}

/// Refuses a directory that holds other files and no bundle: a mistyped --out must not report a whole
/// home directory as stray.
fn refuse_foreign_directory(out: &Path, bundle: &Bundle) -> Result<(), Error> {
    let Ok(entries) = fs::read_dir(out) else { return Ok(()) };
    let names = entries.flatten().map(|entry| entry.file_name());
    let is_bundles = |name: &OsString| {
        let is_in = |path: &str| path.split('/').next().is_some_and(|first| name == first);
        bundle.artifacts().any(|(path, _)| is_in(path))
    };
    let foreign = names.into_iter().find(|name| !is_bundles(name));
    match foreign {
        Some(foreign) if !out.join(SUMS).exists() => {
            let cause = format!("it holds {} and no {SUMS}", foreign.display());
            Err(Error::new(format!("use {} for the bundle", out.display()), cause)
                .help("--out names a folder of the bundle's own"))
        }
        _ => Ok(()),
    }
}

fn guide_changes(
    root: &Path,
    guides: &[(DocumentPath, Vec<bundle::Section>)],
) -> Result<Vec<Change>, Error> {
    let mut changes = Vec::new();
    let mut errors = Vec::new();
    for (path, sections) in guides {
        let path = document(root, path);
        let Some(old) = regular_file(&path)? else {
            let help = "write it with its markers, or take it out of [docs] guides";
            errors.push(format!("{}: there is no such guide; {help}", path.display()));
            continue;
        };
        match guide::fill(&old, sections) {
            Ok(new) if new == old => {}
            Ok(new) => {
                let fix = Fix::Write { bytes: new, mode: files::mode(&path).unwrap_or(MODE) };
                changes.push(Change { path, old: Some(old), state: FileState::Stale, fix });
            }
            Err(found) => errors.extend(
                found
                    .iter()
                    .map(|error| format!("{}:{}: {}", path.display(), error.line, error.message)),
            ),
        }
    }
    if errors.is_empty() {
        return Ok(changes);
    }
    let cause = format!("they are not in order\n  {}", errors.join("\n  "));
    Err(Error::new("fill the guides", cause).help("nothing was written; mend the lines above"))
}

/// The path of a document on the disk, without a leading `./`.
fn document(root: &Path, path: &DocumentPath) -> PathBuf {
    if root == Path::new(".") { path.as_str().into() } else { root.join(path.as_str()) }
}

/// The bytes of a regular file; `None` if it does not exist. Anything else is refused, symbolic links too:
/// a document must not replace a file elsewhere.
fn regular_file(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() => {
            Err(Error::new(format!("use {}", path.display()), "it is not an ordinary file"))
        }
        _ => files::read(path),
    }
}
