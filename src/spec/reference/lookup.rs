//! Looks tables and keys up in the reference.

use super::tables::TABLES;
use super::types::{Key, Table};

/// The table of that name.
pub fn table(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}

/// The key of that name in the table of that name.
pub fn key(table_name: &str, name: &str) -> Option<&'static Key> {
    table(table_name)?.keys.iter().find(|key| key.name == name)
}
