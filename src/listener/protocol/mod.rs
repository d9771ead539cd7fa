//! The protocol, sans-IO: received bytes in, owed replies out.
//!
//! From the bottom up: `resp_length`, `known_commands` and `command`; `parser`; `reply_policy`, `encode`
//! and `reply_queue`; `client_info`; `first_bytes`; `exchange`; and `session`, which joins them.

pub mod client_info;
mod command;
pub mod encode;
mod exchange;
pub mod first_bytes;
pub mod known_commands;
pub mod parser;
mod reply_policy;
pub mod reply_queue;
mod resp_length;
pub mod session;
