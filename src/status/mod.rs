//! What is wrong on a host: decides and words what `status`, `metrics` and `apply` print.
//!
//! Never: prints, or changes anything.

mod boot_scripts;
mod causes;
mod collect;
mod directories;
mod findings;
mod health;
mod listener;
mod missing_record;
mod types;
mod unit_overrides;
mod unwritable;
mod verdict;
mod without_systemd;

pub use self::causes::causes;
pub use self::collect::{Probing, collect};
pub use self::health::namespace_warnings;
pub use self::listener::listener_warnings;
pub use self::types::{Finding, FindingKind, HostStatus, ListenerStatus, PortCount, Verdict};
pub use self::without_systemd::not_running;
