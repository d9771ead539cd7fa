//! Owns the receipt for the time of a change: it says beforehand all that is about to be ours, so that
//! a change that is killed at any moment can be taken away. Changes nothing.

use crate::bundle::{BINARY, Bundle, GuardConfig, hex};
use crate::files;
use crate::host::receipt;
use crate::host::receipt::{FileEntry, Origin, Original, Receipt, State};
use crate::host::{Host, local_reserved_ports, observe};
use crate::plan::{InPlace, Observed, Plan, Step, Wanted};
use crate::spec::PortSet;
use std::path::Path;

/// What is copied before it is overwritten: (path of the copy, bytes).
pub(in crate::host) type Copies = Vec<(String, Vec<u8>)>;

/// The receipt of a change that is about to begin: what was ours stays ours, what will be already is.
pub(in crate::host) fn announced(
    before: Option<&Receipt>,
    (bundle, guard_config, origin): (&Bundle, &GuardConfig, Origin),
    wanted: &Wanted,
    observed: &Observed,
) -> Receipt {
    let mut receipt = before.cloned().unwrap_or_default();
    receipt.state = State::Changing;
    receipt.bundle.clone_from(&guard_config.bundle);
    receipt.sum = bundle.sum();
    receipt.origin = origin;
    for (path, file) in &wanted.files {
        // A program that somebody else put in its place stays theirs.
        let theirs = path == BINARY
            && observed.files.get(path) == Some(file)
            && !receipt.files.contains_key(path);
        if !theirs {
            let entry = FileEntry { sha256: hex(&file.bytes), mode: file.mode };
            receipt.files.insert(path.clone(), entry);
        }
    }
    receipt.links.extend(wanted.links.clone());
    receipt
}

/// Adds what the steps will do beyond that: directories, files that move aside, ports kept free, and
/// what others have where ours will stand. `ours` are the ports of the bundle's list, `added` those that
/// are in the kernel's because of earlier ones. Returns what must be copied before it is overwritten.
pub(in crate::host) fn announce(
    receipt: &mut Receipt,
    host: &Host,
    plan: &Plan,
    before: Option<&Receipt>,
    (ours, added): (&PortSet, PortSet),
) -> Copies {
    make_directories(receipt, host, receipt::PATH);
    // An offline tree has no list, and is one list with its file when it is booted.
    let mut added = host.is_live().then_some(added);
    let mut copies = Copies::new();
    for step in &plan.steps {
        match step {
            Step::WriteFile { path, .. } | Step::Link { path, .. } => {
                make_directories(receipt, host, path);
            }
            Step::KeepFree { ports } => {
                // The others are those of somebody else's file.
                let more = local_reserved_ports::among(&ports.parse().unwrap_or_default(), ours);
                added = added.map(|added| local_reserved_ports::union(&added, &more));
            }
            _ => {}
        }
        if let Step::Link { path, old: InPlace::File, .. } = step {
            // The first one was there before us; later ones were made meanwhile, and stay aside.
            receipt.moved.entry(path.clone()).or_insert_with(|| aside(host, path));
        }
        if let Some((path, bytes)) = before.and_then(|receipt| edited(step, receipt)) {
            copies.push((receipt::copy(receipt::EDITED, path), bytes.to_vec()));
        }
        if let Some((path, original, bytes)) = original(step) {
            let ours = before.is_some_and(|receipt| {
                receipt.files.contains_key(path) || receipt.links.contains_key(path)
            });
            if !ours && !receipt.originals.contains_key(path) {
                let copy = receipt::copy(receipt::ORIGINALS, path);
                copies.extend(bytes.map(|bytes| (copy, bytes.to_vec())));
                receipt.originals.insert(path.to_owned(), original);
            }
        }
    }
    receipt.kept_free = added.map(|ports| ports.joined(","));
    copies
}

fn make_directories(receipt: &mut Receipt, host: &Host, path: &str) {
    let above = host.path(path);
    let missing = files::missing_directories(above.parent().unwrap_or(Path::new("/")));
    missing.iter().for_each(|directory| receipt.makes(host, directory));
}

/// A file of ours that somebody has edited, and that a step will mend or remove.
fn edited<'a>(step: &'a Step, before: &Receipt) -> Option<(&'a str, &'a [u8])> {
    let (Step::WriteFile { path, old: Some(old), .. } | Step::RemoveFile { path, old }) = step
    else {
        return None;
    };
    let applied = before.files.get(path).filter(|_| path != BINARY)?;
    (applied.sha256 != hex(&old.bytes)).then_some((path, &old.bytes))
}

/// What a step will overwrite.
fn original(step: &Step) -> Option<(&String, Original, Option<&[u8]>)> {
    match step {
        Step::WriteFile { path, link: Some(link), .. }
        | Step::Link { path, old: InPlace::Link(link), .. } => {
            Some((path, Original::Link(link.clone()), None))
        }
        Step::WriteFile { path, old: Some(old), .. } => {
            let original = Original::File { mode: old.mode, owner: old.owner };
            Some((path, original, Some(&old.bytes)))
        }
        _ => None,
    }
}

/// A free name for a file that must make room.
pub(in crate::host) fn aside(host: &Host, path: &str) -> String {
    let first = format!("{path}.before-redisguard");
    let numbered = (1..).map(|number| format!("{first}.{number}"));
    let mut names = std::iter::once(first.clone()).chain(numbered);
    names.find(|name| !observe::exists(host, name)).unwrap_or(first)
}
