//! Suggestions for unknown names: the closest known name, and the tables that have such a key.

use crate::spec::reference::{TABLES, Table, table};

/// The names of a table's keys.
pub fn keys_of(name: &str) -> impl Iterator<Item = &'static str> + Clone {
    table(name).map_or(&[][..], |table| table.keys).iter().map(|key| key.name)
}

/// The names of the tables at the top level.
pub fn top_level_tables() -> impl Iterator<Item = &'static str> + Clone {
    TABLES.iter().map(|table| table.name).filter(|name| !name.contains('.'))
}

/// The headers of the tables that have a key of exactly this name.
pub fn tables_with_key(key: &str) -> Vec<String> {
    let has_key = |table: &&Table| table.keys.iter().any(|known| known.name == key);
    TABLES.iter().filter(has_key).map(Table::header).collect()
}

/// The known name that is closest to `word`, if one is close enough to be a typing error or an
/// abbreviation.
pub fn closest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase().replace('_', "-");
    // One edit per three characters is a typing error. Jaro-Winkler, which weighs the beginning most,
    // also finds names that were cut short; 0.85 keeps `certificate` away from every key of [notice].
    let is_close = |name: &str| {
        let edits = strsim::damerau_levenshtein(&word, name);
        edits <= (name.chars().count() / 3).max(1) || strsim::jaro_winkler(&word, name) > 0.85
    };
    known
        .filter(|name| is_close(name))
        .map(|name| (strsim::jaro_winkler(&word, name), name))
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_is_corrected_and_another_word_is_not() {
        let suggestion = |word: &str| closest(word, keys_of("notice"));
        assert_eq!(suggestion("log_format"), Some("log-format"));
        assert_eq!(suggestion("max-conections"), Some("max-connections"));
        assert_eq!(suggestion("Port"), Some("port"));
        assert_eq!(suggestion("certificate"), None);
        assert_eq!(closest("title", top_level_tables()), None);
        assert_eq!(closest("reservd", top_level_tables()), Some("reserved"));
    }

    #[test]
    fn a_key_in_the_wrong_table_finds_its_tables() {
        assert_eq!(tables_with_key("email"), ["[contact]"]);
        assert_eq!(tables_with_key("port"), ["[[reserved]]", "[notice]"]);
        assert!(tables_with_key("unknown").is_empty());
    }
}
