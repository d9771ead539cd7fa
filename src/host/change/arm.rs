//! Prepares the undoing of a change that waits for its confirmation, before the change is made: what there
//! was before, and the process that undoes it.

use super::confirm::{FORMER_BUNDLE, FORMER_PROGRAM, PROGRAM, Record, SINCE_BOOT, disarm};
use super::disk_reserve;
use crate::bundle::{BINARY, Bundle};
use crate::error::Error;
use crate::files;
use crate::host::prepare::Prepared;
use crate::host::receipt::State;
use crate::host::{Host, bundle_source};
use crate::os::command::Program;
use crate::plan::Step;
use crate::unit::Unit;
use nix::sys::statvfs::{FsFlags, statvfs};
use std::io::{self, ErrorKind, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The arguments with which the program waits until the time is over.
const WAIT: [&str; 2] = ["revert", "--when-lapsed"];

/// Prepares undoing a plan that is about to be carried out, and starts the process that waits.
///
/// # Errors
/// What keeps this host from undoing it by itself; nothing is left behind.
pub(super) fn arm(prepared: &Prepared<'_>, window: Duration) -> Result<Record, Error> {
    let host = prepared.host;
    prepared.target.load()?;
    let former = former_bundle(prepared)?;
    let armed = keep_former(former, prepared, window).and_then(|record| {
        start_waiting(host)?;
        Ok(record)
    });
    armed.map_err(|error| {
        let error = disarm(host).err().into_iter().fold(error, Error::and);
        error.and("nothing was changed").or_help("mend that, or apply without --confirm")
    })
}

/// The bundle that was applied last; `None` where none was. Where its copy is damaged, the target serves if
/// it is the same bundle.
fn former_bundle(prepared: &Prepared<'_>) -> Result<Option<Bundle>, Error> {
    let Prepared { host, target, .. } = prepared;
    let failed = |cause: String| {
        Error::new("keep a way back", cause).help("apply once without --confirm: that mends it")
    };
    let error = match bundle_source::last_good(host) {
        Ok(bundle) => return Ok(Some(bundle)),
        Err(error) => error,
    };
    match &prepared.receipt {
        Some(receipt) if receipt.sum == target.bundle.sum() => Ok(Some(target.bundle.clone())),
        Some(receipt) if receipt.state == State::Applied => Err(failed(error.cause().to_owned())),
        _ if prepared.observed.rules_loaded => {
            Err(failed("redisguard's rules are loaded, but their bundle is unknown".to_owned()))
        }
        _ => Ok(None),
    }
}

/// Keeps what there was before. The record is written last.
fn keep_former(
    former: Option<Bundle>,
    prepared: &Prepared<'_>,
    window: Duration,
) -> Result<Record, Error> {
    let Prepared { host, target, .. } = prepared;
    // What a process left that was killed here.
    disarm(host)?;
    for (path, bytes) in former.iter().flat_map(Bundle::artifacts) {
        files::replace(&host.path(&format!("{FORMER_BUNDLE}/{path}")), bytes, 0o644)?;
    }
    let program = target.wanted.files.get(BINARY);
    let program: &[u8] = program.map_or(&[], |program| &program.bytes);
    files::replace(&host.path(PROGRAM), program, 0o755)?;
    let replaced = prepared.plan.steps.iter().find_map(|step| match step {
        Step::WriteFile { path, old: Some(old), .. } if path == BINARY => Some(&old.bytes),
        _ => None,
    });
    if let Some(bytes) = replaced {
        files::replace(&host.path(FORMER_PROGRAM), bytes, 0o600)?;
    }
    disk_reserve::reserve(host, &prepared.plan)?;
    files::replace(&host.path(SINCE_BOOT), b"", 0o644)?;
    let digest = former.map(|bundle| {
        bundle.guard_config().map(|guard_config| guard_config.bundle).unwrap_or_default()
    });
    let record = Record::new(digest, prepared.receipt.as_ref(), window);
    record.write(host)?;
    Ok(record)
}

/// Starts the process that waits, so that it outlives this one and the session that started it.
fn start_waiting(host: &Host) -> Result<(), Error> {
    let program = host.path(PROGRAM);
    let action = format!("start {} {}", program.display(), WAIT.join(" "));
    if statvfs(&program).is_ok_and(|mount| mount.flags().contains(FsFlags::ST_NOEXEC)) {
        return Err(Error::new(action, "its file system is mounted noexec"));
    }
    if host.has_systemd() {
        let unit = format!("--unit={}", Unit::Unconfirmed);
        let description = "--description=redisguard: goes back unless the change is confirmed";
        let run = ["--quiet", "--no-ask-password", &unit, description, "--service-type=exec"];
        // It tries again until it succeeds.
        let again = ["--property=Restart=on-failure", "--property=RestartSec=5s", "--"];
        // It starts at once, also where apply runs before sysinit.target and systemd waits for that.
        let early =
            ["DefaultDependencies=no", "Conflicts=shutdown.target", "Before=shutdown.target"];
        let early = early.map(|property| format!("--property={property}"));
        let command = Program::new("systemd-run").args(run).args(early).args(again);
        let command = command.args([program]).args(WAIT);
        let output = command.run(&action)?;
        if output.is_success() {
            return Ok(());
        }
        return Err(Error::new(action, output.stderr.lines().next().unwrap_or("no reason given")));
    }
    let mut command = Command::new(program);
    let command = command.args(WAIT).current_dir("/").stdin(Stdio::null()).stderr(Stdio::null());
    let failed = |error: io::Error| Error::new(&action, error);
    let mut process = command.stdout(Stdio::piped()).spawn().map_err(failed)?;
    // It writes a byte when it has left this session, and no longer ends with it.
    let mut ready = process.stdout.take().ok_or_else(|| failed(ErrorKind::BrokenPipe.into()))?;
    ready.read_exact(&mut [0]).map_err(failed)
}
