//! Owns comparing: from a spec to every file that is not what is rendered from it. Writes nothing.

use crate::args::GeneratorArgs;
use crate::bundle;
use crate::bundle::{Bundle, Documents, SUMS, hex};
use crate::error::Error;
use crate::files;
use crate::guide;
use crate::spec::{DocumentPath, Spec};
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
    /// What is wrong with it.
    pub state: State,
    /// The mode that it shall have.
    pub mode: u32,
    /// Whether a write may remove it: an earlier run made it.
    pub ours: bool,
}

/// In what a file is not as it is rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The TOML has changed since, or the program.
    Stale,
    /// It is not what SHA256SUMS says of it.
    Edited,
    /// Its bytes are right, but it can be run.
    Executable,
    /// It is not there.
    Missing,
    /// It should not be there.
    Stray,
    /// A run that was killed has left it.
    Unfinished,
}

impl State {
    /// As it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stale => "stale",
            Self::Edited => "edited by hand",
            Self::Executable => "executable",
            Self::Missing => "missing",
            Self::Stray => "stray",
            Self::Unfinished => "unfinished",
        }
    }
}

/// The mode of a new file.
const MODE: u32 = 0o644;
/// The bits of a mode that make a file executable.
const EXECUTABLE: u32 = 0o111;

impl Change {
    /// What is to be done to a file that is rendered whole; `sum` is what SHA256SUMS says of it.
    fn of_file(path: PathBuf, old: Option<Vec<u8>>, new: &[u8], sum: Option<&str>) -> Option<Self> {
        let found = files::mode(&path).unwrap_or(MODE);
        let (executable, mode) = (found & EXECUTABLE != 0, found & !EXECUTABLE);
        let state = match &old {
            None => State::Missing,
            Some(old) if *old == new && executable => State::Executable,
            Some(old) if *old == new => return None,
            Some(old) if sum.is_some_and(|sum| sum != hex(old)) => State::Edited,
            Some(_) => State::Stale,
        };
        Some(Self { path, old, new: Some(new.to_vec()), state, mode, ours: true })
    }

    /// What is there and shall go.
    fn of_stray(path: PathBuf, old: Vec<u8>, state: State, ours: bool) -> Self {
        Self { path, old: Some(old), new: None, state, mode: MODE, ours }
    }
}

/// Renders everything and compares it with what is there.
pub(super) fn changes(args: &GeneratorArgs, spec: &Spec) -> Result<Vec<Change>, Error> {
    let failed = |why: String| Error::new("render the bundle", why);
    let bundle = Bundle::render(spec).map_err(failed)?;
    let documents = Documents::render(spec, &bundle).map_err(failed)?;
    let paths = documents.files.iter().map(|(path, _)| path);
    for path in paths.chain(documents.guides.iter().map(|(path, _)| path)) {
        if document(&args.docs_root, path).starts_with(&args.out) {
            let cause = format!("it lies in {}, which holds the bundle only", args.out.display());
            return Err(Error::new(format!("write {path}"), cause).help("move it in [docs]"));
        }
    }
    let places = documents.files.iter().map(|(path, _)| path);
    let places = places.chain(documents.guides.iter().map(|(path, _)| path));
    let places: Vec<PathBuf> = places.map(|path| document(&args.docs_root, path)).collect();
    let mut changes = bundle_changes(&args.out, &bundle)?;
    for (path, text) in documents.files {
        let path = document(&args.docs_root, &path);
        let old = plain_file(&path)?;
        changes.extend(Change::of_file(path, old, text.as_bytes(), None));
    }
    changes.extend(guide_changes(&args.docs_root, &documents.guides)?);
    for path in files::unfinished(&places) {
        let bytes = files::read(&path)?.unwrap_or_default();
        changes.push(Change::of_stray(path, bytes, State::Unfinished, true));
    }
    Ok(changes)
}

fn bundle_changes(out: &Path, bundle: &Bundle) -> Result<Vec<Change>, Error> {
    refuse_a_strangers_folder(out, bundle)?;
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
        let state = if unfinished { State::Unfinished } else { State::Stray };
        let ours = unfinished || listed.contains_key(&path);
        changes.push(Change::of_stray(out.join(path), old, state, ours));
    }
    Ok(changes)
}

/// A mistyped --out must not have somebody's home read, compared and called stray.
fn refuse_a_strangers_folder(out: &Path, bundle: &Bundle) -> Result<(), Error> {
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
    let mut faults = Vec::new();
    for (path, sections) in guides {
        let path = document(root, path);
        let Some(old) = plain_file(&path)? else {
            let cure = "write it with its markers, or take it out of [docs] guides";
            faults.push(format!("{}: there is no such guide; {cure}", path.display()));
            continue;
        };
        match guide::fill(&old, sections) {
            Ok(new) if new == old => {}
            Ok(new) => {
                let mode = files::mode(&path).unwrap_or(MODE);
                let (old, new) = (Some(old), Some(new));
                changes.push(Change { path, old, new, state: State::Stale, mode, ours: true });
            }
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
    let cause = format!("they are not in order\n  {}", faults.join("\n  "));
    Err(Error::new("fill the guides", cause).help("nothing was written; mend the lines above"))
}

/// Where a document lies; without a `./` that nobody wants to read.
fn document(root: &Path, path: &DocumentPath) -> PathBuf {
    if root == Path::new(".") { path.as_str().into() } else { root.join(path.as_str()) }
}

/// A file's bytes; a symbolic link or anything else in its place is refused.
fn plain_file(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() => {
            Err(Error::new(format!("use {}", path.display()), "it is not an ordinary file"))
        }
        _ => files::read(path),
    }
}
