//! The output formats of a report, one file each, all rendered from a [`crate::report::Summary`].

pub mod csv;
mod details;
pub mod html;
mod notes;
pub mod skipped;
pub mod sparkline;
pub mod table;
