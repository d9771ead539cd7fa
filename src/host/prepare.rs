//! A change before it is made: the bundle to apply, the host as it was observed, and the plan between.
//!
//! Never: changes anything.

use super::observe::{self, Detail};
use super::receipt::{self, Origin, Receipt};
use super::root::Host;
use super::saved_rules::{self, SavedRules};
use super::{boot_order, bundle_source, busy_ports};
use crate::bundle::{Bundle, GuardConfig};
use crate::error::Error;
use crate::firewall::{self, Firewall, Tables};
use crate::os::sockets::{self, PortUsage};
use crate::os::{deb, ipvs};
use crate::plan::{self, Observed, Plan, Step, Wanted};
use crate::spec::{Expected, Part};
use serde::Serialize;
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
    /// Which bundle this is, where nobody named one and that is not obvious.
    pub note: Option<String>,
}

impl Target {
    /// The bundle in a directory, or the built-in one, for a host.
    ///
    /// # Errors
    /// A directory that is missing, unreadable, altered or incomplete.
    pub fn open(host: &Host, directory: Option<&Path>) -> Result<Self, Error> {
        let origin = match directory {
            None => Some(Origin::Program),
            Some(directory) if bundle_source::is_built_in(directory) => Some(Origin::Program),
            Some(directory) if directory == host.path(receipt::BUNDLE) => None,
            Some(_) => Some(Origin::Directory),
        };
        Ok(Self { origin, ..Self::of(bundle_source::bundle(directory)?)? })
    }

    /// The bundle in a directory, or else the one that the host's receipt names: this program's own where a
    /// program brought the applied one or nothing was applied, the kept copy where that came from a directory.
    ///
    /// # Errors
    /// As [`Target::open`]; rules in the kernel whose bundle is unknown, a kept copy that cannot be used.
    pub fn for_change(host: &Host, directory: Option<&Path>) -> Result<Self, Error> {
        if directory.is_some() {
            return Self::open(host, directory);
        }
        let receipt = Receipt::read(host)?;
        match &receipt {
            // A first change that was killed before it wrote whose bundle it is.
            Some(receipt) if receipt.sum.is_empty() => Self::open(host, None),
            None if host.is_live() && firewall::is_any_installed()? => {
                let cause =
                    "redisguard's rules are loaded, but its record of their bundle is missing";
                Err(choose_bundle(host, Error::new("choose a bundle", cause)))
            }
            Some(receipt) if receipt.origin == Origin::Directory => Self::kept(host, receipt),
            _ => Self::open(host, None),
        }
    }

    /// The copy of the bundle that was applied from a directory, or the same bundle in this program.
    fn kept(host: &Host, receipt: &Receipt) -> Result<Self, Error> {
        let bundle = match bundle_source::last_good(host) {
            Ok(bundle) => bundle,
            Err(error) => {
                let built_in = bundle_source::bundle(None)?;
                if built_in.sum() != receipt.sum {
                    return Err(choose_bundle(host, error));
                }
                built_in
            }
        };
        let note = format!(
            "using the kept copy of the bundle applied on {} from a directory; --bundle names another",
            receipt.applied
        );
        Ok(Self { note: Some(note), ..Self::of(bundle)? })
    }

    /// A bundle that was applied before.
    ///
    /// # Errors
    /// A bundle without a guard config.
    pub fn of(bundle: Bundle) -> Result<Self, Error> {
        let guard_config = bundle_source::guard_config(&bundle)?;
        let expected = guard_config.expect.clone();
        let wanted = observe::wanted(&bundle, &guard_config, &expected);
        Ok(Self {
            bundle,
            guard_config,
            wanted,
            expected,
            declared: None,
            origin: None,
            note: None,
        })
    }

    /// The same for a host that declares the parts that it runs; `None`: those of the bundle.
    #[must_use]
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

/// The error of a host whose bundle must be named, with each command that names one.
fn choose_bundle(host: &Host, error: Error) -> Error {
    let kept = bundle_source::last_good(host).is_ok().then_some(receipt::BUNDLE);
    let commands = [kept.unwrap_or("DIR"), bundle_source::BUILT_IN].map(|bundle| {
        let root = host.root_option();
        format!("{}{root} --bundle {bundle} apply", deb::command_name())
    });
    let [one, built_in] = commands;
    let which =
        if kept.is_some() { "the copy that was kept" } else { "the bundle that was reviewed" };
    error.help(format!("fix: {one}  ({which})\n  or: {built_in}  (the one in this program)"))
}

/// A file of redisguard's that somebody had edited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EditedCopy {
    /// Its path.
    pub path: String,
    /// Where its edited content is kept.
    pub copy: String,
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
    /// Whether rules that others had removed were brought back since.
    pub rules_brought_back: bool,
    /// The tables that there were before that, where it is known.
    pub tables: Option<Tables>,
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
    let mut observed =
        observe::observe(host, bundle, guard_config, wanted, receipt.as_ref(), rules)?;
    let recorded = receipt.as_ref().and_then(|receipt| receipt.expect.as_ref());
    observed.receipt_current &= recorded == target.declared.as_ref();
    let plan = plan::compute(wanted, &observed);
    Ok(Prepared {
        host,
        target,
        receipt,
        firewall,
        observed,
        rules_brought_back: false,
        tables: None,
        plan,
    })
}

impl Prepared<'_> {
    /// Whether the rules that are to be loaded are in the kernel by now: those that were removed are the same.
    pub fn is_repaired(&self) -> bool {
        self.rules_brought_back && bundle_source::is_last_good(self.host, &self.target.bundle)
    }

    /// The files of redisguard's that somebody has edited and that the plan replaces or removes.
    pub fn edited_copies(&self) -> Vec<EditedCopy> {
        let Some(receipt) = &self.receipt else { return Vec::new() };
        let edited = self.plan.steps.iter().filter_map(|step| receipt.edited(step));
        let copy = |(path, _): (&str, &[u8])| EditedCopy {
            path: path.to_owned(),
            copy: format!("{}{path}", receipt::EDITED),
        };
        edited.map(copy).collect()
    }

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
        if self.target.expected.has(Part::Listener) {
            busy_ports::refuse(self.host, &self.target.guard_config)?;
        }
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
