//! What the operating system offers, asked through its own programs and files: running programs, the name
//! service, systemd, the Debian package, open sockets.
//!
//! Never: reads a receipt, or decides what a host should be.

pub(crate) mod command;
pub mod deb;
pub mod resolver;
pub mod sockets;
pub mod systemd;
pub mod unit_jobs;
pub mod unit_order;
