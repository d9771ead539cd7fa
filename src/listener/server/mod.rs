//! The server: the process, its one event loop, and the table of connections.

pub(crate) mod connections;
pub(crate) mod event_loop;
pub(crate) mod run;
mod shared;
