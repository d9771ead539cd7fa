//! `plan`: what apply would change.

use super::{NOW, Status, inputs, say, show, show_users, tell};
use crate::args::InstallerArgs;
use crate::bundle::{Bundle, Facts};
use crate::error::Trouble;
use crate::host::firewall::Firewall;
use crate::host::observe::{self, Look};
use crate::host::peers::{self, Users};
use crate::host::receipt::Receipt;
use crate::host::{Host, unconfirmed};
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
    pub(super) fn refuse(&self, host: &Host) -> Result<(), Trouble> {
        self.refuse_strangers(host)?;
        self.firewall.iter().try_for_each(Firewall::refuse)
    }

    /// Refuses to write where neither a file nor a link stands: it cannot be kept, nor put back.
    ///
    /// # Errors
    /// Names the first of them.
    pub(super) fn refuse_strangers(&self, host: &Host) -> Result<(), Trouble> {
        let Some(path) = self.observed.strangers.keys().next() else { return Ok(()) };
        let what = format!("use {}", host.path(path).display());
        Err(Trouble::new(what, "it is neither a file nor a link").cure("move it away"))
    }
}

/// Looks at the host and computes the plan; changes nothing.
pub(super) fn computed(
    host: &Host,
    bundle: &Bundle,
    facts: &Facts,
    look: Look,
) -> Result<Computed, Trouble> {
    computed_for(host, (bundle, facts), observe::wanted(bundle, facts)?, look)
}

/// The same for what is wanted of the host, whatever this program would want.
pub(super) fn computed_for(
    host: &Host,
    (bundle, facts): (&Bundle, &Facts),
    wanted: Wanted,
    look: Look,
) -> Result<Computed, Trouble> {
    let receipt = Receipt::read(host)?;
    let firewall = if host.is_live() { Some(Firewall::of(bundle, facts)?) } else { None };
    if let Some(note) = firewall.as_ref().and_then(Firewall::note) {
        tell!("note: {note}");
    }
    let looking = firewall.as_ref().map(|firewall| (firewall, look));
    let observed = observe::observe(host, bundle, &wanted, receipt.as_ref(), looking)?;
    let plan = compute(&wanted, &observed);
    Ok(Computed { wanted, observed, plan, firewall })
}

/// Others that keep outsiders from the notice are no reason to refuse: the ports are shut all the same.
pub(super) fn warn_of_obstacles(firewall: Option<&Firewall>, facts: &Facts) {
    if let Some(obstacle) = firewall.and_then(|firewall| firewall.obstacle(facts)) {
        tell!("warning: {obstacle}");
    }
}

/// A list of ports that cannot be written is no reason to leave them open, but to say so.
pub(super) fn warn_of_the_list(observed: &Observed) {
    if let Some(why) = &observed.list_fixed {
        let wanted = kept_free(observed).map(|step| step.view(|_, _, _| String::new()));
        for StepView { target, action, .. } in wanted {
            tell!("warning: {target}: could not {action}: {why}");
        }
        tell!("  where this is a container, its host sets that list");
    }
}

/// Who uses the reserved ports.
pub(super) fn users(host: &Host, facts: &Facts) -> Users {
    if host.is_live() { peers::users(facts) } else { Users::default() }
}

pub(super) fn run(args: &InstallerArgs) -> Result<Status, Trouble> {
    let (host, bundle, facts) = inputs(args)?;
    let computed = computed(&host, &bundle, &facts, Look::Drift)?;
    computed.refuse(&host)?;
    let Computed { plan, firewall, observed, .. } = computed;
    warn_of_the_list(&observed);
    warn_of_obstacles(firewall.as_ref(), &facts);
    let waits = unconfirmed::read(&host)?;
    let confirm_by = waits.as_ref().map(|record| record.confirm_by.clone());
    let users = users(&host, &facts);
    if plan.is_empty() && !args.json {
        say!("nothing to change: the host is as bundle {} says", facts.bundle);
        show_users(&users, NOW);
    } else {
        let heading = format!("apply would change this, for bundle {}:", facts.bundle);
        show(args, &facts, &plan, users, confirm_by, &heading);
    }
    if let Some(record) = waits.filter(|_| !args.json) {
        say!("\n{}", record.sentence(&host));
    }
    Ok(if plan.is_empty() { Status::Same } else { Status::Differs })
}
