//! Loads, saves and unloads the rules: what the block unit and the timer call.
//!
//! Guarantees: a host on which a bundle was applied is guarded, whatever else is damaged. Where other rules
//! than the installed ones had to be loaded, that is an error although the ports are blocked.

use super::counters::StoredCounters;
use super::receipt::{self, Receipt, State};
use super::root::Host;
use super::{bundle_source, lock};
use crate::bundle::{Bundle, sha256_hex};
use crate::error::{Error, ErrorKind};
use crate::files;
use crate::firewall::drift_cache::RulesetGeneration;
use crate::firewall::{
    self, CounterStore, DryRunNetns, Firewall, InstalledRules, Tables, drift_cache,
};
use crate::plan::{RuleFault, Scope};
use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Exists while nftables guards a host that iptables should guard.
pub const MEANWHILE: &str = "/run/redisguard.meanwhile";

/// Records the last check of the rules on a host without systemd, where no timer can be asked. Gone after a
/// restart.
pub const CHECKED: &str = "/run/redisguard.checked";

/// When the rules were last checked by `rules load`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastCheck {
    /// This long ago.
    Ago(Duration),
    /// Never in this boot, as far as is recorded.
    NoneSinceBoot,
}

/// Records that the rules are checked now.
///
/// # Errors
/// A file that cannot be written.
pub fn record_check(host: &Host) -> Result<(), Error> {
    let record = format!("{} {}\n", boot_id(), since_boot().as_secs());
    files::replace(&host.path(CHECKED), record.as_bytes(), 0o644).map(drop)
}

/// The last check that was recorded, by a clock that nobody sets.
pub fn last_check(host: &Host) -> LastCheck {
    let age = || {
        let bytes = files::read(&host.path(CHECKED)).ok()??;
        let text = String::from_utf8(bytes).ok()?;
        let (boot, seconds) = text.trim_end().split_once(' ')?;
        let then = Duration::from_secs(seconds.parse().ok()?);
        since_boot().checked_sub(then).filter(|_| boot == boot_id())
    };
    age().map_or(LastCheck::NoneSinceBoot, LastCheck::Ago)
}

/// What tells this boot of the machine from others (random(4)).
fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    id.unwrap_or_default().trim_end().to_owned()
}

fn since_boot() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
}

/// How a load ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// They were in place already; nothing was touched.
    InPlace,
    /// They were loaded, because the kernel's rules differed like this.
    Because(Vec<(Scope, RuleFault)>),
    /// They were loaded without those that write to the kernel's log, for this reason.
    WithoutLog(Error),
}

impl Loaded {
    /// An error where the rules that log are missing: the host is not as it should be.
    fn or_fail(self) -> Result<Self, Error> {
        match self {
            Self::WithoutLog(error) => {
                Err(error.and("the ports are guarded, but nobody who is stopped is logged"))
            }
            loaded => Ok(loaded),
        }
    }
}

/// Loads the rules of a bundle unless they are in place, and removes those that another backend has.
///
/// # Errors
/// Rules that could not be loaded; the former ones are in the kernel again.
pub fn load(bundle: &Bundle, dry_run: &DryRunNetns) -> Result<Loaded, Error> {
    load_with(&bundle_source::firewall(bundle)?, Firewall::observe, dry_run)?.or_fail()
}

/// [`load`], and compares the kernel's rules with those afterwards; the generation of the ruleset that was
/// compared.
///
/// # Errors
/// As [`load`]; rules that differ.
pub fn load_verified(bundle: &Bundle) -> Result<Option<RulesetGeneration>, Error> {
    let firewall = bundle_source::firewall(bundle)?;
    load_with(&firewall, Firewall::observe, &DryRunNetns::default())?.or_fail()?;
    firewall.verify_loaded()
}

