//! What users of real clients and other programs see, as docs/clients.md says.

pub mod client_program;
mod documented_clients;
pub mod libraries;
mod network_tools;
mod redirected_client;
mod redis_cli;
pub mod tls_clients;
