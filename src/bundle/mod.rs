//! The bundle: every artifact and document, rendered from a spec.
//!
//! Guarantees: the same spec gives the same bytes on every machine.
//! Never: reads a clock, the host, the user, a path or the program's version.

mod artifacts;
mod chain_tree;
mod change_summary;
mod documents;
pub mod escape;
mod firewall_rules;
mod guard_config;
mod host_files;
mod monitoring;
mod phrases;
mod render;
mod sha256sums;
mod text;

pub use self::artifacts::Bundle;
pub use self::change_summary::change_summary;
pub use self::documents::{Documents, Section};
pub use self::guard_config::{GuardConfig, PATH as GUARD_CONFIG, ReservedConfig};
pub use self::host_files::{BINARY, unexpected_units};
pub use self::sha256sums::{SUMS, parse as parse_sums, sha256_hex};
pub use self::text::MARK;
