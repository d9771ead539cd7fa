//! `apply`: make the host match the bundle.

use super::findings::in_trouble;
use super::plan::{Computed, computed, users, warn_of_obstacles, warn_of_the_list};
use super::{Status, inputs, is_unheard, locked, say, sessions, show, show_losses, tell};
use crate::args::{ApplyArgs, InstallerArgs};
use crate::bundle::{Bundle, Facts, UNITS};
use crate::error::Trouble;
use crate::host::firewall::missing_family;
use crate::host::observe::Look;
use crate::host::peers::Users;
use crate::host::receipt::Origin;
use crate::host::{self, Host, services, unconfirmed};
use std::time::Duration;

pub(super) fn run(args: &InstallerArgs, verb: &ApplyArgs) -> Result<Status, Trouble> {
    let (host, bundle, facts) = inputs(args)?;
    if verb.confirm.is_some() && !host.is_live() {
        return Err(Trouble::new("wait for a confirmation", "an offline tree does not run")
            .cure("leave out --confirm or --root"));
    }
    let _lock = locked(&host)?;
    unconfirmed::refuse(&host, &format!("apply bundle {}", facts.bundle))?;
    let computed = computed(&host, &bundle, &facts, Look::Drift)?;
    computed.refuse(&host)?;
    let plan = &computed.plan;
    // Where nothing changes, it changes for nobody.
    let users = if plan.is_empty() { Users::default() } else { users(&host, &facts) };
    sessions::may_be_cut(args, verb, &facts, plan, &users.peers)?;
    if !args.json {
        show_losses(plan);
    }
    let origin = host::source::origin(&host, args.bundle.as_deref())?;
    let what = (&bundle, &facts, origin);
    let confirm_by = match verb.confirm {
        _ if plan.is_empty() => None,
        Some(window) => Some(apply_for(&host, what, &computed, window)?),
        None => apply(&host, what, &computed).map(|()| None)?,
    };
    if plan.is_empty() && !args.json {
        say!("nothing to change: the host is as bundle {} says", facts.bundle);
        if verb.confirm.is_some() {
            say!("nothing to confirm");
        }
    } else {
        let heading = format!("applied bundle {}:", facts.bundle);
        show(args, &facts, plan, users, confirm_by.clone(), &heading);
    }
    if let Some(missing) = missing_family().filter(|_| host.is_live() && !args.json) {
        say!("{missing}");
    }
    if host.has_systemd() {
        warn_of_the_listener();
    }
    warn_of_the_list(&computed.observed);
    warn_of_obstacles(computed.firewall.as_ref(), &facts);
    if host.is_live() && !host.has_systemd() && !args.json {
        say!("\nno systemd runs here; this starts the listener:");
        say!("  redisguard-install notice --settings /etc/redisguard/notice.toml");
    }
    if let Some(by) = confirm_by {
        let until = format!(
            "it is taken back at {by} unless this comes before, best from a new login:\n  \
             redisguard-install confirm"
        );
        if !args.json {
            say!("\n{until}");
        }
        // The clock runs, whoever knows of it.
        if is_unheard() {
            tell!("{until}");
        }
    }
    Ok(Status::Same)
}

/// A bundle, its facts and where it came from.
type What<'a> = (&'a Bundle, &'a Facts, Origin);

fn apply(host: &Host, what: What<'_>, computed: &Computed) -> Result<(), Trouble> {
    let Computed { wanted, observed, plan, .. } = computed;
    host::apply::apply(host, what, wanted, plan, observed)
}

/// Applies with a way back that is taken unless somebody confirms; until when.
fn apply_for(
    host: &Host,
    what: What<'_>,
    computed: &Computed,
    window: Duration,
) -> Result<String, Trouble> {
    let Computed { wanted, observed, plan, .. } = computed;
    let record = unconfirmed::arm(host, what.0, wanted, observed, plan, window)?;
    match apply(host, what, computed) {
        Ok(()) => Ok(record.done(host, window)),
        Err(trouble) => Err(match unconfirmed::clear(host) {
            Ok(()) => trouble,
            Err(worse) => trouble.and(worse),
        }),
    }
}

/// A listener that runs and cannot tell everybody is no reason to take the guard back, but to say so.
fn warn_of_the_listener() {
    let states = services::states(&[UNITS[1]]).unwrap_or_default();
    if let Some(trouble) = states.get(UNITS[1]).and_then(in_trouble) {
        tell!("warning: {}: {trouble}", UNITS[1]);
    }
}
