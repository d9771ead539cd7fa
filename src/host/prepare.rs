//! A change before it is made: the bundle to apply, the host as it was observed, and the plan between.
//!
//! Never: changes anything.

use super::boot_order;
use super::bundle_source;
use super::observe::{self, Detail};
use super::receipt::{self, Origin, Receipt};
use super::root::Host;
use super::saved_rules::{self, SavedRules};
use crate::bundle::{Bundle, GuardConfig};
use crate::error::Error;
use crate::firewall::{self, Firewall};
use crate::os::ipvs;
use crate::os::sockets::{self, PortUsage};
use crate::plan::{self, Observed, Plan, Step, Wanted};
use crate::spec::Expected;
use std::net::SocketAddr;
use std::path::Path;

/// A bundle, and what it wants of a host.
pub struct Target {
    /// The bundle.
    pub bundle: Bundle,
    /// Its guard config.
    pub guard_config: GuardConfig,
    /// The files and links that the host should have.
    pub wanted: Wanted,
    /// The parts that the host is expected to run.
    pub expected: Expected,
    /// The same, where the host declares them itself. `None`: they are the bundle's.
    pub declared: Option<Expected>,
    /// Where the bundle came from. `None`: it was applied before, and keeps the origin of the receipt.
    pub origin: Option<Origin>,
}

impl Target {
    /// The bundle in a directory, or the built-in one, for a host.
    ///
    /// # Errors
    /// A directory that is missing, unreadable, altered or incomplete.
    pub fn open(host: &Host, directory: Option<&Path>) -> Result<Self, Error> {
        let origin = match directory {
            None => Some(Origin::Program),
            Some(directory) if directory == host.path(receipt::BUNDLE) => None,
            Some(_) => Some(Origin::Directory),
        };
        Ok(Self { origin, ..Self::of(bundle_source::bundle(directory)?)? })
    }

    /// A bundle that was applied before.
    ///
    /// # Errors
    /// A bundle without a guard config.
    pub fn of(bundle: Bundle) -> Result<Self, Error> {
        let guard_config = bundle_source::guard_config(&bundle)?;
        let expected = guard_config.expect.clone();
        let wanted = observe::wanted(&bundle, &guard_config, &expected);
        Ok(Self { bundle, guard_config, wanted, expected, declared: None, origin: None })
    }

    /// The same for a host that declares the parts that it runs; `None`: those of the bundle.
    pub fn declaring(self, declared: Option<Expected>) -> Self {
        let expected = declared.clone().unwrap_or_else(|| self.guard_config.expect.clone());
        let wanted = observe::wanted(&self.bundle, &self.guard_config, &expected);
        Self { wanted, expected, declared, ..self }
    }

    /// Reads what is read on first use: this program's own file.
    ///
    /// # Errors
    /// What kept it from being read.
    pub fn load(&self) -> Result<(), Error> {
        let loaded = self.wanted.load();
        loaded.map_err(|cause| Error::new("read this program's own file", cause))
    }
}

/// A plan, and what it was computed from.
pub struct Prepared<'a> {
    /// The host that it is for.
    pub host: &'a Host,
    /// What is to be applied.
    pub target: &'a Target,
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
pub fn prepare<'a>(
    host: &'a Host,
    target: &'a Target,
    detail: Detail,
) -> Result<Prepared<'a>, Error> {
    let Target { bundle, guard_config, wanted, .. } = target;
    let receipt = Receipt::read(host)?;
    let firewall = if host.is_live() { Some(Firewall::of(bundle, guard_config)?) } else { None };
    let rules = firewall.as_ref().map(|firewall| (firewall, detail));
    let mut observed = observe::observe(host, bundle, wanted, receipt.as_ref(), rules)?;
    let recorded = receipt.as_ref().and_then(|receipt| receipt.expect.as_ref());
    observed.receipt_current &= recorded == target.declared.as_ref();
    let plan = plan::compute(wanted, &observed);
    Ok(Prepared { host, target, receipt, firewall, observed, plan })
}

