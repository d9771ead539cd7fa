//! The report's output formats, one file each, all made from a `Summary`.

pub mod csv;
pub mod html;
pub mod sparkline;
pub mod table;
