//! The protocol without I/O: received bytes in, owed replies out.
//!
//! From the bottom up: `resp_length`, `known_commands` and `command`; `parser`; `reply_policy`, `encode`
//! and `reply_queue`; and `session`, which joins them.

mod command;
pub(crate) mod encode;
pub(crate) mod known_commands;
pub(crate) mod parser;
mod reply_policy;
pub(crate) mod reply_queue;
mod resp_length;
pub(crate) mod session;
