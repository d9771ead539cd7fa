//! A change before it is made: the bundle to apply, the host as it was observed, and the plan between.
//!
//! Never: changes anything.

use super::bundle_source;
use super::observe;
use super::observe::Detail;
use super::receipt::Receipt;
use super::root::Host;
use crate::bundle::{Bundle, GuardConfig};
use crate::error::Error;
use crate::firewall::Firewall;
use crate::os::sockets;
use crate::os::sockets::PortUsage;
use crate::plan;
use crate::plan::{Observed, Plan, Wanted};
use std::path::Path;

/// A bundle, and what it wants of a host.
pub struct Target {
    /// The bundle.
    pub bundle: Bundle,
    /// Its guard config.
    pub guard_config: GuardConfig,
    /// The files and links that the host should have.
    pub wanted: Wanted,
}

impl Target {
    /// The bundle in a directory, or the built-in one.
    ///
    /// # Errors
    /// A directory that is missing, unreadable, altered or incomplete.
    pub fn open(directory: Option<&Path>) -> Result<Self, Error> {
        bundle_source::bundle(directory).and_then(Self::of)
    }

    /// A bundle that was found already.
    ///
    /// # Errors
    /// A bundle without a guard config.
    pub fn of(bundle: Bundle) -> Result<Self, Error> {
        let guard_config = bundle_source::guard_config(&bundle)?;
        let wanted = observe::wanted(&bundle, &guard_config);
        Ok(Self { bundle, guard_config, wanted })
    }
}

/// A plan, and what it was computed from.
pub struct Prepared {
    /// What was applied before. `None`: nothing.
    pub receipt: Option<Receipt>,
    /// `None` for an offline tree.
    pub firewall: Option<Firewall>,
    /// The host as it is.
    pub observed: Observed,
    /// What brings the host from there to the target.
    pub plan: Plan,
}

/// Observes the host and computes the plan.
///
/// # Errors
/// A receipt, file, tool or unit that cannot be read or asked.
pub fn prepare(host: &Host, target: &Target, detail: Detail) -> Result<Prepared, Error> {
    let Target { bundle, guard_config, wanted } = target;
    let receipt = Receipt::read(host)?;
    let firewall = if host.is_live() { Some(Firewall::of(bundle, guard_config)?) } else { None };
    let rules = firewall.as_ref().map(|firewall| (firewall, detail));
    let observed = observe::observe(host, bundle, wanted, receipt.as_ref(), rules)?;
    let plan = plan::compute(wanted, &observed);
    Ok(Prepared { receipt, firewall, observed, plan })
}

impl Prepared {
    /// What an operator must know of the firewall that was chosen.
    pub fn note(&self) -> Option<&'static str> {
        self.firewall.as_ref().and_then(Firewall::note)
    }

    /// Refuses a host that must be put in order first.
    ///
    /// # Errors
    /// Says what is in the way, and the fix.
    pub fn refuse(&self, host: &Host) -> Result<(), Error> {
        self.refuse_irregular(host)?;
        self.firewall.iter().try_for_each(Firewall::refuse_hidden_rules)
    }

    /// Refuses to write to a path that is neither a file nor a link: it can be neither kept nor put back.
    ///
    /// # Errors
    /// Names the first such path.
    pub fn refuse_irregular(&self, host: &Host) -> Result<(), Error> {
        let Some(path) = self.observed.irregular.keys().next() else { return Ok(()) };
        let action = format!("use {}", host.path(path).display());
        Err(Error::new(action, "it is neither a file nor a link").help("move it away"))
    }

    /// Rules of others that keep outsiders from the notice. No reason to refuse: the ports are blocked all
    /// the same.
    pub fn obstacle(&self, guard_config: &GuardConfig) -> Option<String> {
        self.firewall.as_ref().and_then(|firewall| firewall.obstacle(guard_config))
    }
}

/// Who uses the reserved ports; nobody in an offline tree.
pub fn users(host: &Host, guard_config: &GuardConfig) -> PortUsage {
    if host.is_live() { sockets::usage(guard_config) } else { PortUsage::default() }
}
