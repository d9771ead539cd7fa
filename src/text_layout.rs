//! Text in lines of limited width, for terminals. Pure.

/// Breaks a text at its blanks into lines of at most `width` characters. The first line begins with `first`,
/// the others with `rest`. A word that is wider than a line has one of its own: paths and commands stay whole,
/// so that they can be copied.
pub fn wrapped(text: &str, width: usize, first: &str, rest: &str) -> String {
    let mut wrapped = first.to_owned();
    let mut column = first.chars().count();
    for (index, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        if index > 0 && column + 1 + length > width {
            wrapped.push('\n');
            wrapped.push_str(rest);
            column = rest.chars().count();
        } else if index > 0 {
            wrapped.push(' ');
            column += 1;
        }
        wrapped.push_str(word);
        column += length;
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_blanks_and_words_stay_whole() {
        assert_eq!(wrapped("ab cd ef", 5, "", ""), "ab cd\nef");
        assert_eq!(wrapped("ab cd ef", 5, "", "  "), "ab cd\n  ef");
        assert_eq!(wrapped("ab cd ef", 5, "> ", "  "), "> ab\n  cd\n  ef");
        assert_eq!(wrapped("a /a/long/path b", 5, "", " "), "a\n /a/long/path\n b");
        assert_eq!(wrapped("", 5, "", "  "), "");
    }
}
