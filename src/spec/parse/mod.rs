//! Reads the text of a TOML into values with their spans.
//!
//! Guarantees: collects every problem instead of stopping at the first one.
//! Never: judges how two values fit together; that is `validate`.

mod document;
mod scalars;
mod suggest;
mod table;
pub(crate) mod values;

pub(super) use self::document::document;
pub(super) use self::table::{Table, table, tables, unknown_tables};
