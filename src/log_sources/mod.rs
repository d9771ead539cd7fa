//! Finds and opens a host's logs of connection attempts, and reads them: whole, many at once, or only the ends.
//!
//! Never: changes anything, or follows a link out of an offline tree.

mod find;
mod host_logs;
mod journal;
mod open;
mod places;
mod read;
mod recent;
mod rotation;

pub use self::find::LogSet;
pub use self::host_logs::{HostLogs, of_host, time_zone};
pub use self::open::{Input, LogSource};
pub use self::read::{ReadResult, Reading, read_all};
pub use self::recent::{RecentAttempt, recent_attempts};
