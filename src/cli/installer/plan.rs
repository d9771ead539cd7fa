//! `plan`: what apply would change.

use super::{NOW, Status, inputs, say, show, show_users, tell};
use crate::args::InstallerArgs;
use crate::bundle::{Bundle, Facts};
use crate::error::Trouble;
use crate::host::firewall::Firewall;
use crate::host::peers::{self, Users};
use crate::host::receipt::Receipt;
use crate::host::{Host, observe, unconfirmed};
use crate::plan::{Observed, Plan, Wanted, compute};

/// A plan with what it was computed from.
pub(super) struct Computed {
    pub wanted: Wanted,
    pub observed: Observed,
    pub plan: Plan,
    /// `None` for an offline tree.
    pub firewall: Option<Firewall>,
}

/// Looks at the host and computes the plan; changes nothing.
pub(super) fn computed(host: &Host, bundle: &Bundle, facts: &Facts) -> Result<Computed, Trouble> {
    computed_for(host, bundle, facts, observe::wanted(bundle, facts)?)
}

/// The same for what is wanted of the host, whatever this program would want.
pub(super) fn computed_for(
    host: &Host,
    bundle: &Bundle,
    facts: &Facts,
    wanted: Wanted,
) -> Result<Computed, Trouble> {
    let receipt = Receipt::read(host)?;
    let firewall = if host.is_live() { Some(Firewall::of(bundle, facts)?) } else { None };
    if let Some(note) = firewall.as_ref().and_then(Firewall::note) {
        tell!("note: {note}");
    }
    let observed = observe::observe(host, bundle, &wanted, receipt.as_ref(), firewall.as_ref())?;
    let plan = compute(&wanted, &observed);
    Ok(Computed { wanted, observed, plan, firewall })
}

/// Others that keep outsiders from the notice are no reason to refuse: the ports are shut all the same.
pub(super) fn warn_of_obstacles(firewall: Option<&Firewall>, facts: &Facts) {
    if let Some(obstacle) = firewall.and_then(|firewall| firewall.obstacle(facts)) {
        tell!("warning: {obstacle}");
    }
}

/// Who uses the reserved ports.
pub(super) fn users(host: &Host, facts: &Facts) -> Users {
    if host.is_live() { peers::users(facts) } else { Users::default() }
}

pub(super) fn run(args: &InstallerArgs) -> Result<Status, Trouble> {
    let (host, bundle, facts) = inputs(args)?;
    let Computed { plan, firewall, .. } = computed(&host, &bundle, &facts)?;
    firewall.iter().try_for_each(Firewall::refuse)?;
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
