//! Numbers and timestamps as text for people.

/// A number with commas between the thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A line of a log as printable ASCII, other bytes as `\xNN`, so that a terminal shows it and does nothing else.
pub fn printable(line: &[u8]) -> String {
    let mut text = String::with_capacity(line.len());
    for byte in line {
        match byte {
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}

/// The date of an RFC 3339 timestamp.
pub fn day(timestamp: &str) -> &str {
    timestamp.get(..10).unwrap_or(timestamp)
}

/// The date and minute of an RFC 3339 timestamp.
pub fn minute(timestamp: &str) -> String {
    timestamp.get(..16).unwrap_or(timestamp).replace('T', " ")
}

/// A library with its version, where it has one.
pub fn library(name: &str, version: Option<&str>) -> String {
    version.map_or_else(|| name.to_owned(), |version| format!("{name} {version}"))
}

/// A text of at most `max` characters: the end of a longer one is replaced by `mark`.
pub fn shortened(text: &str, max: usize, mark: &str) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max - mark.chars().count()).chain(mark.chars()).collect()
}

/// A text of at most `max` characters: the beginning of a longer one is replaced by `mark`. The end of a path
/// says the most.
pub fn shortened_at_start(text: &str, max: usize, mark: &str) -> String {
    let length = text.chars().count();
    if length <= max {
        return text.to_owned();
    }
    mark.chars().chain(text.chars().skip(length + mark.chars().count() - max)).collect()
}

/// How many values there are beside the first of so many. A list of `max` values may have lost others.
pub fn and_more(listed: usize, max: usize) -> String {
    match listed.saturating_sub(1) {
        0 => String::new(),
        more if listed < max => format!(" and {more} more"),
        more => format!(" and at least {more} more"),
    }
}

/// The length of a time step in words. Steps have the widths of [`super::histogram`].
pub fn step(seconds: i64) -> String {
    match seconds {
        60 => "minute".to_owned(),
        3600 => "hour".to_owned(),
        86_400 => "day".to_owned(),
        604_800 => "week".to_owned(),
        _ if seconds % 604_800 == 0 => format!("{} weeks", seconds / 604_800),
        _ => format!("{} minutes", seconds / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_and_marked() {
        assert_eq!(shortened(&"x".repeat(80), 80, "..."), "x".repeat(80));
        assert_eq!(shortened(&"x".repeat(81), 80, "..."), "x".repeat(77) + "...");
        assert_eq!(shortened("äöüß", 3, "…"), "äö…");
        assert_eq!(shortened_at_start("/a/b/c.scope", 12, "..."), "/a/b/c.scope");
        assert_eq!(shortened_at_start("/a/b/c.scope", 10, "..."), "...c.scope");
    }

    #[test]
    fn a_list_of_the_most_values_may_have_lost_others() {
        assert_eq!(
            [0, 1, 2, 7].map(|listed| and_more(listed, 8)),
            ["", "", " and 1 more", " and 6 more"]
        );
        assert_eq!(and_more(8, 8), " and at least 7 more");
    }

    #[test]
    fn a_line_of_a_log_cannot_steer_a_terminal() {
        assert_eq!(printable(b"a\x1b[2J\t\xc3\xa4"), "a\\x1b[2J\\x09\\xc3\\xa4");
    }

    #[test]
    fn numbers_timestamps_and_steps_are_formatted() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(minute("2026-11-27T05:45:00Z"), "2026-11-27 05:45");
        assert_eq!([600, 2_419_200].map(step), ["10 minutes", "4 weeks"]);
    }
}
