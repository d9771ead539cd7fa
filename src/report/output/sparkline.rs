//! Owns sparklines: a row of characters for what happened over time.

/// The most columns of a sparkline.
pub const COLUMNS: usize = 12;

/// What sparklines are drawn with, from little to much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glyphs([char; 8]);

impl Glyphs {
    /// Blocks of eight heights.
    pub const BLOCKS: Glyphs = Glyphs(['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']);
    /// What every terminal has.
    pub const ASCII: Glyphs = Glyphs(['.', ':', '-', '=', '+', '*', '#', '@']);

    /// So many columns of what happened in each step; nothing is a blank.
    pub fn sparkline(self, counts: &[u32]) -> String {
        let counts = counts.iter().map(|count| u64::from(*count)).collect::<Vec<_>>();
        self.drawn(&in_columns(&counts, |part, steps| {
            (part.iter().sum::<u64>() * steps).div_ceil(part.len() as u64)
        }))
    }

    /// The same for what cannot be added up: of the steps in a column the highest.
    pub fn peaks(self, counts: &[u32]) -> String {
        let counts = counts.iter().map(|count| u64::from(*count)).collect::<Vec<_>>();
        self.drawn(&in_columns(&counts, |part, _| part.iter().copied().max().unwrap_or_default()))
    }

    fn drawn(self, columns: &[u64]) -> String {
        let most = columns.iter().copied().max().unwrap_or_default().max(1);
        let glyph = |count: &u64| match count {
            0 => ' ',
            count => self.0[usize::try_from((count * 8).div_ceil(most) - 1).unwrap_or(7).min(7)],
        };
        columns.iter().map(glyph).collect()
    }
}

/// Every column is of as many steps, but for the first one: it tells what as many would have come to.
fn in_columns(counts: &[u64], of: impl Fn(&[u64], u64) -> u64) -> Vec<u64> {
    let steps = counts.len().div_ceil(COLUMNS).max(1);
    let mut columns: Vec<u64> = counts.rchunks(steps).map(|part| of(part, steps as u64)).collect();
    columns.reverse();
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparkline_shows_much_little_and_nothing() {
        assert_eq!(Glyphs::BLOCKS.sparkline(&[0, 1, 4, 8]), " ▁▄█");
        assert_eq!(Glyphs::ASCII.sparkline(&[0, 1, 4, 8]), " .=@");
        let many: Vec<u32> = (0..120).collect();
        assert_eq!(Glyphs::BLOCKS.sparkline(&many).chars().count(), COLUMNS);
        assert_eq!(Glyphs::BLOCKS.sparkline(&[u32::MAX; 128]), "█".repeat(COLUMNS));
        assert_eq!(Glyphs::BLOCKS.peaks(&[]), "");
        assert_eq!(Glyphs::BLOCKS.peaks(&[1; 24]), "█".repeat(COLUMNS));
        assert_eq!(Glyphs::BLOCKS.sparkline(&[5; 25]), "█".repeat(9));
    }
}
