//! What is wrong on a host: decides and words what `status`, `metrics` and `apply` print.
//!
//! Never: prints, or changes anything.

mod causes;
mod collect;
mod directories;
mod findings;
mod health;
mod missing_record;
mod types;
mod unit_overrides;
mod unwritable;
mod verdict;

pub use self::collect::{Probing, collect};
pub use self::health::{listener_warning, namespace_warnings};
pub use self::types::{Finding, FindingKind, HostStatus, ListenerStatus, PortCount, Verdict};
