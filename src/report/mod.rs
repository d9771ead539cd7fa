//! Who still tries to connect: parses the lines of logs, counts the attempts and renders a report.
//!
//! Guarantees: bounded memory; nothing in a log is trusted, since clients choose parts of its text.
//! Never: opens a file or asks for the time; callers pass readers and timestamps.

mod aggregate;
mod client_values;
mod completeness;
pub mod format;
mod histogram;
mod kernel_log;
mod line_counts;
mod lines;
mod listener_log;
pub mod output;
mod record;
mod source;
mod summary;
mod timestamp;
mod totals;

pub use self::aggregate::{
    Aggregate, Details, Evicted, Filter, Libraries, LibrariesUsed, LibraryId, LibraryRow,
    MAX_LIBRARIES, MAX_PORTS, MAX_ROWS, MAX_STATED_PEERS, MAX_VALUES, PortRow, Probes, Row,
    TopValues,
};
pub use self::client_values::{AddressUse, CommandUse, NameUse, UidUse};
pub use self::histogram::{Histogram, MAX_STEPS, TimeAxis};
pub use self::line_counts::{LineCounts, SkippedLine};
pub use self::lines::{LineFormat, Place, read_lines, scan};
pub use self::record::{
    AnswerKind, Attempt, ClientDetails, Library, Line, LostLines, Protocol, SkipReason, Skipped,
    UnixMillis,
};
pub use self::source::{LocalClient, Source, UNIDENTIFIED};
pub use self::summary::{
    LibrarySummary, LibraryUse, PortSummary, ProbeSummary, SourceSummary, Summary, TimelineStep,
    Unlisted,
};
pub use self::timestamp::{TimestampParser, to_rfc3339};
pub use self::totals::{AnswerCounts, Totals};
