//! Finds and opens the logs of connection attempts, and reads many at once.
//!
//! Never: changes anything, or follows a link out of an offline tree.

mod find;
mod host_logs;
mod open;
mod read;

pub use self::find::{LogSet, syslog};
pub use self::host_logs::{of_host, time_zone};
pub use self::open::{Input, LogSource};
pub use self::read::{ReadResult, read_all};
