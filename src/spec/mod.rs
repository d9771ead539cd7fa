//! redisguard.toml, parsed and checked.
//!
//! Guarantees: a [`Spec`] is valid by construction, and an author sees every problem at once.
//! Never: reads files or the host; it takes text.

mod choice;
mod diagnostics;
mod expected;
mod parse;
mod ports;
pub mod reference;
mod types;
mod validate;

pub use self::choice::{Backend, Choice, Existing, External, Listen, LogFormat, Part};
pub use self::diagnostics::{
    Check, EXPLANATIONS, Explanation, LARGEST_SOURCE, LintLevel, Position, Problem, Problems,
    Severity, Source,
};
pub use self::expected::Expected;
pub use self::parse::values::{
    DocumentPath, Email, Host, Line, LogPath, PemPath, TargetLabel, TextfilePath, WebAddress,
    network, probe_network,
};
pub use self::ports::{PortRange, PortSet};
pub use self::types::{
    Cluster, Contact, Docs, Firewall, Metrics, Notice, Probe, Reserved, Site, Spec, Tls,
};
