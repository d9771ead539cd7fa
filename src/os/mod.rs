//! What the operating system offers, asked through its own programs and files: programs that are run,
//! names that are resolved, systemd, packages, sockets.
//!
//! Never: knows of bundles, rules or receipts.

pub(crate) mod command;
pub mod deb;
pub(crate) mod os_error;
pub(crate) mod resolver;
pub mod reverse_lookup;
pub mod sockets;
pub mod systemd;
