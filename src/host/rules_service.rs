//! Owns `rules load` and `rules unload`: what the block unit and the timer call. Loads the installed
//! rules if they are what was applied, else the last good ones, and says so by failing.

use super::counters::StoredCounters;
use super::lock;
use super::receipt;
use super::receipt::{Receipt, State};
use super::{Host, bundle_source, observe};
use crate::bundle::{Bundle, GuardConfig, hex};
use crate::error::Error;
use crate::files;
use crate::firewall;
use crate::firewall::drift_cache;
use crate::firewall::drift_cache::RulesetGeneration;
use crate::firewall::{CounterStore, DryRunNetns, Firewall, InstalledRules, Tables};
use crate::plan::Scope;

/// There while nftables guards a host that iptables should guard.
pub const MEANWHILE: &str = "/run/redisguard.meanwhile";

/// How a load ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// They were in place already; nothing was touched.
    InPlace,
    /// They were loaded, because of these findings.
    Because(Vec<(Scope, String)>),
    /// They guard, but for this reason without those that write to the kernel's log.
    Mute(Error),
}

impl Loaded {
    /// The same as a failure where nobody is logged: what was asked for is not what is there.
    fn or_fail(self) -> Result<Self, Error> {
        match self {
            Self::Mute(trouble) => {
                Err(trouble.and("the ports are guarded, but nobody who is stopped is logged"))
            }
            loaded => Ok(loaded),
        }
    }
}

/// Loads the rules of a bundle unless they are in place, and takes away what another backend has of
/// ours.
///
/// # Errors
/// What kept them from being loaded; what was live is live again.
pub fn load(
    bundle: &Bundle,
    guard_config: &GuardConfig,
    dry_run: &DryRunNetns,
) -> Result<Loaded, Error> {
    load_after(bundle, guard_config, Firewall::observe, dry_run)?.or_fail()
}

/// The same, and looks whether they are as they were loaded; since when they were.
///
/// # Errors
/// As [`load`]; rules that are not found so.
pub fn load_surely(
    bundle: &Bundle,
    guard_config: &GuardConfig,
) -> Result<Option<RulesetGeneration>, Error> {
    let firewall = Firewall::of(bundle, guard_config)?;
    load_with(&firewall, Firewall::observe, &DryRunNetns::default())?.or_fail()?;
    firewall.verify_loaded()
}

fn load_after(
    bundle: &Bundle,
    guard_config: &GuardConfig,
    observe: fn(&Firewall) -> Result<InstalledRules, Error>,
    dry_run: &DryRunNetns,
) -> Result<Loaded, Error> {
    load_with(&Firewall::of(bundle, guard_config)?, observe, dry_run)
}

fn load_with(
    firewall: &Firewall,
    observe: fn(&Firewall) -> Result<InstalledRules, Error>,
    dry_run: &DryRunNetns,
) -> Result<Loaded, Error> {
    let _lock = lock::take_for_rules()?;
    let mut counters = StoredCounters::read();
    let generation = firewall.generation();
    let installed = observe(firewall)?;
    counters.totals().record(firewall.counter_tables(), &installed);
    counters.save_if_possible();
    if installed.drift.is_empty() {
        generation.iter().for_each(RulesetGeneration::mark_verified);
        return Ok(Loaded::InPlace);
    }
    if let Err(trouble) = firewall.check(&installed, dry_run) {
        let _ = drift_cache::forget();
        let mute = firewall.load_without_log(&installed, &mut counters, dry_run)?;
        return if mute { Ok(Loaded::Mute(trouble)) } else { Err(trouble) };
    }
    let _ = drift_cache::forget();
    firewall.load(&installed, &mut counters)?;
    Ok(Loaded::Because(installed.drift))
}

