//! Whether a report says all that it was asked for, and what it says where it does not.
//!
//! Never: says that nobody knocks while a log could not be read, or a line not counted.

use super::format::grouped;
use super::summary::Summary;

impl Summary {
    /// Whether every log that was looked for was found, read to its end and counted.
    pub fn is_complete(&self) -> bool {
        !self.is_lacking() && self.missing.is_empty()
    }

    /// Whether something that was found was not read to its end or not counted, so that the exit status is 1.
    pub fn is_lacking(&self) -> bool {
        !self.incomplete.is_empty() || self.uncounted > 0
    }

    /// Who knocks, where no attempt has a known time.
    pub fn undated_headline(&self) -> String {
        if self.attempts > 0 {
            let (attempts, sources) = (grouped(self.attempts), grouped(self.sources));
            return format!("attempts: {attempts}, sources: {sources}, times: unknown");
        }
        match self.is_complete() {
            true => "nobody knocks".to_owned(),
            false => {
                "unknown: no attempt was counted, but not every log was found, read and counted"
                    .to_owned()
            }
        }
    }
}
