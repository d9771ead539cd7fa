//! The escapers, one for each format that values are rendered into.
//!
//! Guarantees: askama picks the escaper by the extension of the template (askama.toml), so a template
//! cannot render a value without one.

use askama::filters::Escaper;
use std::fmt::{self, Write};

macro_rules! escaper {
    ($(#[$doc:meta])* $name:ident: $($from:pat => $to:literal,)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $name;

        impl Escaper for $name {
            fn write_escaped_str<W: Write>(&self, mut dest: W, string: &str) -> fmt::Result {
                // Most text needs no escape, so the parts between two escapes are written whole.
                let mut written = 0;
                for (index, character) in string.char_indices() {
                    let escaped = match character {
                        $($from => $to,)*
                        _ => continue,
                    };
                    dest.write_str(&string[written..index])?;
                    dest.write_str(escaped)?;
                    written = index + character.len_utf8();
                }
                dest.write_str(&string[written..])
            }
        }
    };
}

escaper! {
    /// systemd units and tmpfiles.d: `%` begins a specifier (systemd.unit(5)).
    Unit:
    '%' => "%%",
    '\\' => "\\\\",
    '\n' | '\r' => " ",
}

escaper! {
    /// Quoted words of iptables-restore, written as iptables-save writes them.
    Rules:
    '"' => "\\\"",
    '\'' => "\\'",
    '\\' => "\\\\",
    '\n' | '\r' => " ",
}

escaper! {
    /// Quoted strings of nft, which know no escape (nft(8)).
    Nft:
    '"' => "'",
    '\n' | '\r' => " ",
}

escaper! {
    /// Double-quoted strings of TOML and YAML: the escapes that both know.
    Quoted:
    '"' => "\\\"",
    '\\' => "\\\\",
    '\n' => "\\n",
    '\r' => "\\r",
    '\t' => "\\t",
}

escaper! {
    /// Markdown's syntax within a line (CommonMark's backslash escapes, and no HTML).
    Inline:
    '\\' => "\\\\",
    '`' => "\\`",
    '*' => "\\*",
    '_' => "\\_",
    '[' => "\\[",
    ']' => "\\]",
    '#' => "\\#",
    '|' => "\\|",
    '~' => "\\~",
    '!' => "\\!",
    '<' => "&lt;",
    '>' => "&gt;",
    '&' => "&amp;",
    '\n' | '\r' => " ",
}

/// Running text of Markdown that opens no list, even at the beginning of a paragraph or an item.
#[derive(Clone, Copy, Debug, Default)]
pub struct Markdown;

impl Escaper for Markdown {
    fn write_escaped_str<W: Write>(&self, mut dest: W, string: &str) -> fmt::Result {
        let digits = string.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = string.split_at(digits);
        dest.write_str(number)?;
        // A list item begins with - or +, or with a number and . or ), and then a space (CommonMark 0.31,
        // section 5.2). Without the space it is ordinary text, such as a range of ports.
        let marks = if digits == 0 { ["- ", "+ "] } else { [". ", ") "] };
        if marks.iter().any(|mark| rest.starts_with(mark)) {
            dest.write_char('\\')?;
        }
        Inline.write_escaped_str(dest, rest)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn escaped(escaper: impl Escaper, text: &str) -> String {
        let mut out = String::new();
        escaper.write_escaped_str(&mut out, text).unwrap();
        out
    }

    #[test]
    fn every_format_keeps_a_value_inside() {
        assert_eq!(escaped(Unit, "100%\n[Service]"), "100%% [Service]");
        assert_eq!(escaped(Rules, "a\" -j ACCEPT 'x'"), "a\\\" -j ACCEPT \\'x\\'");
        assert_eq!(escaped(Nft, "a\"; flush"), "a'; flush");
        assert_eq!(escaped(Quoted, "a\"\n\\"), "a\\\"\\n\\\\");
        assert_eq!(escaped(Markdown, "<b>|_x_|"), "&lt;b&gt;\\|\\_x\\_\\|");
        assert_eq!(escaped(Markdown, "- a - b"), "\\- a - b");
        assert_eq!(escaped(Markdown, "12. a 1) b"), "12\\. a 1) b");
        for plain in ["7000-7002", "-", "-7002", "6.2"] {
            assert_eq!(escaped(Markdown, plain), plain);
        }
    }
}