fn load_with(
    firewall: &Firewall,
    observe: fn(&Firewall) -> Result<InstalledRules, Error>,
    dry_run: &DryRunNetns,
) -> Result<Loaded, Error> {
    // At boot other firewalls flush the tables while this loads.
    const MAX_TRIES: usize = 5;
    let _lock = lock::take_for_rules()?;
    let mut tries = 1;
    loop {
        let generation = firewall.generation();
        let loaded = load_once(firewall, observe, dry_run, generation.as_ref());
        let is_changed = generation.is_none() || firewall.generation() != generation;
        match &loaded {
            // A tool that is missing or hangs is no better the next time.
            Err(error) if error.kind() == ErrorKind::Other && is_changed && tries < MAX_TRIES => {
                tries += 1;
            }
            _ => return loaded,
        }
    }
}

/// [`load_with`], once and under the lock of the rules. `generation` is that of the ruleset before.
fn load_once(
    firewall: &Firewall,
    observe: fn(&Firewall) -> Result<InstalledRules, Error>,
    dry_run: &DryRunNetns,
    generation: Option<&RulesetGeneration>,
) -> Result<Loaded, Error> {
    let mut counters = StoredCounters::read();
    let installed = observe(firewall)?;
    counters.totals().record(firewall.counter_tables(), &installed);
    counters.save_if_possible();
    if installed.drift.is_empty() {
        generation.into_iter().for_each(RulesetGeneration::mark_verified);
        return Ok(Loaded::InPlace);
    }
    let checked = firewall.check(&installed, dry_run);
    let _ = drift_cache::forget();
    if let Err(error) = checked {
        let loaded = firewall.load_without_log(&installed, &mut counters, dry_run)?;
        return if loaded { Ok(Loaded::WithoutLog(error)) } else { Err(error) };
    }
    firewall.load(&installed, &mut counters)?;
    Ok(Loaded::Because(installed.drift))
}

/// Whether anything of a bundle is on this host.
fn is_installed(host: &Host) -> bool {
    [receipt::PATH, receipt::BUNDLE, RULES].iter().any(|path| host.exists(path))
}

/// Loads the installed rules, or the last good ones where the installed ones are not what was applied.
///
/// # Errors
/// Nothing is installed; or other rules than the installed ones had to be loaded, and why: the
/// caller must fail visibly although the ports are blocked.
pub fn load_installed(host: &Host, dry_run: &DryRunNetns) -> Result<Loaded, Error> {
    let receipt = Receipt::read(host);
    if !is_installed(host) {
        return Err(Error::new("load the rules", "nothing is installed on this host")
            .help("run `redisguard-install apply`, or name a bundle with --bundle"));
    }
    let (error, repair) = match &receipt {
        Ok(Some(known)) => {
            let error = match load_if_unaltered(host, known, dry_run) {
                Ok(loaded) => return finish(host, loaded),
                Err(error) => error,
            };
            (error, bundle_source::repair_command(host, known))
        }
        Ok(None) => {
            let cause = "there is no receipt of what was applied";
            (Error::new(TRUST, cause), "redisguard-install apply".to_owned())
        }
        Err(error) => (error.clone(), "redisguard-install apply".to_owned()),
    };
    let help = format!("look at `redisguard-install plan`, then run `{repair}`");
    // plan and apply need the receipt as well: the help of an unreadable one stays.
    let helped = |error: Error| match &receipt {
        Err(_) => error.or_help(&help),
        Ok(_) => error.help(&help),
    };
    let last_good = bundle_source::last_good(host);
    let loaded = last_good.as_ref().map_err(Clone::clone).and_then(|bundle| {
        load_with(&bundle_source::firewall(bundle)?, Firewall::observe, dry_run)
    });
    let Err(worse) = loaded else {
        return Err(helped(error.and("the last good rules guard the ports")));
    };
    let meanwhile = last_good.and_then(|bundle| load_meanwhile(host, &bundle, dry_run));
    if matches!(meanwhile, Ok(true)) {
        return Err(error.and("nftables guards the ports meanwhile").or_help(&help));
    }
    if matches!(receipt, Ok(Some(_))) {
        // Nothing could be loaded: the help of the tool's own error comes first.
        return Err(error.and(worse).or_help(&help));
    }
    // Without a receipt nothing is known against the installed rules, and no rules are worse.
    Err(match installed(host).and_then(|bundle| load(&bundle, dry_run)) {
        Ok(_) => helped(error.and("the installed rules guard the ports, unverified")),
        Err(worse) => helped(error.and(worse)),
    })
}

