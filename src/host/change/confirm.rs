//! Owns the way back from a change that waits for its confirmation: what there was before, until when
//! somebody may confirm, and the process that goes back if nobody does. It is all in place before the
//! first change, and it is gone when the record is.

use super::disk_reserve;
use crate::bundle::{BINARY, Bundle, GuardConfig};
use crate::error::Error;
use crate::files;
use crate::host::receipt;
use crate::host::receipt::{Origin, Receipt, State};
use crate::host::{Host, bundle_source, observe};
use crate::os::command::Program;
use crate::os::systemd;
use crate::plan::{Observed, Plan, Step, Wanted};
use crate::unit::Unit;
use jiff::{Timestamp, ToSpan};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

/// All that going back needs.
const DIRECTORY: &str = "/var/lib/redisguard/unconfirmed";
/// Written last and removed first: where it is, the rest is whole. The unit that goes back at boot
/// asks for it by this name.
const RECORD: &str = "/var/lib/redisguard/unconfirmed/record.json";
/// The program that makes the change, kept apart from the installed one: it knows the record, and is
/// there at every moment of the change and of the way back.
const PROGRAM: &str = "/var/lib/redisguard/unconfirmed/redisguard-install";
/// The installed program that the change replaces.
const FORMER_PROGRAM: &str = "/var/lib/redisguard/unconfirmed/former-program";
/// The bundle that was applied before.
pub(in crate::host) const FORMER_BUNDLE: &str = "/var/lib/redisguard/unconfirmed/bundle";
/// Gone after a restart, of a container too, which has the boot id of the machine it runs on.
const MARK: &str = "/run/redisguard.unconfirmed";
/// What runs the process that waits, where systemd runs.
const UNIT: &str = Unit::Unconfirmed.name();
/// How the command line names waiting until the time is over.
const WAIT: [&str; 2] = ["revert", "--when-lapsed"];

/// A change that waits for its confirmation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Until when it can be confirmed, for people: UTC, RFC 3339.
    pub confirm_by: String,
    /// The same in milliseconds of a clock that nobody sets (CLOCK_BOOTTIME of clock_gettime(2)).
    due: u64,
    /// The bundle to go back to. `None`: nothing was applied before, and going back is removing.
    pub former: Option<String>,
    /// Where that bundle came from.
    pub origin: Origin,
    /// Whether going back began: then there is nothing to confirm any more.
    going_back: bool,
}

/// The change that waits, if one does.
///
/// # Errors
/// A record that cannot be read.
pub fn read(host: &Host) -> Result<Option<Record>, Error> {
    host.confine_file(RECORD)?;
    let path = host.path(RECORD);
    let Some(bytes) = files::read(&path)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        Error::new(format!("use {}", path.display()), error)
            .help(format!("go back by hand: remove {DIRECTORY}, then apply the bundle you want"))
    })
}

/// Refuses what must not be done while a change waits.
///
/// # Errors
/// Says until when, and what to do.
pub fn refuse(host: &Host, what: &str) -> Result<(), Error> {
    let Some(record) = read(host)? else { return Ok(()) };
    let trouble = Error::new(what, record.sentence(host));
    Err(if record.is_over(host) {
        trouble.help("`redisguard-install revert` does it now, and says what is in its way")
    } else {
        trouble.help(
            "keep it with `redisguard-install confirm`, wait, or go back now with \
             `redisguard-install revert`",
        )
    })
}

impl Record {
    /// How it stands, in words.
    pub fn sentence(&self, host: &Host) -> String {
        let by = &self.confirm_by;
        if self.is_over(host) {
            return format!("the last change was not confirmed by {by} and is being taken back");
        }
        format!("the last change is taken back at {by} unless `redisguard-install confirm` comes")
    }

    /// Whether it is too late to confirm.
    pub fn is_over(&self, host: &Host) -> bool {
        self.going_back || self.left(host).is_zero()
    }

    fn left(&self, host: &Host) -> Duration {
        if !observe::exists(host, MARK) {
            return Duration::ZERO;
        }
        Duration::from_millis(self.due.saturating_sub(now()))
    }

    /// Gives the time from now on.
    fn set(&mut self, window: Duration) {
        let window = window.as_millis() as u64;
        self.due = now() + window;
        let by = Timestamp::now() + (window as i64).milliseconds();
        self.confirm_by = by.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    }

