//! Brings back rules that others have removed, before anything that can fail: an open port is worse than one that
//! a former bundle guards.
//!
//! Guarantees: needs no space on a disk, no systemd and no bundle but the one that was applied.
//! Never: loads rules of a bundle that was not applied, or rules whose unit an administrator has masked.

use crate::bundle::Bundle;
use crate::error::Error;
use crate::firewall::DryRunNetns;
use crate::host::receipt::{self, Receipt, State};
use crate::host::rules_service::{self, Loaded};
use crate::host::{Host, bundle_source};
use crate::unit::Unit;
use nix::unistd::geteuid;
use std::fs;
use std::path::Path;

/// What an error says where they were loaded.
pub(super) const LOADED_AGAIN: &str = "the rules are loaded again";

/// Loads the rules of the last change where those in the kernel are missing or differ; whether it loaded any.
///
/// # Errors
/// Nothing that was applied could be loaded.
pub fn bring_back(host: &Host) -> Result<bool, Error> {
    let may_load = host.is_live() && geteuid().is_root();
    if !may_load || !was_applied(host) || is_masked(host) {
        return Ok(false);
    }
    match rules_service::load_installed(host, &DryRunNetns::default()) {
        Ok(Loaded::InPlace) => Ok(false),
        Ok(_) => Ok(true),
        // That is an error also where the last good rules were in place or could be loaded.
        Err(error) => {
            let bundle = bundle_source::last_good(host).map_err(|_| error.clone())?;
            is_guarded_by(&bundle).then_some(true).ok_or(error)
        }
    }
}

/// The error of a change that failed, with what became of the rules.
pub fn explained(host: &Host, error: Error) -> Error {
    match bring_back(host) {
        Ok(true) => error.and(LOADED_AGAIN),
        Ok(false) if is_open(host) => error.and(format!(
            "the ports are open: {} is masked, and the rules are not loaded",
            Unit::Block
        )),
        Err(worse) if bundle_source::last_good(host).is_ok() => {
            error.and("the rules are not loaded as they should be").and(worse)
        }
        // Nothing is known to have guarded this host.
        Ok(false) | Err(_) => error,
    }
}

/// Whether a change has ever ended here. One that was killed has guarded nothing yet.
fn was_applied(host: &Host) -> bool {
    let is_applied =
        |receipt: Option<Receipt>| receipt.is_some_and(|one| one.state == State::Applied);
    host.exists(receipt::BUNDLE) || Receipt::read(host).is_ok_and(is_applied)
}

/// Whether the administrator has masked the unit that loads the rules: they are not wanted then.
fn is_masked(host: &Host) -> bool {
    let link = Unit::Block.path();
    let links = [link.replacen("/etc/", "/run/", 1), link];
    let mut targets = links.iter().map(|link| fs::read_link(host.path(link)));
    targets.any(|target| target.is_ok_and(|target| target == Path::new("/dev/null")))
}

/// Whether a masked unit keeps rules from being loaded that were applied.
fn is_open(host: &Host) -> bool {
    let guarded = || bundle_source::last_good(host).is_ok_and(|bundle| is_guarded_by(&bundle));
    host.is_live() && is_masked(host) && was_applied(host) && !guarded()
}

fn is_guarded_by(bundle: &Bundle) -> bool {
    let firewall = bundle_source::firewall(bundle);
    firewall.and_then(|firewall| firewall.observe()).is_ok_and(|rules| rules.drift.is_empty())
}
