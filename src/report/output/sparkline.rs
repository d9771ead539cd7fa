//! Sparklines: counts over time as one row of characters.

/// The most columns of a sparkline: what the text table has left of 80.
pub const MAX_COLUMNS: usize = 12;

/// The characters of a sparkline, from the lowest to the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glyphs([char; 8]);

impl Glyphs {
    /// Block elements (U+2581 to U+2588).
    pub const BLOCKS: Glyphs = Glyphs(['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']);
    /// ASCII, which every terminal can show.
    pub const ASCII: Glyphs = Glyphs(['.', ':', '-', '=', '+', '*', '#', '@']);

    /// Blocks if the locale is UTF-8 and the terminal (`TERM`) is likely to have them.
    pub fn supported(locale: &str, terminal: &str) -> Glyphs {
        let locale = locale.to_ascii_lowercase().replace('-', "");
        // The kernel's own console (TERM=linux) has a font without these blocks.
        let is_plain = !locale.contains("utf8") || ["linux", "dumb"].contains(&terminal);
        if is_plain { Glyphs::ASCII } else { Glyphs::BLOCKS }
    }

    /// A sparkline of sums: a column shows the sum of its steps. 0 is a blank.
    pub fn sums(self, counts: &[u32]) -> String {
        let counts = counts.iter().map(|count| u64::from(*count)).collect::<Vec<_>>();
        self.draw(&columns(&counts, |part, steps| {
            (part.iter().sum::<u64>() * steps).div_ceil(part.len() as u64)
        }))
    }

    /// A sparkline of maxima, for counts that must not be added up: the same source may be in every step.
    pub fn peaks(self, counts: &[u32]) -> String {
        let counts = counts.iter().map(|count| u64::from(*count)).collect::<Vec<_>>();
        self.draw(&columns(&counts, |part, _| part.iter().copied().max().unwrap_or_default()))
    }

    fn draw(self, columns: &[u64]) -> String {
        let max = columns.iter().copied().max().unwrap_or_default().max(1);
        let glyph = |count: &u64| match count {
            0 => ' ',
            count => self.0[usize::try_from((count * 8).div_ceil(max) - 1).unwrap_or(7).min(7)],
        };
        columns.iter().map(glyph).collect()
    }
}

/// Groups steps into columns of equal length, from the last step backwards. The first column may have
/// fewer steps; `of` gets the full number too, to scale its sum.
fn columns(counts: &[u64], of: impl Fn(&[u64], u64) -> u64) -> Vec<u64> {
    let steps = counts.len().div_ceil(MAX_COLUMNS).max(1);
    let mut columns: Vec<u64> = counts.rchunks(steps).map(|part| of(part, steps as u64)).collect();
    columns.reverse();
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_need_a_utf_8_locale_and_a_font_that_has_them() {
        for (locale, terminal, glyphs) in [
            ("en_GB.UTF-8", "xterm", Glyphs::BLOCKS),
            ("C.utf8", "", Glyphs::BLOCKS),
            ("C", "xterm", Glyphs::ASCII),
            ("", "", Glyphs::ASCII),
            ("en_GB.UTF-8", "linux", Glyphs::ASCII),
        ] {
            assert_eq!(Glyphs::supported(locale, terminal), glyphs, "{locale} {terminal}");
        }
    }

    #[test]
    fn heights_are_relative_to_the_highest_column() {
        assert_eq!(Glyphs::BLOCKS.sums(&[0, 1, 4, 8]), " ▁▄█");
        assert_eq!(Glyphs::ASCII.sums(&[0, 1, 4, 8]), " .=@");
        let many: Vec<u32> = (0..120).collect();
        assert_eq!(Glyphs::BLOCKS.sums(&many).chars().count(), MAX_COLUMNS);
        assert_eq!(Glyphs::BLOCKS.sums(&[u32::MAX; 128]), "█".repeat(MAX_COLUMNS));
        assert_eq!(Glyphs::BLOCKS.peaks(&[]), "");
        assert_eq!(Glyphs::BLOCKS.peaks(&[1; 24]), "█".repeat(MAX_COLUMNS));
        assert_eq!(Glyphs::BLOCKS.sums(&[5; 25]), "█".repeat(9));
    }
}
