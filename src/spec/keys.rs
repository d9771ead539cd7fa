//! Owns the list of all keys that a TOML may have. What is not here is refused.

/// One key of one table.
pub struct Key {
    /// The table's name; `reserved` is an array of tables, and a dot leads into a table's table.
    pub table: &'static str,
    /// The key's name.
    pub name: &'static str,
}

macro_rules! keys {
    ($($table:literal: $($name:literal),*;)*) => {
        /// Every key, table by table.
        pub const KEYS: &[Key] = &[$($(Key { table: $table, name: $name }),*),*];
        /// Every table.
        pub const TABLES: &[&str] = &[$($table),*];
    };
}

keys! {
    "site": "title", "author", "date", "priority";
    "contact": "team", "email";
    "cluster": "ports", "host";
    "reserved": "port", "label", "external", "listen", "allow-ssh";
    "firewall": "backend", "allow", "existing";
    "notice": "port", "log", "log-format", "log-per-source", "max-connections", "max-per-source", "idle", "tls";
    "notice.tls": "cert", "key";
    "docs": "overview", "reservations", "guides";
}

/// The keys of one table.
pub fn of(table: &str) -> impl Iterator<Item = &'static str> + '_ {
    KEYS.iter().filter(move |key| key.table == table).map(|key| key.name)
}

/// The known name that `word` was probably meant to be.
pub fn nearest(word: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    known
        .map(|name| (strsim::jaro_winkler(word, name), name))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, name)| name)
}
