//! `revert`: go back from a change that was not confirmed.

use super::plan::computed_for;
use super::{Status, Steps, locked, out, print_json, show_steps, views};
use crate::args::{InstallerArgs, RevertArgs};
use crate::error::Error;
use crate::host;
use crate::host::Host;
use crate::host::change::confirm;
use crate::host::change::confirm::Record;
use crate::host::change::remove;
use crate::host::observe::Look;
use crate::host::receipt::Origin;
use crate::plan::StepView;
use nix::unistd::{dup2_stdout, setsid};
use std::fs::File;
use std::io::{self, Write};
use std::thread;
use std::time::Duration;

pub(super) fn run(args: &InstallerArgs, verb: &RevertArgs) -> Result<Status, Error> {
    let host = Host::at(&args.root)?;
    if !verb.when_lapsed {
        return go_back(args, &host, |record| {
            let none = || {
                Error::new("go back", "no change waits for its confirmation")
                    .help("look at what is applied here with `redisguard-install status`")
            };
            record.map(Some).ok_or_else(none)
        });
    }
    // With systemd the unit is apart from whoever started it, and is started again where it fails.
    let detached = !host.has_systemd();
    if detached {
        detach().map_err(|error| Error::new("wait in the background", error))?;
    }
    while confirm::wait(&host)? {
        // It may have been confirmed, or its time set anew, while this waited for the lock.
        let done = go_back(args, &host, |record| Ok(record.filter(|record| record.is_over(&host))));
        match done {
            Err(_) if detached => thread::sleep(Duration::from_secs(5)),
            done => drop(done?),
        }
    }
    Ok(Status::Same)
}

/// Leaves the session that it was started in, says so with a byte, and says no more.
fn detach() -> io::Result<()> {
    // One that leads a session already needs no other.
    let _ = setsid();
    io::stdout().write_all(b"\n")?;
    io::stdout().flush()?;
    Ok(dup2_stdout(File::options().write(true).open("/dev/null")?)?)
}

/// Goes back under the lock, if `choose` finds what it was looked for in the record.
fn go_back(
    args: &InstallerArgs,
    host: &Host,
    choose: impl FnOnce(Option<Record>) -> Result<Option<Record>, Error>,
) -> Result<Status, Error> {
    let _lock = locked(host)?;
    let Some(mut record) = choose(confirm::read(host)?)? else { return Ok(Status::Same) };
    record.go_back(host);
    let mut steps = match &record.former {
        Some(_) => apply_former(host, record.origin)?,
        None => remove_all(host)?,
    };
    // Where this was started by hand somebody else waits; the one that is started by itself ends.
    confirm::forget(host)?;
    if args.json {
        let bundle = record.former.as_deref().unwrap_or_default();
        print_json(&Steps { changed: !steps.is_empty(), bundle, steps, ..Steps::default() });
        return Ok(Status::Same);
    }
    match &record.former {
        Some(bundle) => out!("went back to bundle {bundle}:"),
        None => out!("removed again what was not there before:"),
    }
    // What comes back was reviewed.
    steps.iter_mut().for_each(|step| step.diff = None);
    show_steps(&steps);
    Ok(Status::Same)
}

fn apply_former(host: &Host, origin: Origin) -> Result<Vec<StepView>, Error> {
    let (bundle, guard_config, wanted) = confirm::former_wanted(host)?;
    let computed = computed_for(host, (&bundle, &guard_config), wanted, Look::Drift)?;
    computed.refuse_strangers(host)?;
    let plan = &computed.plan;
    if !plan.is_empty() {
        let what = (&bundle, &guard_config, origin);
        host::change::apply::apply(host, what, &computed.wanted, plan, &computed.observed)?;
    }
    Ok(views(plan))
}

fn remove_all(host: &Host) -> Result<Vec<StepView>, Error> {
    let takeaways = remove::plan(host)?;
    let steps = remove::views(host, &takeaways)?;
    remove::remove(host, &takeaways)?;
    Ok(steps)
}
