//! The server: the process, its one event loop, and the connections.

mod accept;
mod announce;
mod bind_retry;
mod brake;
mod connections;
pub(super) mod event_loop;
mod requests;
pub(super) mod run;
mod shared;
