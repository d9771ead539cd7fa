//! What the options of a verb name: the host and its lock, the bundle.

use crate::args::{Declared, InstallerArgs, Verb};
use crate::cli::output::err;
use crate::error::Error;
use crate::host::lock::Lock;
use crate::host::prepare::Target;
use crate::host::receipt::Receipt;
use crate::host::{Host, lock};
use crate::os::ForeignKernel;

/// The host that the options name.
///
/// # Errors
/// A root that is no directory; a running host whose kernel is not that of its files.
pub(super) fn host(args: &InstallerArgs) -> Result<Host, Error> {
    let host = Host::named(args.root.as_deref())?;
    match ForeignKernel::detect().filter(|_| host.is_live()) {
        None => Ok(host),
        Some(kernel) => Err(refusal(kernel, &args.verb)),
    }
}

/// The verb as it is typed, where it has something to do in an offline tree.
fn offline_name(verb: &Verb) -> Option<&'static str> {
    match verb {
        Verb::Plan(_) => Some("plan"),
        Verb::Apply(_) => Some("apply"),
        Verb::Status => Some("status"),
        Verb::Remove(_) => Some("remove"),
        Verb::Metrics(_) => Some("metrics"),
        _ => None,
    }
}

fn refusal(kernel: ForeignKernel, verb: &Verb) -> Error {
    let looks = matches!(verb, Verb::Plan(_) | Verb::Status | Verb::Metrics(_));
    let action = if looks { "look at this host" } else { "change this host" };
    let error = Error::new(action, kernel.cause());
    let error = if looks { error } else { error.and("nothing was changed") };
    let elsewhere = match kernel {
        ForeignKernel::OtherNetwork => {
            return error.help("run it without `ip netns exec` or `nsenter --net`");
        }
        ForeignKernel::SharedNetwork => {
            "guard the container's host, or start the container with \
                                         a network of its own"
        }
        ForeignKernel::NoRight => {
            "run it in a shell of root, or start the container or the service with CAP_NET_ADMIN"
        }
        ForeignKernel::Chroot | ForeignKernel::NoProc | ForeignKernel::Offline => "",
    };
    let offline = offline_name(verb).map(|verb| {
        let here = format!("`redisguard-install --root / {verb}` for the files here alone");
        let outside = format!("`redisguard-install --root DIR {verb}` from outside");
        // Without /proc this program cannot read its own file.
        if kernel == ForeignKernel::NoProc { outside } else { format!("{here}, {outside}") }
    });
    let booted = || "run it on the system itself once it has booted".to_owned();
    match (elsewhere, offline) {
        ("", offline) => error.help(offline.unwrap_or_else(booted)),
        (elsewhere, None) => error.help(elsewhere),
        (elsewhere, Some(offline)) => error.help(format!("{elsewhere}; in an image: {offline}")),
    }
}

/// The bundle that the options name, for a verb that changes nothing on this host and may run anywhere.
pub(super) fn opened_anywhere(args: &InstallerArgs) -> Result<Target, Error> {
    let host = Host::named(args.root.as_deref())?;
    Target::open(&host, args.bundle.as_deref())
}

/// The bundle that the options or the host's receipt name, with the parts that the host declares. Prints which
/// bundle that is where it is not obvious.
pub(super) fn target(host: &Host, args: &InstallerArgs) -> Result<Target, Error> {
    let target = Target::for_change(host, args.bundle.as_deref())?;
    if let Some(note) = &target.note {
        err!("note: {note}");
    }
    let declared = match declared(&args.verb) {
        None => Receipt::read(host)?.and_then(|receipt| receipt.expect),
        Some(Declared::Bundle) => None,
        Some(Declared::Parts(parts)) => Some(parts.clone()),
    };
    Ok(target.declaring(declared))
}

/// What `--expect` declares.
fn declared(verb: &Verb) -> Option<&Declared> {
    match verb {
        Verb::Plan(verb) => verb.expect.as_ref(),
        Verb::Apply(verb) => verb.expect.as_ref(),
        _ => None,
    }
}

/// Locks the host. Prints a line if it has to wait for another process.
pub(super) fn locked(host: &Host) -> Result<Lock, Error> {
    lock::take(host, note_wait)
}

/// Says that another process holds the lock.
pub(super) fn note_wait() {
    err!("waiting for another redisguard-install to end");
}
