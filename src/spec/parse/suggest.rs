//! Owns the search among the known names: what an unknown one was probably meant to be, and where a
//! key belongs that stands in the wrong table.

use crate::spec::reference;
use crate::spec::reference::Given;

/// The keys of one table.
pub fn of(table: &str) -> impl Iterator<Item = &'static str> + Clone {
    reference::table(table).map_or(&[][..], |table| table.keys).iter().map(|key| key.name)
}

/// The tables that stand at the top of a TOML.
pub fn outermost() -> impl Iterator<Item = &'static str> + Clone {
    reference::TABLES.iter().map(|table| table.name).filter(|name| !name.contains('.'))
}

/// The tables that have a key of this very name, as their headers are written.
pub fn homes(key: &str) -> Vec<String> {
    let homes = reference::TABLES.iter().filter(|table| of(table.name).any(|name| name == key));
    homes.map(header).collect()
}

fn header(table: &reference::Table) -> String {
    match table.given {
        Given::Repeated => format!("[[{}]]", table.name),
        Given::Once | Given::Optional => format!("[{}]", table.name),
    }
}

/// The known name that `word` was probably meant to be.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase().replace('_', "-");
    // A slip of the fingers, or the beginning of the right word.
    let close = |name: &str| {
        let slips = strsim::damerau_levenshtein(&word, name);
        slips <= (name.chars().count() / 3).max(1) || strsim::jaro_winkler(&word, name) > 0.85
    };
    known
        .filter(|name| close(name))
        .map(|name| (strsim::jaro_winkler(&word, name), name))
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_another_word_is_not_bent_to_fit() {
        let near = |word: &str| nearest(word, of("notice"));
        assert_eq!(near("log_format"), Some("log-format"));
        assert_eq!(near("max-conections"), Some("max-connections"));
        assert_eq!(near("Port"), Some("port"));
        assert_eq!(near("certificate"), None);
        assert_eq!(nearest("title", outermost()), None);
        assert_eq!(nearest("reservd", outermost()), Some("reserved"));
    }

    #[test]
    fn a_key_in_the_wrong_table_is_led_home() {
        assert_eq!(homes("email"), ["[contact]"]);
        assert_eq!(homes("port"), ["[[reserved]]", "[notice]"]);
        assert!(homes("nobody").is_empty());
    }
}