const TRUST: &str = "trust the installed rules";

/// Loads the installed rules if they are those of the receipt.
fn load_if_unaltered(
    host: &Host,
    receipt: &Receipt,
    dry_run: &DryRunNetns,
) -> Result<Loaded, Error> {
    let altered = altered(host, receipt).unwrap_or_else(|why| Some(format!("{why:#}")));
    if let Some(altered) = altered {
        return Err(Error::new(TRUST, altered));
    }
    let firewall = bundle_source::firewall(&installed(host)?)?;
    // A change that has not ended may be a change of the backend. Otherwise only the backend that loaded
    // the rules is asked: this runs every minute.
    let is_settled = receipt.state == State::Applied && !host.exists(MEANWHILE);
    let observe = if is_settled { Firewall::observe_selected } else { Firewall::observe };
    load_with(&firewall, observe, dry_run)
}

fn finish(host: &Host, loaded: Loaded) -> Result<Loaded, Error> {
    files::remove(&host.path(MEANWHILE))?;
    loaded.or_fail()
}

/// Guards with nftables where iptables cannot, until it can; whether there is nftables. The caller fails all
/// the same: the bundle asks for iptables.
fn load_meanwhile(host: &Host, bundle: &Bundle, dry_run: &DryRunNetns) -> Result<bool, Error> {
    let guard_config = bundle_source::guard_config(bundle)?;
    let Some(firewall) = Firewall::fallback(bundle, &guard_config)? else { return Ok(false) };
    // If this fails, the rules stay until the next apply, which removes those of other backends.
    let _ = files::replace(&host.path(MEANWHILE), b"", 0o644);
    load_with(&firewall, Firewall::observe_selected, dry_run).map(|_| true)
}

/// Saves what the rules have counted, before their counters go.
///
/// # Errors
/// A tool that fails; a file that cannot be written.
pub fn save(host: &Host) -> Result<(), Error> {
    let firewall = bundle_source::firewall(&installed(host)?)?;
    let _lock = lock::take_for_rules()?;
    let mut counters = StoredCounters::read();
    counters.totals().record(firewall.counter_tables(), &firewall.observe_selected()?);
    counters.save()
}

/// Removes the rules of any bundle, and the tables that were made for them; whether there were any.
///
/// # Errors
/// Rules that could not be removed.
pub fn unload(host: &Host) -> Result<bool, Error> {
    let receipt = Receipt::read(host).ok().flatten();
    unload_but_tables(receipt.and_then(|receipt| receipt.tables).as_ref())
}

/// [`unload`] where the tables are known that existed before: only the others are removed, if they are
/// empty.
///
/// # Errors
/// As [`unload`].
pub fn unload_but_tables(before: Option<&Tables>) -> Result<bool, Error> {
    let _lock = lock::take_for_rules()?;
    let unloaded = firewall::unload_all(&mut StoredCounters::read())?;
    before.into_iter().for_each(firewall::drop_empty_tables);
    Ok(unloaded)
}

/// The first installed file that is not that of the receipt, in words.
fn altered(host: &Host, receipt: &Receipt) -> Result<Option<String>, Error> {
    for (path, entry) in receipt.files.iter().filter(|(path, _)| path.starts_with(RULES)) {
        match files::read(&host.path(path))? {
            None => return Ok(Some(format!("{path} is missing"))),
            Some(bytes) if sha256_hex(&bytes) != entry.sha256 => {
                return Ok(Some(format!("{path} is not what was applied")));
            }
            Some(_) => {}
        }
    }
    Ok(None)
}

/// The directory of the installed rules.
pub const DIRECTORY: &str = super::root::SETTINGS;
/// The beginning of their paths.
const RULES: &str = "/etc/redisguard/";

/// The installed rules as a bundle of their own.
fn installed(host: &Host) -> Result<Bundle, Error> {
    let files = files::read_tree(&host.path(RULES))?;
    let named = files.into_iter().map(|(name, bytes)| (format!("host{RULES}{name}"), bytes));
    Ok(Bundle::installed(named.collect()))
}
