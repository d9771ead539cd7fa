//! `plan`: what apply would change.

use super::{NOW, Status, err, inputs, out, show, show_users};
use crate::args::InstallerArgs;
use crate::bundle::{Bundle, GuardConfig};
use crate::error::Error;
use crate::firewall::Firewall;
use crate::host::Host;
use crate::host::change::confirm;
use crate::host::observe;
use crate::host::observe::Look;
use crate::host::receipt::Receipt;
use crate::os::sockets;
use crate::os::sockets::PortUsage;
use crate::plan::{Observed, Plan, StepView, Wanted, compute, kept_free};

/// A plan with what it was computed from.
pub(super) struct Computed {
    pub wanted: Wanted,
    pub observed: Observed,
    pub plan: Plan,
    /// `None` for an offline tree.
    pub firewall: Option<Firewall>,
}

impl Computed {
    /// Refuses a host that must be put in order first.
    ///
    /// # Errors
    /// Says what is in the way, and the cure.
    pub(super) fn refuse(&self, host: &Host) -> Result<(), Error> {
        self.refuse_strangers(host)?;
        self.firewall.iter().try_for_each(Firewall::refuse_hidden_rules)
    }

    /// Refuses to write where neither a file nor a link stands: it cannot be kept, nor put back.
    ///
    /// # Errors
    /// Names the first of them.
    pub(super) fn refuse_strangers(&self, host: &Host) -> Result<(), Error> {
        let Some(path) = self.observed.strangers.keys().next() else { return Ok(()) };
        let what = format!("use {}", host.path(path).display());
        Err(Error::new(what, "it is neither a file nor a link").help("move it away"))
    }
}

/// Looks at the host and computes the plan; changes nothing.
pub(super) fn computed(
    host: &Host,
    bundle: &Bundle,
    guard_config: &GuardConfig,
    look: Look,
) -> Result<Computed, Error> {
    computed_for(host, (bundle, guard_config), observe::wanted(bundle, guard_config)?, look)
}

/// The same for what is wanted of the host, whatever this program would want.
pub(super) fn computed_for(
    host: &Host,
    (bundle, guard_config): (&Bundle, &GuardConfig),
    wanted: Wanted,
    look: Look,
) -> Result<Computed, Error> {
    let receipt = Receipt::read(host)?;
    let firewall = if host.is_live() { Some(Firewall::of(bundle, guard_config)?) } else { None };
    if let Some(note) = firewall.as_ref().and_then(Firewall::note) {
        err!("note: {note}");
    }
    let looking = firewall.as_ref().map(|firewall| (firewall, look));
    let observed = observe::observe(host, bundle, &wanted, receipt.as_ref(), looking)?;
    let plan = compute(&wanted, &observed);
    Ok(Computed { wanted, observed, plan, firewall })
}

/// Others that keep outsiders from the notice are no reason to refuse: the ports are shut all the same.
pub(super) fn warn_of_obstacles(firewall: Option<&Firewall>, guard_config: &GuardConfig) {
    if let Some(obstacle) = firewall.and_then(|firewall| firewall.obstacle(guard_config)) {
        err!("warning: {obstacle}");
    }
}

/// A list of ports that cannot be written is no reason to leave them open, but to say so.
pub(super) fn warn_of_the_list(observed: &Observed) {
    if let Some(why) = &observed.list_fixed {
        let wanted = kept_free(observed).map(|step| step.view(|_, _, _| String::new()));
        for StepView { target, action, .. } in wanted {
            err!("warning: {target}: could not {action}: {why}");
        }
        err!("  where this is a container, its host sets that list");
    }
}

/// Who uses the reserved ports.
pub(super) fn users(host: &Host, guard_config: &GuardConfig) -> PortUsage {
    if host.is_live() { sockets::usage(guard_config) } else { PortUsage::default() }
}

pub(super) fn run(args: &InstallerArgs) -> Result<Status, Error> {
    let (host, bundle, guard_config) = inputs(args)?;
    let computed = computed(&host, &bundle, &guard_config, Look::Drift)?;
    computed.refuse(&host)?;
    let Computed { plan, firewall, observed, .. } = computed;
    warn_of_the_list(&observed);
    warn_of_obstacles(firewall.as_ref(), &guard_config);
    let waits = confirm::read(&host)?;
    let confirm_by = waits.as_ref().map(|record| record.confirm_by.clone());
    let users = users(&host, &guard_config);
    if plan.is_empty() && !args.json {
        out!("nothing to change: the host is as bundle {} says", guard_config.bundle);
        show_users(&users, NOW);
    } else {
        let heading = format!("apply would change this, for bundle {}:", guard_config.bundle);
        show(args, &guard_config, &plan, users, confirm_by, &heading);
    }
    if let Some(record) = waits.filter(|_| !args.json) {
        out!("\n{}", record.sentence(&host));
    }
    Ok(if plan.is_empty() { Status::Same } else { Status::Differs })
}
