//! The timestamps of logs. `parser` has the listener's own form, RFC 3339 in UTC; `forms` those of other programs,
//! and `years` finds the years that some of them lack.

mod forms;
mod numbers;
mod parser;
mod years;

pub(super) use self::forms::{When, Yearless};
pub use self::parser::{TimestampParser, to_rfc3339};
pub(super) use self::years::{Dated, Segment};