    fn write(&self, host: &Host) -> Result<(), Error> {
        let failed = |error| Error::new("write what to go back to", error);
        let bytes = serde_json::to_vec_pretty(self).map_err(failed)?;
        files::replace(&host.path(RECORD), &bytes, 0o644).map(drop)
    }

    /// The change is done: the whole time is for whoever looks at it. Where that cannot be written
    /// the time runs from the beginning of the change.
    pub fn done(mut self, host: &Host, window: Duration) -> String {
        let before = self.confirm_by.clone();
        self.set(window);
        if self.write(host).is_ok() { self.confirm_by } else { before }
    }

    /// From here on it cannot be confirmed. A full disk must not keep anybody from going back.
    pub fn go_back(&mut self, host: &Host) {
        disk_reserve::free(host);
        self.going_back = true;
        let _ = self.write(host);
    }
}

fn now() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from);
    now.unwrap_or_default().as_millis() as u64
}

/// Prepares the way back from a plan that is about to be carried out, and starts the process that
/// goes back.
///
/// # Errors
/// What keeps this host from going back by itself; nothing is left behind.
pub fn arm(
    host: &Host,
    bundle: &Bundle,
    wanted: &Wanted,
    observed: &Observed,
    plan: &Plan,
    window: Duration,
) -> Result<Record, Error> {
    wanted.load().map_err(|cause| Error::new("read this program's own file", cause))?;
    let former = former(host, bundle, observed)?;
    let armed = keep(host, former, wanted, plan, window).and_then(|record| {
        start(host)?;
        Ok(record)
    });
    armed.map_err(|trouble| {
        let trouble = match clear(host) {
            Ok(()) => trouble,
            Err(worse) => trouble.and(worse),
        };
        trouble.and("nothing was changed").or_help("mend that, or apply without --confirm")
    })
}

/// The bundle that was applied last; `None` where none ever was. Where its copy was damaged the one
/// that is about to be applied again is as good.
fn former(host: &Host, bundle: &Bundle, observed: &Observed) -> Result<Option<Bundle>, Error> {
    let failed = |cause: String| {
        Error::new("keep a way back", cause).help("apply once without --confirm: that mends it")
    };
    match bundle_source::last_good(host) {
        Ok(bundle) => Ok(Some(bundle)),
        Err(trouble) => match Receipt::read(host)? {
            Some(receipt) if receipt.sum == bundle.sum() => Ok(Some(bundle.clone())),
            Some(receipt) if receipt.state == State::Applied => {
                Err(failed(trouble.cause().to_owned()))
            }
            _ if observed.guarded => {
                Err(failed("rules of ours are loaded, but not known is of which bundle".to_owned()))
            }
            _ => Ok(None),
        },
    }
}

fn keep(
    host: &Host,
    former: Option<Bundle>,
    wanted: &Wanted,
    plan: &Plan,
    window: Duration,
) -> Result<Record, Error> {
    // What a run left that was killed here.
    clear(host)?;
    for (path, bytes) in former.iter().flat_map(Bundle::artifacts) {
        files::replace(&host.path(&format!("{FORMER_BUNDLE}/{path}")), bytes, 0o644)?;
    }
    let program: &[u8] = wanted.files.get(BINARY).map_or(&[], |program| &program.bytes);
    files::replace(&host.path(PROGRAM), program, 0o755)?;
    let replaced = plan.steps.iter().find_map(|step| match step {
        Step::WriteFile { path, old: Some(old), .. } if path == BINARY => Some(&old.bytes),
        _ => None,
    });
    if let Some(bytes) = replaced {
        files::replace(&host.path(FORMER_PROGRAM), bytes, 0o600)?;
    }
    disk_reserve::hold(host, plan)?;
    files::replace(&host.path(MARK), b"", 0o644)?;
    let digest = former.map(|bundle| {
        bundle.guard_config().map(|guard_config| guard_config.bundle).unwrap_or_default()
    });
    let origin = Receipt::read(host)?.map(|receipt| receipt.origin).unwrap_or_default();
    let confirm_by = String::new();
    let mut record = Record { confirm_by, due: 0, former: digest, origin, going_back: false };
    record.set(window);
    record.write(host)?;
    Ok(record)
}

