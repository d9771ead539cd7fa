//! The listener's log: what it says, and what becomes of it when it cannot be written.

mod health;
mod log_lines;
mod rotation;
mod stalled_reader;
mod unwritable_disk;