/// Loads the installed rules, or the last good ones where those are not what was applied. A host on
/// which anything was ever applied is guarded, whatever else is damaged.
///
/// # Errors
/// Nothing is installed; or other rules than the installed ones had to be loaded, and why: the
/// caller must fail visibly although the ports are guarded.
pub fn load_installed(host: &Host, dry_run: &DryRunNetns) -> Result<Loaded, Error> {
    let receipt = Receipt::read(host);
    let nothing = matches!(receipt, Ok(None))
        && !observe::exists(host, receipt::BUNDLE)
        && !observe::exists(host, RULES);
    if nothing {
        return Err(Error::new("load the rules", "nothing is installed on this host")
            .help("run `redisguard-install apply`, or name a bundle with --bundle"));
    }
    let (trouble, mend) = match &receipt {
        Ok(Some(known)) => {
            match tampered(host, known).unwrap_or_else(|why| Some(format!("{why:#}"))) {
                None => match installed(host).and_then(|(bundle, guard_config)| {
                    // A change that has not ended may be a change of the backend. Else only the one
                    // that has loaded them is looked at, since this is done every minute.
                    let is_settled =
                        known.state == State::Applied && !observe::exists(host, MEANWHILE);
                    let observe =
                        if is_settled { Firewall::observe_selected } else { Firewall::observe };
                    load_after(&bundle, &guard_config, observe, dry_run)
                }) {
                    Ok(loaded) => {
                        files::remove(&host.path(MEANWHILE))?;
                        return loaded.or_fail();
                    }
                    Err(trouble) => (trouble, bundle_source::mend_command(known)),
                },
                Some(why) => (
                    Error::new("trust the installed rules", why),
                    bundle_source::mend_command(known),
                ),
            }
        }
        Ok(None) => (
            Error::new("trust the installed rules", "there is no receipt of what was applied"),
            "redisguard-install apply".to_owned(),
        ),
        Err(trouble) => (trouble.clone(), "redisguard-install apply".to_owned()),
    };
    // What is wrong with a receipt is wrong for plan and apply as well: its own cure stays.
    let cure = format!("look at `redisguard-install plan`, then run `{mend}`");
    let cured = |trouble: Error| match &receipt {
        Err(_) => trouble.or_help(&cure),
        Ok(_) => trouble.help(&cure),
    };
    let known = |found: Result<Bundle, Error>| {
        found.and_then(|bundle| guard_config(&bundle).map(|guard_config| (bundle, guard_config)))
    };
    let good = known(bundle_source::last_good(host)).and_then(|(bundle, guard_config)| {
        load_after(&bundle, &guard_config, Firewall::observe, dry_run)
    });
    let Err(worse) = good else {
        return Err(cured(trouble.and("the last good rules guard the ports")));
    };
    let meanwhile = known(bundle_source::last_good(host));
    let meanwhile = meanwhile
        .and_then(|(bundle, guard_config)| load_meanwhile(host, &bundle, &guard_config, dry_run));
    if matches!(meanwhile, Ok(true)) {
        return Err(trouble.and("nftables guards the ports meanwhile").or_help(&cure));
    }
    if matches!(receipt, Ok(Some(_))) {
        // Nothing could be loaded: what kept the tools from it is the first to be mended.
        return Err(trouble.and(worse).or_help(&cure));
    }
    // Without a receipt nothing speaks against the installed rules, and no rules are worse.
    Err(
        match installed(host)
            .and_then(|(bundle, guard_config)| load(&bundle, &guard_config, dry_run))
        {
            Ok(_) => cured(trouble.and("the installed rules guard the ports, unverified")),
            Err(worse) => cured(trouble.and(worse)),
        },
    )
}

/// Guards with nftables where iptables cannot, until it can; whether there is nftables. That is not
/// what was asked for, and the caller says so.
fn load_meanwhile(
    host: &Host,
    bundle: &Bundle,
    guard_config: &GuardConfig,
    dry_run: &DryRunNetns,
) -> Result<bool, Error> {
    let Some(firewall) = Firewall::fallback(bundle, guard_config)? else { return Ok(false) };
    // Without it these rules are not looked for, and stay until the next apply.
    let _ = files::replace(&host.path(MEANWHILE), b"", 0o644);
    load_with(&firewall, Firewall::observe_selected, dry_run).map(|_| true)
}

/// Saves what the rules have counted, so that it outlives them.
///
/// # Errors
/// A kernel that cannot be asked; a file that cannot be written.
pub fn save(host: &Host) -> Result<(), Error> {
    let (bundle, guard_config) = installed(host)?;
    let firewall = Firewall::of(&bundle, &guard_config)?;
    let _lock = lock::take_for_rules()?;
    let mut counters = StoredCounters::read();
    counters.totals().record(firewall.counter_tables(), &firewall.observe_selected()?);
    counters.save()
}

/// Takes the rules away, of whatever bundle they are, and the tables that were made for them.
///
/// # Errors
/// What could not be taken away.
pub fn unload(host: &Host) -> Result<bool, Error> {
    let receipt = Receipt::read(host).ok().flatten();
    unload_but(receipt.and_then(|receipt| receipt.tables).as_ref())
}

/// The same where it is known which tables were there before: the others go, if they are empty.
///
/// # Errors
/// As [`unload`].
pub fn unload_but(before: Option<&Tables>) -> Result<bool, Error> {
    let _lock = lock::take_for_rules()?;
    let unloaded = firewall::unload_all(&mut StoredCounters::read())?;
    before.into_iter().for_each(firewall::drop_empty_tables);
    Ok(unloaded)
}

/// The bundle's guard config.
///
/// # Errors
/// A bundle that has none, or damaged ones.
pub fn guard_config(bundle: &Bundle) -> Result<GuardConfig, Error> {
    bundle.guard_config().map_err(|cause| Error::new("use the bundle", cause))
}

/// Which installed rules are not those of the receipt, in words.
fn tampered(host: &Host, receipt: &Receipt) -> Result<Option<String>, Error> {
    for (path, entry) in receipt.files.iter().filter(|(path, _)| path.starts_with(RULES)) {
        match files::read(&host.path(path))? {
            None => return Ok(Some(format!("{path} is missing"))),
            Some(bytes) if hex(&bytes) != entry.sha256 => {
                return Ok(Some(format!("{path} is not what was applied")));
            }
            Some(_) => {}
        }
    }
    Ok(None)
}

/// Where the rules are installed.
pub const DIRECTORY: &str = "/etc/redisguard";
/// The same as their paths begin.
const RULES: &str = "/etc/redisguard/";

/// The installed rules as a bundle of their own.
fn installed(host: &Host) -> Result<(Bundle, GuardConfig), Error> {
    let files = files::read_tree(&host.path(RULES))?;
    let named = files.into_iter().map(|(name, bytes)| (format!("host{RULES}{name}"), bytes));
    let bundle = Bundle::installed(named.collect());
    let guard_config = guard_config(&bundle)?;
    Ok((bundle, guard_config))
}
