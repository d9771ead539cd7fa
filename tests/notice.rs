//! The notice listener as its users meet it: the real binary, real clients, real sockets.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "notice/abuse.rs"]
mod abuse;
#[path = "notice/account.rs"]
mod account;
#[path = "notice/certificate.rs"]
mod certificate;
#[path = "notice/crowd.rs"]
mod crowd;
#[path = "notice/disk.rs"]
mod disk;
#[path = "notice/half_open.rs"]
mod half_open;
#[path = "notice/heavy.rs"]
mod heavy;
#[path = "notice/libraries.rs"]
mod libraries;
#[path = "notice/library.rs"]
mod library;
#[path = "notice/listener.rs"]
mod listener;
#[path = "notice/log.rs"]
mod log;
#[path = "notice/page.rs"]
mod page;
#[path = "notice/process.rs"]
mod process;
#[path = "notice/properties.rs"]
mod properties;
#[path = "fuzz/property.rs"]
mod property;
#[path = "notice/redirect.rs"]
mod redirect;
#[path = "notice/redis_cli.rs"]
mod redis_cli;
#[path = "notice/resources.rs"]
mod resources;
#[path = "notice/rotation.rs"]
mod rotation;
#[path = "notice/stall.rs"]
mod stall;
mod support;
#[path = "notice/tls.rs"]
mod tls;
#[path = "notice/tls_wire.rs"]
mod tls_wire;
#[path = "notice/tools.rs"]
mod tools;
#[path = "notice/wire.rs"]
mod wire;
