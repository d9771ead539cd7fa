//! A change that is undone unless it is confirmed: its record, until when it can be confirmed, and its end.
//!
//! Guarantees: where the record exists, everything that undoing needs exists too.

use super::disk_reserve;
use crate::error::Error;
use crate::files;
use crate::host::receipt::{self, Origin, Receipt, State};
use crate::host::{Host, units};
use crate::report::to_rfc3339;
use crate::spec::Expected;
use crate::unit::Unit;
use jiff::{Timestamp, ToSpan};
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::fs;
use std::time::Duration;

/// Everything that undoing needs.
const DIRECTORY: &str = "/var/lib/redisguard/unconfirmed";
/// Written last and removed first. [`Unit::Revert`] asks for it by this path.
const RECORD: &str = "/var/lib/redisguard/unconfirmed/record.json";
/// A copy of the program that makes the change: it can read the record, and exists at every moment of the
/// change and of undoing it.
pub(super) const PROGRAM: &str = "/var/lib/redisguard/unconfirmed/redisguard-install";
/// The installed program that the change replaces.
pub(super) const FORMER_PROGRAM: &str = "/var/lib/redisguard/unconfirmed/former-program";
/// The bundle that was applied before.
pub(super) const FORMER_BUNDLE: &str = "/var/lib/redisguard/unconfirmed/bundle";
/// Gone after a restart. The boot id does not tell that in a container: it is that of the machine.
pub(super) const SINCE_BOOT: &str = "/run/redisguard.unconfirmed";

/// A change that waits for its confirmation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Until when it can be confirmed, for people: UTC, RFC 3339.
    pub confirm_by: String,
    /// The same in milliseconds of a clock that cannot be set (CLOCK_BOOTTIME of clock_gettime(2)).
    due: u64,
    /// The digest of the bundle that was applied before. `None`: none was, and undoing is removing.
    pub former: Option<String>,
    /// The origin of that bundle.
    pub origin: Origin,
    /// The parts that the host declared before.
    #[serde(default)]
    pub expect: Option<Expected>,
    /// Whether undoing began: then there is nothing to confirm any more.
    going_back: bool,
}

/// The change that waits, if there is one.
///
/// # Errors
/// A record that cannot be read.
pub fn read(host: &Host) -> Result<Option<Record>, Error> {
    let Some(bytes) = host.read(RECORD)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        Error::new(format!("use {}", host.path(RECORD).display()), error)
            .help(format!("go back by hand: remove {DIRECTORY}, then apply the bundle you want"))
    })
}

/// Refuses an action while a change waits.
///
/// # Errors
/// Says until when, and what to do.
pub fn refuse(host: &Host, action: &str) -> Result<(), Error> {
    let Some(record) = read(host)? else { return Ok(()) };
    let error = Error::new(action, record.sentence(host));
    Err(if record.is_over(host) {
        error.help("`redisguard-install revert` does it now, and says what is in its way")
    } else {
        error.help(
            "keep it with `redisguard-install confirm`, wait, or go back now with \
             `redisguard-install revert`",
        )
    })
}

/// Keeps the change that waits; the digest of its bundle.
///
/// # Errors
/// No change waits, its time is over, or it was stopped half-way.
pub fn confirm(host: &Host) -> Result<String, Error> {
    let failed = |cause: &str| {
        Error::new("confirm", cause)
            .help("look at what is applied here with `redisguard-install status`")
    };
    let record = read(host)?;
    let record = record.ok_or_else(|| failed("no change waits for it: it may be too late"))?;
    if record.is_over(host) {
        return Err(failed(&record.sentence(host)));
    }
    let receipt = Receipt::read(host)?.unwrap_or_default();
    if receipt.state == State::Changing {
        let error = failed("the change was stopped half-way: there is nothing whole to keep");
        return Err(error.help("wait until it is taken back, or run `redisguard-install revert`"));
    }
    disarm(host)?;
    Ok(receipt.bundle)
}

impl Record {
    /// A record for a change that can be confirmed for `window` from now on.
    pub(super) fn new(former: Option<String>, before: Option<&Receipt>, window: Duration) -> Self {
        let origin = before.map(|receipt| receipt.origin).unwrap_or_default();
        let expect = before.and_then(|receipt| receipt.expect.clone());
        let confirm_by = String::new();
        let mut record = Self { confirm_by, due: 0, former, origin, expect, going_back: false };
        record.set_window(window);
        record
    }

    /// Until when it can be confirmed, or that this is over, in words.
    pub fn sentence(&self, host: &Host) -> String {
        let by = &self.confirm_by;
        if self.is_over(host) {
            return format!("the last change was not confirmed by {by} and is being taken back");
        }
        format!("the last change is taken back at {by} unless `redisguard-install confirm` comes")
    }

    /// Whether it is too late to confirm.
    pub fn is_over(&self, host: &Host) -> bool {
        self.going_back || self.time_left(host).is_zero()
    }

    /// How long it can be confirmed; nothing is left after a restart.
    pub fn time_left(&self, host: &Host) -> Duration {
        if !host.exists(SINCE_BOOT) {
            return Duration::ZERO;
        }
        Duration::from_millis(self.due.saturating_sub(now()))
    }

    fn set_window(&mut self, window: Duration) {
        let window = window.as_millis() as u64;
        self.due = now() + window;
        let by = Timestamp::now() + (window as i64).milliseconds();
        self.confirm_by = to_rfc3339(by.as_millisecond());
    }

    pub(super) fn write(&self, host: &Host) -> Result<(), Error> {
        let failed = |error| Error::new("write what to go back to", error);
        let bytes = serde_json::to_vec_pretty(self).map_err(failed)?;
        files::replace(&host.path(RECORD), &bytes, 0o644).map(drop)
    }

    /// Starts the window again when the change is done: all of it is for looking at the result. Where the
    /// record cannot be written, the window that began before the change stays. Until when it can be
    /// confirmed.
    pub(super) fn restart_window(mut self, host: &Host, window: Duration) -> String {
        let before = self.confirm_by.clone();
        self.set_window(window);
        if self.write(host).is_ok() { self.confirm_by } else { before }
    }

    /// Ends the time to confirm. Undoing goes on if the record cannot be written: the disk may be full.
    pub(super) fn begin_undoing(&mut self, host: &Host) {
        disk_reserve::free(host);
        self.going_back = true;
        let _ = self.write(host);
    }
}

/// Milliseconds of CLOCK_BOOTTIME.
fn now() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from);
    now.unwrap_or_default().as_millis() as u64
}

/// Ends the wait: the change will not be undone.
///
/// # Errors
/// Files that cannot be removed.
pub fn disarm(host: &Host) -> Result<(), Error> {
    forget(host)?;
    if host.has_systemd() {
        // It ends by itself when the record is gone. If it failed, its name would stay in use.
        let _ = units::control("stop", &[Unit::Unconfirmed]);
        units::reset_failed(&[Unit::Unconfirmed]);
    }
    Ok(())
}

/// Removes the record and everything that undoing needs, but does not stop the process that waits: it may
/// be this one.
///
/// # Errors
/// Files that cannot be removed.
pub(super) fn forget(host: &Host) -> Result<(), Error> {
    host.confine(RECORD)?;
    files::remove(&host.path(RECORD))?;
    if host.is_live() {
        files::remove(&host.path(SINCE_BOOT))?;
    }
    files::remove_tree(&host.path(DIRECTORY))?;
    // Empty where nothing was applied before.
    let _ = fs::remove_dir(host.path(receipt::STATE));
    Ok(())
}
