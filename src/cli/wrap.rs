//! Wraps running text for a terminal.

use textwrap::{Options, WordSplitter};

/// Options for lines of at most `width` columns. A word that is longer has a line of its own: paths and
/// commands must stay whole, to be copied.
pub fn options<'a>(width: usize) -> Options<'a> {
    Options::new(width).break_words(false).word_splitter(WordSplitter::NoHyphenation)
}
