//! The log of connections: one line for each, limited per source.
//!
//! From the bottom up: `line_batch`; `format` and `limiter`, pure; `file` and `writer`, which lose no
//! line silently; `queue` and `handle`, the thread that writes; and `journal`, the event loop's side.
//!
//! Never: delays a connection for a slow or full disk, or holds more than a bounded number of lines.

mod file;
mod format;
mod handle;
mod journal;
mod limiter;
mod line_batch;
mod queue;
mod writer;

pub use self::file::LogTarget;
pub(super) use self::format::{Attempt, Outcome, Told};
pub use self::handle::Log;
pub(super) use self::journal::Journal;
