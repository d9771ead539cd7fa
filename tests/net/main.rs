//! Tests with real programs and clients on a real kernel: sockets of this machine, and hosts of a
//! test's own in namespaces. No systemd runs there.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "../support/mod.rs"]
mod support;

mod artifacts;
mod change_summary;
mod ci_recipes;
mod documented_commands;
mod generation_on_a_full_disk;
mod guard;
mod installer;
mod listener;
mod monitoring;
mod rehearsal;
mod report;
