//! What a bundle wants of a host, and what is there.
//!
//! Never: changes anything.

use super::listener_health::{self, Fault};
use super::receipt::{Receipt, State};
use super::root::Host;
use super::{bundle_source, counters, local_reserved_ports, units};
use crate::bundle::{BINARY, Bundle, GuardConfig, unexpected_units};
use crate::error::Error;
use crate::files;
use crate::firewall::{CounterTotals, Firewall, InstalledRules};
use crate::os::systemd;
use crate::plan::{Bytes, FileState, Observed, Wanted};
use crate::spec::Expected;
use crate::unit::{self, Unit};
use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::thread;

/// The mode of every file that a bundle brings.
const FILE_MODE: u32 = 0o644;
/// The mode of the installed program.
const BINARY_MODE: u32 = 0o755;
/// This program, even if its file was replaced or removed meanwhile.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// Whether the kernel's rules are compared only, or their counters read too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Compared only: rules that have not changed since they were last found in place are not listed.
    Drift,
    /// With what they have counted: all rules are listed.
    Counters,
}

/// What a bundle wants of a host that is `expected` to run some parts. The bytes of this program are read on first use.
pub fn wanted(bundle: &Bundle, guard_config: &GuardConfig, expected: &Expected) -> Wanted {
    let unexpected = unexpected_units(expected);
    let is_unexpected = |name: &str| unexpected.iter().any(|unit| unit.name() == name);
    let mut wanted = Wanted { unexpected: unexpected.clone(), ..Wanted::default() };
    let owner = files::own_ids();
    for (path, bytes) in bundle.host_files() {
        let state = FileState { bytes: bytes.into(), mode: FILE_MODE, owner };
        wanted.files.insert(path.to_owned(), state);
        if let Some(unit) = unit::below_directory(path).filter(|unit| !is_unexpected(unit)) {
            wanted.links.extend(systemd::enablement(unit, &String::from_utf8_lossy(bytes)));
        }
    }
    let bytes = Bytes::lazily(|| fs::read(OWN_PROGRAM));
    wanted.files.insert(BINARY.to_owned(), FileState { bytes, mode: BINARY_MODE, owner });
    if guard_config.log != guard_config.log_file {
        wanted.links.insert(guard_config.log.clone(), guard_config.log_file.clone());
    }
    wanted
}

/// What a host looks like. `firewall` is `None` for an offline tree.
///
/// # Errors
/// Something that cannot be read.
pub fn observe(
    host: &Host,
    bundle: &Bundle,
    guard_config: &GuardConfig,
    wanted: &Wanted,
    receipt: Option<&Receipt>,
    firewall: Option<(&Firewall, Detail)>,
) -> Result<Observed, Error> {
    // The tools mostly wait for the kernel and for systemd; meanwhile the files are read.
    thread::scope(|scope| {
        let rules = firewall.map(|(firewall, detail)| {
            scope.spawn(move || match detail {
                Detail::Counters => rules_and_counters(firewall),
                Detail::Drift => Ok((firewall.observe_drift()?, CounterTotals::default())),
            })
        });
        let unit_states = host.has_systemd().then(|| scope.spawn(|| units::states(&Unit::MAIN)));
        let mut observed = files_and_links(host, bundle, wanted, receipt)?;
        if firewall.is_some() {
            let own = local_reserved_ports::wanted(wanted);
            observed.local_ports = local_reserved_ports::observe(host, &own, receipt)?;
        }
        if let Some(rules) = rules {
            let (rules, counters) =
                rules.join().unwrap_or_else(|_| Err(died("look at the rules")))?;
            observed.rule_drift = Some(rules.drift);
            observed.stopped = counters.totals();
            observed.stopped_probes = counters.probe_totals();
            observed.counted_since = counters.since().map(str::to_owned);
            observed.rules_loaded = rules.present;
        }
        if let Some(states) = unit_states {
            let states = states.join().unwrap_or_else(|_| Err(died("ask systemd")))?;
            observed.listener_fault = states.get(&Unit::Listener).and_then(|state| {
                let restart_helps = |fault: &Fault| fault.first.is_none() && fault.needs_restart;
                let mut faults =
                    listener_health::faults(host, state, bundle, guard_config).into_iter();
                let fault = || faults.find(restart_helps).map(|fault| fault.text);
                listener_health::stopped_process(state).or_else(fault)
            });
            observed.units = Some(units::statuses(&states));
        }
        Ok(observed)
    })
}

/// The kernel's rules, and everything that was counted. They are read again while another process takes
/// counters away: a count would be missing or doubled.
fn rules_and_counters(firewall: &Firewall) -> Result<(InstalledRules, CounterTotals), Error> {
    const MAX_TRIES: usize = 5;
    let mut before = counters::read();
    let mut tries = 1;
    loop {
        let rules = firewall.observe()?;
        let after = counters::read();
        if after == before || tries == MAX_TRIES {
            before.record(firewall.counter_tables(), &rules);
            return Ok((rules, before));
        }
        before = after;
        tries += 1;
    }
}

fn died(action: &str) -> Error {
    Error::new(action, "the thread died")
}

/// The files and links that a bundle wants, and those that the receipt lists.
fn files_and_links(
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
            && bundle_source::is_last_good(host, bundle)
            && !receipt.has_unfinished(host);
    }
    let owned = observed.owned_files.iter().chain(&observed.owned_links);
    let paths = wanted.files.keys().chain(wanted.links.keys()).chain(owned);
    let paths: BTreeSet<String> = paths.cloned().collect();
    for path in paths {
        observe_path(host, path, wanted, &mut observed)?;
    }
    Ok(observed)
}

fn observe_path(
    host: &Host,
    path: String,
    wanted: &Wanted,
    observed: &mut Observed,
) -> Result<(), Error> {
    host.confine(&path)?;
    let here = host.path(&path);
    let Ok(metadata) = fs::symlink_metadata(&here) else { return Ok(()) };
    if metadata.is_symlink() {
        let target = fs::read_link(&here)
            .map_err(|error| Error::new(format!("use {}", here.display()), error))?;
        observed.links.insert(path, target.to_string_lossy().into_owned());
    } else if metadata.is_file() {
        // A log in the place of redisguard's link may be huge, and must not be shown as a diff.
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
        observed.irregular.insert(path, what);
    }
    Ok(())
}

/// Whether a file is the one that this program was started from.
fn is_this_program(file: &Metadata) -> bool {
    let own = fs::metadata(OWN_PROGRAM);
    own.is_ok_and(|own| (own.dev(), own.ino()) == (file.dev(), file.ino()))
}
