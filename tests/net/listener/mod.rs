//! The listener with real clients and sockets.

mod certificates;
mod clients;
mod delivery;
mod eviction_under_load;
mod first_bytes;
mod harness;
mod late_clients;
mod log;
mod oversized_input;
mod plain_protocol;
mod process_lifecycle;
mod reconnect_storms;
mod replies_like_redis;
mod tls_protocol;
mod vanished_peers;
