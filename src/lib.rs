//! Keeps retired Redis ports shut to the outside, usable to local services, and tells whoever still
//! connects where to go.
//!
//! A ladder of modules; each imports only what stands above it here:
//!
//! - [`error`]: the one error of the effects.
//! - [`exposition`]: how metrics are written; pure.
//! - [`spec`]: the truth, `redisguard.toml` parsed and checked; valid by construction.
//! - [`args`]: the shape of both command lines.
//! - [`bundle`]: every artifact and document, rendered from a spec; pure.
//! - [`guide`]: the sections of a bundle's documents in guides that people write; pure.
//! - [`embedded`]: the bundle that was rendered when this program was built.
//! - [`plan`]: the difference between a bundle and an observed host; pure.
//! - [`probe`]: what a client of a port meets, against what a bundle promises.
//! - [`report`]: who still knocks, read from the logs and counted; pure over readers.
//! - [`host`]: the effects: files, rules, services, the receipt.
//! - [`notice`]: the listener; needs its own settings and nothing else.
//! - [`rehearse`]: the bundle tried with packets in throw-away namespaces.
//! - [`cli`]: from arguments to effects, text and exit status; the only one that prints.
//!
//! `build.rs` compiles `spec`, `args` and `bundle` once more, to embed what they render.

pub mod args;
pub mod bundle;
pub mod cli;
pub mod embedded;
pub mod error;
pub mod exposition;
pub mod guide;
pub mod host;
pub mod notice;
pub mod plan;
pub mod probe;
pub mod rehearse;
pub mod report;
pub mod spec;
