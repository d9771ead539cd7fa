//! Keeps retired Redis ports shut to the outside, usable to local services, and tells clients that
//! still connect where to go.
//!
//! A ladder of modules; each imports only what stands above it here:
//!
//! - [`error`]: the error of everything that has effects.
//! - [`family`]: IPv4 and IPv6.
//! - [`text_layout`]: text in lines of limited width; pure.
//! - [`exposition`]: the text format in which metrics are written; pure.
//! - [`listener_contract`]: what the generator, the listener, the report and the status share; pure.
//! - [`spec`]: `redisguard.toml`, parsed and checked; valid by construction.
//! - [`unit`]: the systemd units by name; a leaf.
//! - [`args`]: the shape of both command lines.
//! - [`bundle`]: every artifact and document, rendered from a spec; pure.
//! - [`guide`]: the marked sections in guides that people write; pure.
//! - [`embedded`]: the bundle that was rendered when this program was built.
//! - [`plan`]: the difference between a bundle and an observed host; pure.
//! - [`files`]: atomic writes and trees; knows nothing of hosts.
//! - [`os`]: programs that are run, names, systemd, packages, sockets.
//! - [`firewall`]: the kernel's rules, by iptables and by nftables.
//! - [`report`]: who still connects, read from the logs and counted; pure over readers.
//! - [`expectation`]: what a client of a port must meet; pure.
//! - [`probe`]: what a client meets, here and on many hosts.
//! - [`listener`]: the notice listener; needs nothing but its own settings.
//! - [`host`]: observes a host and changes it: receipt, lock, apply, remove, rollback.
//! - [`log_sources`]: finds, opens and reads a host's logs of connection attempts.
//! - [`status`]: what is wrong on a host.
//! - [`rehearse`]: the bundle tried with packets in throw-away namespaces.
//! - [`cli`]: from arguments to effects, text and exit status; the only one that prints.
//!
//! `build.rs` compiles `family`, `listener_contract`, `unit`, `spec` and `bundle` once more, to embed what
//! they render.

pub mod args;
pub mod bundle;
pub mod cli;
pub mod error;
pub mod family;
pub mod files;
pub mod listener_contract;
pub mod spec;
pub mod text_layout;
pub mod unit;

#[cfg(feature = "generator")]
pub mod guide;

#[cfg(feature = "installer")]
pub mod embedded;
#[cfg(feature = "installer")]
pub mod expectation;
#[cfg(feature = "installer")]
pub mod exposition;
#[cfg(feature = "installer")]
pub mod firewall;
#[cfg(feature = "installer")]
pub mod host;
#[cfg(feature = "installer")]
pub mod listener;
#[cfg(feature = "installer")]
pub mod log_sources;
#[cfg(feature = "installer")]
pub mod os;
#[cfg(feature = "installer")]
pub mod plan;
#[cfg(feature = "installer")]
pub mod probe;
#[cfg(feature = "installer")]
pub mod rehearse;
#[cfg(feature = "installer")]
pub mod report;
#[cfg(feature = "installer")]
pub mod status;

#[cfg(all(feature = "installer", not(target_os = "linux")))]
compile_error!(
    "redisguard-install runs on Linux only; build redisguard-gen alone: \
     cargo build --no-default-features --features generator --bin redisguard-gen"
);
