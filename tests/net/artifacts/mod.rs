//! Rendered artifacts, before the real programs that read them.

mod firewall_rules;
mod host_files;
mod sampled_hostile_texts;
mod unit_files;
