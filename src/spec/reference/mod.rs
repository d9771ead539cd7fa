//! The reference of redisguard.toml: every table and key with its type, default, bounds and meaning,
//! as plain data.
//!
//! Guarantees: what is not listed here is refused; defaults, bounds, the JSON Schema and the reference
//! pages are all read from here.

mod lookup;
mod tables;
mod types;

pub use self::lookup::{key, table};
pub use self::tables::TABLES;
pub use self::types::{Default, Key, Kind, Occurrence, Table};
