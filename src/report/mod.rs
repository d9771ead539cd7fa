//! Owns what the logs tell of those who still knock: reading lines that anybody may have had a hand in,
//! and counting them in bounded memory. Pure over readers; opens no file and knows no clock.

mod aggregate;
pub mod format;
mod histogram;
mod kernel_log;
mod lines;
mod listener_log;
pub mod output;
mod record;
mod summary;
mod timestamp;
mod totals;

pub use self::aggregate::{
    Census, LibraryRow, Lines, MOST_LIBRARIES, MOST_PORTS, MOST_ROWS, PortRow, Row, Scope,
};
pub use self::histogram::{History, STEPS, Span};
pub use self::lines::{Writer, count};
pub use self::output::sparkline::Glyphs;
pub use self::record::{Answer, Fault, Knock, Library, Line, Moment, Protocol, Source};
pub use self::summary::{
    Knocks, Library as LibraryTold, Lost, Others, Port, Step, Summary, Used, moment,
};
pub use self::timestamp::Calendar;
pub use self::totals::{Answers, Count};
