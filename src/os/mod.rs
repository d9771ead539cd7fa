//! What the operating system offers, asked through its own programs and files: programs that are run,
//! names that are resolved, systemd, packages, sockets.
//!
//! Never: knows of bundles, rules or receipts.

pub(crate) mod os_error;

#[cfg(feature = "installer")]
pub(crate) mod command;
#[cfg(feature = "installer")]
pub mod deb;
#[cfg(feature = "installer")]
pub(crate) mod resolver;
#[cfg(feature = "installer")]
pub mod reverse_lookup;
#[cfg(feature = "installer")]
pub mod sockets;
#[cfg(feature = "installer")]
pub mod systemd;
