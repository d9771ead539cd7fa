//! redisguard.toml, parsed and checked.
//!
//! Guarantees: a [`Spec`] is valid by construction, and an author sees every problem at once.
//! Never: reads files or the host; it takes text.

mod choice;
mod diagnostics;
mod metrics;
mod parse;
mod ports;
pub mod reference;
mod tls;
mod types;
mod validate;

pub use self::choice::Choice;
pub use self::diagnostics::{
    Check, EXPLANATIONS, Explanation, LARGEST_SOURCE, LintLevel, Position, Problem, Problems,
    Severity, Source,
};
pub use self::metrics::{Metrics, TextfilePath};
pub use self::parse::values::{DocumentPath, Email, Host, Line, LogPath, network};
pub use self::ports::{PortRange, PortSet};
pub use self::tls::{PemPath, Tls};
pub use self::types::{
    Backend, Cluster, Contact, Docs, Existing, External, Firewall, Listen, LogFormat, Notice,
    Reserved, Site, Spec,
};
