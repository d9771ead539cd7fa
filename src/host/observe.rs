//! Owns looking: from a bundle to what is wanted of a host, and from a host to what is there. Changes
//! nothing.

use super::receipt;
use super::receipt::{Receipt, State};
use super::{Host, counters, listener_health, local_reserved_ports, rules_service};
use crate::bundle::{BINARY, Bundle, GuardConfig};
use crate::error::Error;
use crate::files;
use crate::firewall::{CounterTotals, Firewall, InstalledRules};
use crate::os::systemd;
use crate::plan::{Bytes, FileState, Observed, UnitStatus, Wanted};
use crate::unit;
use crate::unit::Unit;
use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;

/// The mode of every file that a bundle brings.
const FILE_MODE: u32 = 0o644;
/// The mode of the installed program.
const BINARY_MODE: u32 = 0o755;
/// This program, even if its file was replaced or removed meanwhile.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// What a bundle wants of a host.
///
/// # Errors
/// This program cannot read itself.
pub fn wanted(bundle: &Bundle, guard_config: &GuardConfig) -> Result<Wanted, Error> {
    let mut wanted = Wanted::default();
    let owner = files::own_ids();
    for (path, bytes) in bundle.host_files() {
        let state = FileState { bytes: bytes.into(), mode: FILE_MODE, owner };
        wanted.files.insert(path.to_owned(), state);
        if let Some(unit) =
            path.strip_prefix(unit::DIRECTORY).and_then(|name| name.strip_prefix('/'))
        {
            wanted.links.extend(systemd::enablement(unit, &String::from_utf8_lossy(bytes)));
        }
    }
    let bytes = Bytes::lazily(|| fs::read(OWN_PROGRAM));
    wanted.files.insert(BINARY.to_owned(), FileState { bytes, mode: BINARY_MODE, owner });
    if guard_config.log != guard_config.log_file {
        wanted.links.insert(guard_config.log.clone(), guard_config.log_file.clone());
    }
    Ok(wanted)
}

/// How closely the kernel's rules are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// For what they have counted.
    Counts,
    /// For drift alone.
    Drift,
}

/// What a host looks like. `firewall` is `None` for an offline tree.
///
/// # Errors
/// Something that cannot be looked at.
pub fn observe(
    host: &Host,
    bundle: &Bundle,
    wanted: &Wanted,
    receipt: Option<&Receipt>,
    firewall: Option<(&Firewall, Look)>,
) -> Result<Observed, Error> {
    // The tools mostly wait for the kernel and for systemd; meanwhile the files are read.
    thread::scope(|scope| {
        let looking = firewall.map(|(firewall, look)| {
            scope.spawn(move || match look {
                Look::Counts => look_and_count(firewall),
                Look::Drift => Ok((firewall.observe_drift()?, CounterTotals::default())),
            })
        });
        let asking = host
            .has_systemd()
            .then(|| scope.spawn(|| systemd::states(&Unit::MAIN.map(Unit::name))));
        let mut observed = files_of(host, bundle, wanted, receipt)?;
        if firewall.is_some() {
            keep_free(host, wanted, receipt, &mut observed)?;
        }
        if let Some(looking) = looking {
            let looked = looking.join().unwrap_or_else(|_| Err(lost("look at the rules")));
            let (live, tally) = looked?;
            observed.rule_drift = Some(live.drift);
            observed.stopped = tally.totals();
            observed.counted_since = tally.since().map(str::to_owned);
            observed.guarded = live.present;
        }
        if let Some(asking) = asking {
            let states = asking.join().unwrap_or_else(|_| Err(lost("ask systemd")))?;
            observed.mute = states.get(Unit::Listener.name()).and_then(listener_health::is_stopped);
            let states = Unit::MAIN.into_iter().filter_map(|unit| {
                let state = states.get(unit.name())?;
                let (load, active) = (state.load.clone(), state.active.clone());
                Some((unit, UnitStatus { load, active }))
            });
            observed.units = Some(states.collect());
        }
        Ok(observed)
    })
}

/// What is live, and all that was counted: not while another run takes counters away.
fn look_and_count(firewall: &Firewall) -> Result<(InstalledRules, CounterTotals), Error> {
    const TRIES: usize = 5;
    let mut before = counters::read();
    for _ in 1..TRIES {
        let live = firewall.observe()?;
        let after = counters::read();
        if after == before {
            before.record(firewall.counter_tables(), &live);
            return Ok((live, before));
        }
        before = after;
    }
    let live = firewall.observe()?;
    before.record(firewall.counter_tables(), &live);
    Ok((live, before))
}

fn lost(what: &str) -> Error {
    Error::new(what, "the thread died")
}

/// The files and links that a bundle wants, and those that are ours already.
fn files_of(
    host: &Host,
    bundle: &Bundle,
    wanted: &Wanted,
    receipt: Option<&Receipt>,
) -> Result<Observed, Error> {
    let mut observed = Observed::default();
    if let Some(receipt) = receipt {
        observed.owned_files = receipt.files.keys().cloned().collect();
        observed.owned_links = receipt.links.keys().cloned().collect();
        observed.receipt_current = receipt.state == State::Applied
            && receipt.sum == bundle.sum()
            && is_kept(host, bundle)
            && !is_unfinished(host, receipt);
    }
    let owned = observed.owned_files.iter().chain(&observed.owned_links);
    let paths = wanted.files.keys().chain(wanted.links.keys()).chain(owned);
    let paths: BTreeSet<String> = paths.cloned().collect();
    for path in paths {
        look_at(host, path, wanted, &mut observed)?;
    }
    Ok(observed)
}

