//! Owns what the logs tell of those who still knock: reading lines that anybody may have had a hand in,
//! and counting them in bounded memory. Pure over readers; opens no file and knows no clock.

mod census;
mod kernel;
mod knock;
mod listener;
pub mod page;
mod read;
mod span;
mod spark;
mod stamp;
mod summary;
mod tally;
pub mod words;

pub use census::{
    Census, LibraryRow, Lines, MOST_LIBRARIES, MOST_PORTS, MOST_ROWS, PortRow, Row, Scope,
};
pub use knock::{Answer, Fault, Knock, Library, Line, Moment, Protocol, Source};
pub use read::{Writer, count};
pub use span::{History, STEPS, Span};
pub use spark::Glyphs;
pub use stamp::Calendar;
pub use summary::{
    Knocks, Library as LibraryTold, Lost, Others, Port, Step, Summary, Used, moment,
};
pub use tally::{Answers, Count};
