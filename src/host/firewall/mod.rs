//! Owns the kernel's rules: reading them, loading ours in one transaction for each table, taking them
//! away. Never touches a rule that is not ours, and never leaves one family on its own.

mod iptables;
mod ruleset;

pub use iptables::Iptables;
pub use ruleset::{Counter, Jump, Ruleset, Table};

use crate::bundle::{Bundle, Facts, Family};
use crate::error::Trouble;
use crate::spec::Backend;
use std::collections::BTreeMap;

/// The rules of every family that the host has.
pub type Rulesets = BTreeMap<Family, Ruleset>;

/// What the kernel has of ours.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// Our chains and jumps, for each family that the host has.
    pub rulesets: Rulesets,
    /// The counters of our rules that stop packets.
    pub counters: Vec<(Family, Counter)>,
}

impl Live {
    /// Everything in which the kernel is not what is wanted, with its family; empty when it is.
    pub fn drift(&self, wanted: &Rulesets) -> Vec<(Family, String)> {
        let none = Ruleset::default();
        let families = self.rulesets.iter();
        families
            .flat_map(|(family, live)| {
                let findings = wanted.get(family).unwrap_or(&none).drift(live);
                findings.into_iter().map(|finding| (*family, finding))
            })
            .collect()
    }
}

/// A way of loading rules.
pub trait Firewall {
    /// Reads what the kernel has of ours; changes nothing.
    ///
    /// # Errors
    /// A tool that is missing or fails.
    fn inspect(&self) -> Result<Live, Trouble>;

    /// Has the kernel check the rules without loading them.
    ///
    /// # Errors
    /// What it refuses.
    fn test(&self, wanted: &Rulesets, live: &Live) -> Result<(), Trouble>;

    /// Turns what is live into what is wanted: all families or none.
    ///
    /// # Errors
    /// Names family and cause; what was live is live again.
    fn load(&self, wanted: &Rulesets, live: &Live) -> Result<(), Trouble>;

    /// Takes away all that is ours.
    ///
    /// # Errors
    /// Names family, chain and cause.
    fn unload(&self, live: &Live) -> Result<(), Trouble>;
}

/// The firewall that a bundle asks for.
///
/// # Errors
/// A backend that this host or this version cannot serve.
pub fn of(facts: &Facts) -> Result<Box<dyn Firewall>, Trouble> {
    match facts.backend {
        Backend::Iptables => Ok(Box::new(Iptables::find()?)),
        Backend::Nftables => Err(Trouble::new(
            "load the rules",
            "backend = \"nftables\" is rendered, but cannot be loaded yet",
        )
        .cure("set backend = \"iptables\" in [firewall] and render again")),
    }
}

/// The rules that a bundle wants, for both families.
///
/// # Errors
/// A rules file that is not ours to load.
pub fn wanted(bundle: &Bundle) -> Result<Rulesets, Trouble> {
    let read = |family: Family| {
        let path = family.rules_path();
        let failed = |cause: String| Trouble::new(format!("read {path}"), cause);
        let bytes = bundle.get(path).ok_or_else(|| failed("the bundle has none".to_owned()))?;
        let text = std::str::from_utf8(bytes).map_err(|error| failed(error.to_string()))?;
        Ok((family, Ruleset::parse(text).map_err(failed)?))
    };
    Family::BOTH.into_iter().map(read).collect()
}