/// Which of our ports outgoing connections may take, and which they may take again.
fn keep_free(
    host: &Host,
    wanted: &Wanted,
    receipt: Option<&Receipt>,
    observed: &mut Observed,
) -> Result<(), Error> {
    let file = wanted.files.get(local_reserved_ports::FILE);
    let ours = file.map(|file| local_reserved_ports::of_file(&file.bytes)).unwrap_or_default();
    observed.not_kept_free =
        local_reserved_ports::missing(host, &ours)?.map(|ports| ports.joined(","));
    if let Some(receipt) = receipt {
        let needless = local_reserved_ports::needless(host, receipt, &ours)?;
        observed.kept_needlessly = needless.map(|ports| ports.joined(","));
    }
    if observed.not_kept_free.is_some() || observed.kept_needlessly.is_some() {
        observed.list_fixed = local_reserved_ports::why_fixed(host);
    }
    Ok(())
}

/// Whether the bundle beside the receipt is whole: it is what is loaded when all else is damaged.
pub fn is_kept(host: &Host, bundle: &Bundle) -> bool {
    files::read_tree(&host.path(receipt::BUNDLE)).is_ok_and(|kept| {
        let kept = kept.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()));
        kept.eq(bundle.artifacts())
    })
}

/// Whether a change that was killed at its very end has left something beside what it wrote.
fn is_unfinished(host: &Host, receipt: &Receipt) -> bool {
    exists(host, receipt::NEXT_BUNDLE) || !files::unfinished(&places(host, receipt)).is_empty()
}

/// Where all that is ours lies, and the receipt itself.
pub fn places(host: &Host, receipt: &Receipt) -> Vec<PathBuf> {
    let paths = receipt.files.keys().chain(receipt.links.keys()).map(String::as_str);
    paths.chain([receipt::PATH]).map(|path| host.path(path)).collect()
}

fn look_at(
    host: &Host,
    path: String,
    wanted: &Wanted,
    observed: &mut Observed,
) -> Result<(), Error> {
    host.confine(&path)?;
    let here = host.path(&path);
    let failed =
        |cause: &dyn std::fmt::Display| Error::new(format!("use {}", here.display()), cause);
    let Ok(metadata) = fs::symlink_metadata(&here) else { return Ok(()) };
    if metadata.is_symlink() {
        let target = fs::read_link(&here).map_err(|error| failed(&error))?;
        observed.links.insert(path, target.to_string_lossy().into_owned());
    } else if metadata.is_file() {
        // A log in the place of our link may be huge, and its text is nobody's business.
        let is_log = path.starts_with("/var/log/");
        let program = wanted.files.get(BINARY).map(|program| &program.bytes);
        let bytes = match program {
            Some(own @ Bytes::Lazy(_)) if path == BINARY && is_this_program(&metadata) => {
                own.clone()
            }
            _ if is_log => Bytes::Held(Vec::new()),
            _ => files::read(&here)?.unwrap_or_default().into(),
        };
        let (mode, owner) = (metadata.mode() & 0o7777, (metadata.uid(), metadata.gid()));
        observed.files.insert(path, FileState { bytes, mode, owner });
    } else {
        let what = if metadata.is_dir() { "a directory" } else { "neither a file nor a link" };
        observed.strangers.insert(path, what);
    }
    Ok(())
}

/// Whether a file is the one that this program was started from.
fn is_this_program(file: &Metadata) -> bool {
    let own = fs::metadata(OWN_PROGRAM);
    own.is_ok_and(|own| (own.dev(), own.ino()) == (file.dev(), file.ino()))
}

/// The directories of ours that others than root can change, with what is wrong and the cure: who may
/// write to one puts own files in the place of ours, whatever the mode of those.
pub fn open_directories(host: &Host, receipt: &Receipt) -> Vec<(String, String)> {
    let mut directories: BTreeSet<String> = receipt.directories.iter().cloned().collect();
    directories.insert(rules_service::DIRECTORY.to_owned());
    let mut open = vec![receipt::STATE.to_owned()];
    while let Some(directory) = open.pop() {
        let entries = fs::read_dir(host.path(&directory)).into_iter().flatten().flatten();
        let below = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        open.extend(below.map(|one| format!("{directory}/{}", one.file_name().to_string_lossy())));
        directories.insert(directory);
    }
    let mut found = Vec::new();
    for directory in directories {
        let here = host.path(&directory);
        let Ok(metadata) = fs::metadata(&here) else { continue };
        // A tree belongs to whoever builds it.
        if host.is_live() && metadata.uid() != 0 {
            let cure = format!("is not root's: chown root {}", here.display());
            found.push((directory.clone(), cure));
        }
        let mode = metadata.mode() & 0o7777;
        if mode & 0o022 != 0 {
            let cure = format!("chmod go-w {}", here.display());
            found.push((directory, format!("others may write to it (mode {mode:04o}): {cure}")));
        }
    }
    found
}

/// Whether there is anything at a path of the host, a dangling link too.
pub fn exists(host: &Host, path: &str) -> bool {
    is_there(&host.path(path))
}

/// The same for a path of this process.
pub fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_bundle_that_is_not_whole_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path()).unwrap();
        let bundle = Bundle::installed([("host/etc/a".to_owned(), b"a\n".to_vec())].into());
        assert!(!is_kept(&host, &bundle));
        let file = host.path(receipt::BUNDLE).join("host/etc/a");
        files::replace(&file, b"a\n", 0o644).unwrap();
        assert!(is_kept(&host, &bundle));
        fs::write(&file, "b\n").unwrap();
        assert!(!is_kept(&host, &bundle));
    }
}
