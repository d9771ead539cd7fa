//! All effects on a host: files, rules, services, the receipt. A host is observed, a plan is computed from
//! that by [`crate::plan`], and [`change`] carries it out or undoes it.

pub mod boot_order;
pub mod bundle_source;
pub mod busy_ports;
pub mod change;
pub mod counters;
pub mod listener_health;
pub mod local_reserved_ports;
pub mod lock;
pub mod observe;
pub mod prepare;
pub mod receipt;
mod root;
pub mod rules_service;
pub mod saved_rules;
mod tree_path;
pub mod units;

pub use self::root::Host;
