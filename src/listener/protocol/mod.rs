//! The protocol, sans-IO: received bytes in, owed replies out.
//!
//! From the bottom up: `resp_length`, `known_commands` and `command`; `parser`; `reply_policy`, `encode`
//! and `reply_queue`; `client_info`; and `session`, which joins them.

pub(in crate::listener) mod client_info;
mod command;
pub(in crate::listener) mod encode;
pub(in crate::listener) mod known_commands;
pub(in crate::listener) mod parser;
mod reply_policy;
pub(in crate::listener) mod reply_queue;
mod resp_length;
pub(in crate::listener) mod session;
