//! Owns the escapers, one for each format that values are rendered into. askama picks one by the
//! template's file name (askama.toml), so a value cannot be rendered without it.

use askama::filters::Escaper;
use std::fmt::{self, Write};

macro_rules! escaper {
    ($(#[$doc:meta])* $name:ident, $replace:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $name;

        impl Escaper for $name {
            fn write_escaped_str<W: Write>(&self, mut dest: W, string: &str) -> fmt::Result {
                let replace: fn(char) -> Option<&'static str> = $replace;
                // Most text needs no escape: what lies between two goes out in one piece.
                let mut written = 0;
                for (place, character) in string.char_indices() {
                    if let Some(text) = replace(character) {
                        dest.write_str(&string[written..place])?;
                        dest.write_str(text)?;
                        written = place + character.len_utf8();
                    }
                }
                dest.write_str(&string[written..])
            }
        }
    };
}

escaper! {
    /// systemd units and tmpfiles.d: `%` begins a specifier (systemd.unit(5)).
    Unit,
    |character| match character {
        '%' => Some("%%"),
        '\\' => Some("\\\\"),
        '\n' | '\r' => Some(" "),
        _ => None,
    }
}

escaper! {
    /// Quoted words of iptables-restore, written as iptables-save writes them.
    Rules,
    |character| match character {
        '"' => Some("\\\""),
        '\'' => Some("\\'"),
        '\\' => Some("\\\\"),
        '\n' | '\r' => Some(" "),
        _ => None,
    }
}

escaper! {
    /// Quoted strings of nft, which know no escape (nft(8)).
    Nft,
    |character| match character {
        '"' => Some("'"),
        '\n' | '\r' => Some(" "),
        _ => None,
    }
}

escaper! {
    /// Double-quoted strings of TOML and YAML: the escapes that both know.
    Quoted,
    |character| match character {
        '"' => Some("\\\""),
        '\\' => Some("\\\\"),
        '\n' => Some("\\n"),
        '\r' => Some("\\r"),
        '\t' => Some("\\t"),
        _ => None,
    }
}

escaper! {
    /// Running text of Markdown (CommonMark's backslash escapes, and no HTML).
    Markdown,
    |character| match character {
        '\\' => Some("\\\\"),
        '`' => Some("\\`"),
        '*' => Some("\\*"),
        '_' => Some("\\_"),
        '[' => Some("\\["),
        ']' => Some("\\]"),
        '#' => Some("\\#"),
        '|' => Some("\\|"),
        '~' => Some("\\~"),
        '!' => Some("\\!"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '&' => Some("&amp;"),
        '\n' | '\r' => Some(" "),
        _ => None,
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
    }
}
