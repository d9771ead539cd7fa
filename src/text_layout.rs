//! Text in lines of limited width, for terminals. Pure.

use textwrap::{Options, WordSplitter};

/// The columns of a terminal, as all output is laid out for.
pub const WIDTH: usize = 80;

/// Breaks a text at its blanks into lines of at most `width` columns. The first line begins with `first`,
/// the others with `rest`. A word that is wider than a line has one of its own: paths and commands stay whole,
/// so that they can be copied.
pub fn wrapped(text: &str, width: usize, first: &str, rest: &str) -> String {
    let options = Options::new(width).initial_indent(first).subsequent_indent(rest);
    let whole_words = options.break_words(false).word_splitter(WordSplitter::NoHyphenation);
    textwrap::fill(text, whole_words)
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
