//! Looks tables, keys, defaults and bounds up in the reference.

use super::tables::TABLES;
use super::types::{Default, Key, Kind, Table};
use std::ops::RangeInclusive;

/// The table of that name.
pub fn table(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}

/// The key of that name in the table of that name.
pub fn key(table_name: &str, name: &str) -> Option<&'static Key> {
    table(table_name)?.keys.iter().find(|key| key.name == name)
}

/// The default of a text or a choice.
///
/// # Panics
/// Where the reference has no such default; so do the functions below. The tests read every key.
pub fn default_text(table: &str, name: &str) -> &'static str {
    match key(table, name).map(|key| key.default) {
        Some(Default::Text(text)) => text,
        other => unreachable!("{table}.{name} has no text for a default but {other:?}"),
    }
}

/// The default of a number.
pub fn default_number(table: &str, name: &str) -> u64 {
    match key(table, name).map(|key| key.default) {
        Some(Default::Number(number)) => number,
        other => unreachable!("{table}.{name} has no number for a default but {other:?}"),
    }
}

/// The least and the greatest value of a number.
pub fn bounds(table: &str, name: &str) -> RangeInclusive<u64> {
    match key(table, name).map(|key| key.kind) {
        Some(Kind::Number(least, most)) => least..=most,
        other => unreachable!("{table}.{name} is no number but {other:?}"),
    }
}

/// The most bytes that a line may have.
pub fn max_line_length(table: &str, name: &str) -> usize {
    match key(table, name).map(|key| key.kind) {
        Some(Kind::Line(most)) => most,
        other => unreachable!("{table}.{name} is no line but {other:?}"),
    }
}
