//! `apply`: make the host match the bundle.

use super::plan::{Computed, computed, users, warn_of_obstacles, warn_of_the_list};
use super::{Status, confirm_cut, err, inputs, is_unheard, locked, out, show, show_losses};
use crate::args::{ApplyArgs, InstallerArgs};
use crate::bundle::{Bundle, GuardConfig};
use crate::error::Error;
use crate::firewall::missing_family;
use crate::host;
use crate::host::Host;
use crate::host::change::confirm;
use crate::host::observe::Look;
use crate::host::receipt::Origin;
use crate::os::sockets::PortUsage;
use crate::os::systemd;
use crate::status::findings::in_trouble;
use crate::unit::Unit;
use std::time::Duration;

pub(super) fn run(args: &InstallerArgs, verb: &ApplyArgs) -> Result<Status, Error> {
    let (host, bundle, guard_config) = inputs(args)?;
    if verb.confirm.is_some() && !host.is_live() {
        return Err(Error::new("wait for a confirmation", "an offline tree does not run")
            .help("leave out --confirm or --root"));
    }
    let _lock = locked(&host)?;
    confirm::refuse(&host, &format!("apply bundle {}", guard_config.bundle))?;
    let computed = computed(&host, &bundle, &guard_config, Look::Drift)?;
    computed.refuse(&host)?;
    let plan = &computed.plan;
    // Where nothing changes, it changes for nobody.
    let users = if plan.is_empty() { PortUsage::default() } else { users(&host, &guard_config) };
    confirm_cut::may_be_cut(args, verb, &guard_config, plan, &users.peers)?;
    if !args.json {
        show_losses(plan);
    }
    let origin = host::bundle_source::origin(&host, args.bundle.as_deref())?;
    let what = (&bundle, &guard_config, origin);
    let confirm_by = match verb.confirm {
        _ if plan.is_empty() => None,
        Some(window) => Some(apply_for(&host, what, &computed, window)?),
        None => apply(&host, what, &computed).map(|()| None)?,
    };
    if plan.is_empty() && !args.json {
        out!("nothing to change: the host is as bundle {} says", guard_config.bundle);
        if verb.confirm.is_some() {
            out!("nothing to confirm");
        }
    } else {
        let heading = format!("applied bundle {}:", guard_config.bundle);
        show(args, &guard_config, plan, users, confirm_by.clone(), &heading);
    }
    if let Some(missing) = missing_family().filter(|_| host.is_live() && !args.json) {
        out!("{missing}");
    }
    if host.has_systemd() {
        warn_of_the_listener();
    }
    warn_of_the_list(&computed.observed);
    warn_of_obstacles(computed.firewall.as_ref(), &guard_config);
    if host.is_live() && !host.has_systemd() && !args.json {
        out!("\nno systemd runs here; this starts the listener:");
        out!("  redisguard-install notice --settings /etc/redisguard/notice.toml");
    }
    if let Some(by) = confirm_by {
        let until = format!(
            "it is taken back at {by} unless this comes before, best from a new login:\n  \
             redisguard-install confirm"
        );
        if !args.json {
            out!("\n{until}");
        }
        // The clock runs, whoever knows of it.
        if is_unheard() {
            err!("{until}");
        }
    }
    Ok(Status::Same)
}

/// A bundle, its guard config and where it came from.
type What<'a> = (&'a Bundle, &'a GuardConfig, Origin);

fn apply(host: &Host, what: What<'_>, computed: &Computed) -> Result<(), Error> {
    let Computed { wanted, observed, plan, .. } = computed;
    host::change::apply::apply(host, what, wanted, plan, observed)
}

/// Applies with a way back that is taken unless somebody confirms; until when.
fn apply_for(
    host: &Host,
    what: What<'_>,
    computed: &Computed,
    window: Duration,
) -> Result<String, Error> {
    let Computed { wanted, observed, plan, .. } = computed;
    let record = confirm::arm(host, what.0, wanted, observed, plan, window)?;
    match apply(host, what, computed) {
        Ok(()) => Ok(record.done(host, window)),
        Err(trouble) => Err(match confirm::clear(host) {
            Ok(()) => trouble,
            Err(worse) => trouble.and(worse),
        }),
    }
}

/// A listener that runs and cannot tell everybody is no reason to take the guard back, but to say so.
fn warn_of_the_listener() {
    let listener = Unit::Listener.name();
    let states = systemd::states(&[listener]).unwrap_or_default();
    if let Some(trouble) = states.get(listener).and_then(in_trouble) {
        err!("warning: {listener}: {trouble}");
    }
}
