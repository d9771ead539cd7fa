//! Tests that need nothing but Rust: no root, no other programs, no network.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod architecture;
mod bundle;
mod dependencies;
mod documents;
mod generator;
mod guide_sections;
mod kernel_log_forms;
mod listener_protocol;
mod report_formats;
mod report_line_properties;
mod spec;
mod test_index;
