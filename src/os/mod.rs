//! What the operating system offers, asked through its own programs and files: running programs, the name
//! service, systemd, the Debian package, open sockets, files that can be written, and whose kernel this is.
//!
//! Never: reads a receipt, or decides what a host should be.

pub mod appendable;
pub(crate) mod command;
pub mod deb;
mod early_programs;
mod foreign_kernel;
pub mod ipvs;
pub mod resolver;
pub mod sockets;
pub mod systemd;
pub mod unit_jobs;
pub mod unit_order;

pub use self::early_programs::early_programs;
pub use self::foreign_kernel::ForeignKernel;
