//! Keeps the counter totals in a file, since the kernel's counters go with their rules.
//!
//! Never: keeps a host from being guarded because the file cannot be written.

use super::receipt::{self, Receipt};
use super::root::Host;
use crate::error::Error;
use crate::files;
use crate::firewall::{CounterStore, CounterTotals};
use crate::report::to_rfc3339;
use jiff::Timestamp;
use std::fs;
use std::path::Path;

/// The file.
pub const PATH: &str = "/var/lib/redisguard/counters.json";

/// The totals of this host; none where there is no file, or a damaged one.
pub fn read() -> CounterTotals {
    let text = fs::read(PATH).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// This host's totals, to be brought up to date and saved.
pub struct StoredCounters(CounterTotals);

impl StoredCounters {
    /// The totals as they are in the file.
    pub fn read() -> Self {
        Self(read())
    }

    /// Writes the file if there is something new in it, and a directory for it.
    ///
    /// # Errors
    /// What kept it from being written.
    pub fn save(&mut self) -> Result<(), Error> {
        let Self(totals) = self;
        if totals.is_empty() || !Path::new(receipt::STATE).is_dir() || read() == *totals {
            return Ok(());
        }
        if totals.since().is_none() {
            let receipt = Host::at(Path::new("/")).and_then(|host| Receipt::read(&host));
            let applied = receipt.ok().flatten().map(|receipt| receipt.applied);
            let now = || to_rfc3339(Timestamp::now().as_millisecond());
            totals.begin(applied.filter(|applied| !applied.is_empty()).unwrap_or_else(now));
        }
        let failed = |error| Error::new(format!("write {PATH}"), error);
        let mut bytes = serde_json::to_vec(totals).map_err(failed)?;
        bytes.push(b'\n');
        files::replace(Path::new(PATH), &bytes, receipt::MODE).map(drop)
    }
}

impl CounterStore for StoredCounters {
    fn totals(&mut self) -> &mut CounterTotals {
        &mut self.0
    }

    fn save_if_possible(&mut self) {
        let _ = self.save();
    }
}