/// Starts the process that waits, where it outlives this one and whoever started it.
fn start(host: &Host) -> Result<(), Error> {
    let program = host.path(PROGRAM);
    let what = format!("start {} {}", program.display(), WAIT.join(" "));
    if statvfs(&program).is_ok_and(|mount| mount.flags().contains(FsFlags::ST_NOEXEC)) {
        return Err(Error::new(what, "its file system is mounted noexec"));
    }
    if host.has_systemd() {
        let unit = format!("--unit={UNIT}");
        let description = "--description=redisguard: goes back unless the change is confirmed";
        let run = ["--quiet", "--no-ask-password", &unit, description, "--service-type=exec"];
        // Going back is tried until it succeeds.
        let again = ["--property=Restart=on-failure", "--property=RestartSec=5s", "--"];
        let command = Program::new("systemd-run").args(run).args(again).args([program]).args(WAIT);
        let output = command.run(&what)?;
        if output.is_success() {
            return Ok(());
        }
        return Err(Error::new(what, output.stderr.lines().next().unwrap_or("no reason given")));
    }
    let mut command = Command::new(program);
    let command = command.args(WAIT).current_dir("/").stdin(Stdio::null()).stderr(Stdio::null());
    let failed = |error: io::Error| Error::new(&what, error);
    let mut process = command.stdout(Stdio::piped()).spawn().map_err(failed)?;
    // It says a byte when nothing that ends this process ends it.
    let mut ready = process.stdout.take().ok_or_else(|| failed(ErrorKind::BrokenPipe.into()))?;
    ready.read_exact(&mut [0]).map_err(failed)
}

/// Waits until there is nothing to wait for any more; whether it is time to go back then.
///
/// # Errors
/// A record that cannot be read.
pub fn wait(host: &Host) -> Result<bool, Error> {
    const LOOK: Duration = Duration::from_secs(1);
    while let Some(record) = read(host)? {
        if record.is_over(host) {
            return Ok(true);
        }
        std::thread::sleep(record.left(host).min(LOOK));
    }
    Ok(false)
}

/// The bundle to go back to, and what it wants of this host: the program that was installed with it.
///
/// # Errors
/// One that is no longer whole.
pub fn former_wanted(host: &Host) -> Result<(Bundle, GuardConfig, Wanted), Error> {
    host.confine(&format!("{FORMER_BUNDLE}/host"))?;
    [FORMER_PROGRAM, BINARY].iter().try_for_each(|path| host.confine_file(path))?;
    let bundle = bundle_source::bundle(Some(&host.path(FORMER_BUNDLE)))?;
    let guard_config = crate::host::rules_service::guard_config(&bundle)?;
    let mut wanted = observe::wanted(&bundle, &guard_config)?;
    let former = files::read(&host.path(FORMER_PROGRAM))?;
    let former = former.map_or_else(|| files::read(&host.path(BINARY)), |bytes| Ok(Some(bytes)))?;
    if let (Some(bytes), Some(program)) = (former, wanted.files.get_mut(BINARY)) {
        program.bytes = bytes.into();
    }
    Ok((bundle, guard_config, wanted))
}

/// Ends the wait: nothing goes back any more.
///
/// # Errors
/// Files that cannot be removed.
pub fn clear(host: &Host) -> Result<(), Error> {
    forget(host)?;
    if host.has_systemd() {
        // It ends by itself when the record is gone. One that failed would keep its name.
        let _ = systemd::systemctl(&["stop", UNIT]);
        let _ = systemd::systemctl(&["reset-failed", UNIT]);
    }
    Ok(())
}

/// Removes the record and all that belongs to it, but leaves the process that may be doing this.
///
/// # Errors
/// Files that cannot be removed.
pub fn forget(host: &Host) -> Result<(), Error> {
    host.confine(RECORD)?;
    files::remove(&host.path(RECORD))?;
    if host.is_live() {
        files::remove(&host.path(MARK))?;
    }
    let directory = host.path(DIRECTORY);
    match fs::remove_dir_all(&directory) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(Error::new(format!("remove {}", directory.display()), error));
        }
        _ => {}
    }
    // Empty where nothing was applied before.
    let _ = fs::remove_dir(host.path(receipt::STATE));
    Ok(())
}