impl Prepared<'_> {
    /// What an operator must know of the firewall that was chosen.
    pub fn note(&self) -> Option<&'static str> {
        self.firewall.as_ref().and_then(Firewall::note)
    }

    /// What an operator should know of this host before the plan is carried out.
    pub fn notes(&self) -> Vec<String> {
        let Some(firewall) = &self.firewall else { return Vec::new() };
        let tracking = self.turns_on_tracking(firewall).then(|| {
            "these rules turn on connection tracking for all traffic of this host, that of the cluster's \
             ports too. Beyond net.netfilter.nf_conntrack_max connections the kernel drops new ones"
                .to_owned()
        });
        let agents = firewall.agents_note(&self.target.guard_config);
        tracking.into_iter().chain(agents).chain(self.ipvs_note()).collect()
    }

    /// Whether the kernel tracks no connection yet, and will because of the new rules.
    fn turns_on_tracking(&self, firewall: &Firewall) -> bool {
        let needs = |bundle: &Bundle| {
            bundle_source::guard_config(bundle).is_ok_and(|config| firewall.needs_tracking(&config))
        };
        let loads = self.plan.steps.iter().any(|step| matches!(step, Step::LoadRules { .. }));
        loads
            && needs(&self.target.bundle)
            && !bundle_source::last_good(self.host).is_ok_and(|bundle| needs(&bundle))
            && !firewall::tracks_connections()
    }

    /// Virtual services on reserved ports, but for those that the bundle exempts: the rules cannot tell their
    /// addresses from others of this host.
    fn ipvs_note(&self) -> Option<String> {
        let config = &self.target.guard_config;
        let reserved = config.reserved_ports();
        let is_exempt = |to| config.service_networks.iter().any(|network| network.contains(&to));
        let services = ipvs::tcp_services()
            .into_iter()
            .filter(|(address, port)| reserved.contains(*port) && !is_exempt(*address));
        let names: Vec<_> = services.map(SocketAddr::from).map(|name| name.to_string()).collect();
        (!names.is_empty()).then(|| {
            format!(
                "IPVS serves {} on this host. Outsiders are blocked there like at the host's other \
                 addresses; `service-networks` in [firewall] exempts such addresses",
                names.join(", ")
            )
        })
    }

    /// Refuses a host that must be put in order first.
    ///
    /// # Errors
    /// Says what is in the way, and the fix.
    pub fn refuse(&self) -> Result<(), Error> {
        self.refuse_irregular()?;
        boot_order::refuse_cycle(self.host, &self.target.wanted)?;
        self.firewall.iter().try_for_each(Firewall::refuse_hidden_rules)
    }

    /// Refuses to write to a path that is neither a file nor a link: it can be neither kept nor put back.
    ///
    /// # Errors
    /// Names the first such path.
    pub fn refuse_irregular(&self) -> Result<(), Error> {
        let Some(path) = self.observed.irregular.keys().next() else { return Ok(()) };
        let action = format!("use {}", self.host.path(path).display());
        Err(Error::new(action, "it is neither a file nor a link").help("move it away"))
    }

    /// Rules of others that keep outsiders from the notice. No reason to refuse: the ports are blocked all
    /// the same.
    pub fn obstacle(&self) -> Option<String> {
        self.firewall.as_ref().and_then(|firewall| firewall.obstacle(&self.target.guard_config))
    }

    /// Files of others that hold a copy of redisguard's rules.
    pub fn saved_rules(&self) -> Vec<SavedRules> {
        saved_rules::find(self.host)
    }

    /// Who uses the reserved ports; nobody in an offline tree.
    pub fn users(&self) -> PortUsage {
        if self.host.is_live() {
            sockets::usage(&self.target.guard_config)
        } else {
            PortUsage::default()
        }
    }
}
