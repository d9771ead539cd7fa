//! Owns the forms that pages are made of: running text, tables and code.

/// Text that was written for a terminal, as Markdown that reads the same. Words between backquotes stay
/// code; a lone backquote and what else is syntax are escaped.
pub fn prose(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return escaped(text);
    }
    let part = |(place, part): (usize, &&str)| match place % 2 {
        0 => escaped(part),
        _ => format!("`{part}`"),
    };
    parts.iter().enumerate().map(part).collect()
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        if "\\`*_[]<>|#~&".contains(character) {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

/// A table; cells are Markdown already.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(header.iter().map(|&cell| cell.to_owned()).collect());
    text.push_str(&line(header.iter().map(|_| "---".to_owned()).collect()));
    rows.into_iter().for_each(|row| text.push_str(&line(row)));
    text
}

/// A fenced block.
pub fn fenced(language: &str, text: &str) -> String {
    format!("```{language}\n{}\n```\n", text.trim_end())
}

/// A word of code within a line or a cell.
pub fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulldown_cmark::{Event, Parser};

    /// What a reader sees.
    fn read(markdown: &str) -> String {
        let events = Parser::new(markdown).map(|event| match event {
            Event::Text(text) => text.to_string(),
            Event::Code(text) => format!("`{text}`"),
            _ => String::new(),
        });
        events.collect()
    }

    #[test]
    fn what_is_said_in_a_terminal_reads_the_same_on_a_page() {
        let lone = "one of \" \\ ` $ < > { } or *one* that_nobody sees";
        let pairs = "`[[reserved]]` and `allow` in [docs] <!-- or # | ~ & -->";
        for text in [lone, pairs, "a [table] of [[two]] <b>"] {
            assert_eq!(read(&prose(text)), text);
        }
    }
}
