//! `apply`: make the host match the bundle.

use super::findings::in_trouble;
use super::plan::computed;
use super::{Status, inputs, locked, say, show, show_losses};
use crate::args::InstallerArgs;
use crate::bundle::UNITS;
use crate::error::Trouble;
use crate::host::{self, services};

pub(super) fn run(args: &InstallerArgs) -> Result<Status, Trouble> {
    let (host, bundle, facts) = inputs(args)?;
    let _lock = locked(&host)?;
    let computed = computed(&host, &bundle, &facts)?;
    let plan = &computed.plan;
    if !plan.is_empty() {
        if !args.json {
            show_losses(plan);
        }
        let origin = host::source::origin(&host, args.bundle.as_deref())?;
        let applied = (&bundle, &facts, origin);
        host::apply::apply(&host, applied, &computed.wanted, plan, &computed.observed)?;
    }
    if plan.is_empty() && !args.json {
        say!("nothing to change: the host is as bundle {} says", facts.bundle);
    } else {
        show(args, &facts, plan, &format!("applied bundle {}:", facts.bundle));
    }
    if host.has_systemd() {
        warn_of_the_listener();
    }
    if host.is_live() && !host.has_systemd() && !args.json {
        say!("\nno systemd runs here; this starts the listener:");
        say!("  redisguard-install notice --settings /etc/redisguard/notice.toml");
    }
    Ok(Status::Same)
}

/// A listener that runs and cannot tell everybody is no reason to take the guard back, but to say so.
fn warn_of_the_listener() {
    let states = services::states(&[UNITS[1]]).unwrap_or_default();
    if let Some(trouble) = states.get(UNITS[1]).and_then(in_trouble) {
        eprintln!("warning: {}: {trouble}", UNITS[1]);
    }
}
