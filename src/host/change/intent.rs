//! The receipt written ahead: before the first change it lists everything that the change will make, so
//! that a change that is killed at any moment can be removed.
//!
//! Never: changes anything on the host.

use crate::bundle::{BINARY, sha256_hex};
use crate::files;
use crate::host::prepare::Prepared;
use crate::host::receipt::{self, EDITED, FileEntry, ORIGINALS, Original, Receipt, State};
use crate::host::{Host, local_reserved_ports};
use crate::plan::{InPlace, Step};
use crate::spec::PortSet;
use std::path::Path;

/// What is copied before it is overwritten: (path of the copy, bytes).
pub(super) type Copies = Vec<(String, Vec<u8>)>;

/// The receipt of a change that is about to begin: everything that the former receipt lists, and
/// everything that is wanted.
pub(super) fn receipt(prepared: &Prepared<'_>) -> Receipt {
    let Prepared { target, observed, receipt: before, .. } = prepared;
    let mut receipt = before.clone().unwrap_or_default();
    receipt.state = State::Changing;
    receipt.bundle.clone_from(&target.guard_config.bundle);
    receipt.sum = target.bundle.sum();
    receipt.expect.clone_from(&target.declared);
    receipt.origin = target.origin.unwrap_or(receipt.origin);
    for (path, file) in &target.wanted.files {
        // A program that is in place already and not in the receipt was installed by somebody else: a
        // removal must leave it.
        let installed_by_others = path == BINARY
            && observed.files.get(path) == Some(file)
            && !receipt.files.contains_key(path);
        if !installed_by_others {
            let entry = FileEntry { sha256: sha256_hex(&file.bytes), mode: file.mode };
            receipt.files.insert(path.clone(), entry);
        }
    }
    receipt.links.extend(target.wanted.links.clone());
    receipt
}

/// Adds what the steps will do beyond that: directories, files that move aside, local reserved ports beside
/// those that earlier bundles `added`, and what is at the paths now that is not redisguard's. Returns what
/// must be copied before it is overwritten.
pub(super) fn complete(
    receipt: &mut Receipt,
    prepared: &Prepared<'_>,
    mut added: PortSet,
) -> Copies {
    let Prepared { host, target, plan, receipt: before, .. } = prepared;
    let before = before.as_ref();
    let own = local_reserved_ports::wanted(&target.wanted);
    add_directories(receipt, host, receipt::PATH);
    let mut copies = Copies::new();
    for step in &plan.steps {
        match step {
            Step::WriteFile { path, .. } | Step::Link { path, .. } => {
                add_directories(receipt, host, path);
            }
            // The others come from a file of somebody else, and are not redisguard's to take out.
            Step::AddLocalPorts { ports } => added = added.union(&ports.intersection(&own)),
            _ => {}
        }
        if let Step::Link { path, old: InPlace::File, .. } = step {
            // Only the first file was there before redisguard; later ones stay aside.
            receipt.moved.entry(path.clone()).or_insert_with(|| aside(host, path));
        }
        if let Some((path, bytes)) = before.and_then(|receipt| receipt.edited(step)) {
            copies.push((format!("{EDITED}{path}"), bytes.to_vec()));
        }
        if let Some((path, original, bytes)) = original(step) {
            let is_listed = before.is_some_and(|receipt| {
                receipt.files.contains_key(path) || receipt.links.contains_key(path)
            });
            if !is_listed && !receipt.originals.contains_key(path) {
                copies.extend(bytes.map(|bytes| (format!("{ORIGINALS}{path}"), bytes.to_vec())));
                receipt.originals.insert(path.to_owned(), original);
            }
        }
    }
    // An offline tree has no such list; at its first boot the file is the whole list.
    receipt.local_ports = host.is_live().then_some(added);
    copies
}

/// Adds the directories above a path that will be made.
fn add_directories(receipt: &mut Receipt, host: &Host, path: &str) {
    let above = host.path(path);
    let missing = files::missing_directories(above.parent().unwrap_or(Path::new("/")));
    missing.iter().for_each(|directory| receipt.add_directory(host, directory));
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

/// A free path for a file that is moved aside.
pub(super) fn aside(host: &Host, path: &str) -> String {
    let first = format!("{path}.before-redisguard");
    let numbered = (1..).map(|number| format!("{first}.{number}"));
    let mut names = std::iter::once(first.clone()).chain(numbered);
    names.find(|name| !host.exists(name)).unwrap_or(first)
}
