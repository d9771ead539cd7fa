//! Log lines on their way from the event loop to the file, each with the number of attempts that it
//! stands for.

/// A number of lines, and of the attempts that they stand for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct LineTotals {
    pub(super) lines: u64,
    pub(super) attempts: u64,
}

impl LineTotals {
    /// One line that stands for `attempts`.
    pub(super) fn one_line(attempts: u64) -> LineTotals {
        LineTotals { lines: 1, attempts }
    }

    /// Whether there are no lines.
    pub(super) fn is_zero(self) -> bool {
        self == LineTotals::default()
    }

    /// Adds `more`.
    pub(super) fn add(&mut self, more: LineTotals) {
        self.lines += more.lines;
        self.attempts += more.attempts;
    }

    /// The difference to `part`, at least zero.
    pub(super) fn minus(self, part: LineTotals) -> LineTotals {
        LineTotals {
            lines: self.lines.saturating_sub(part.lines),
            attempts: self.attempts.saturating_sub(part.attempts),
        }
    }
}

/// One line within the text of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct LineSpan {
    /// Bytes, the line's end included.
    pub(super) length: usize,
    /// Attempts that the line stands for.
    pub(super) attempts: u64,
}

/// Whole lines.
#[derive(Debug, Default)]
pub(super) struct LineBatch {
    text: Vec<u8>,
    spans: Vec<LineSpan>,
    pub(super) totals: LineTotals,
}

/// Some whole lines of a batch, few enough for one write.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk<'a> {
    pub(super) text: &'a [u8],
    pub(super) spans: &'a [LineSpan],
}

impl LineBatch {
    /// Adds the one line that `write` appends, its end included.
    pub(super) fn push(&mut self, attempts: u64, write: impl FnOnce(&mut Vec<u8>)) {
        let before = self.text.len();
        write(&mut self.text);
        self.spans.push(LineSpan { length: self.text.len() - before, attempts });
        self.totals.add(LineTotals::one_line(attempts));
    }

    /// Adds all lines of `more`.
    pub(super) fn append(&mut self, more: &LineBatch) {
        self.text.extend_from_slice(&more.text);
        self.spans.extend_from_slice(&more.spans);
        self.totals.add(more.totals);
    }

    /// The bytes of all lines.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether there are no lines.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The lines in chunks of at most `max_bytes`, or of one longer line.
    pub(super) fn chunks(&self, max_bytes: usize) -> impl Iterator<Item = Chunk<'_>> {
        let (mut text, mut spans) = (self.text.as_slice(), self.spans.as_slice());
        std::iter::from_fn(move || {
            let mut bytes = 0;
            let fits = |span: &&LineSpan| {
                bytes += span.length;
                bytes <= max_bytes || bytes == span.length
            };
            let count = spans.iter().take_while(fits).count();
            let (these, later) = spans.split_at(count);
            let (chunk, rest) = text.split_at(these.iter().map(|span| span.length).sum());
            (text, spans) = (rest, later);
            (count > 0).then_some(Chunk { text: chunk, spans: these })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_hold_whole_lines_and_all_of_them() {
        let mut batch = LineBatch::default();
        for length in [1, 4096, 4095, 1, 2, 5000, 5000, 4000, 96, 1] {
            let line = format!("{}\n", "x".repeat(length - 1));
            batch.push(1, |out| out.extend_from_slice(line.as_bytes()));
        }
        let chunks: Vec<_> = batch.chunks(4096).collect();
        let counts: Vec<_> = chunks.iter().map(|chunk| chunk.spans.len()).collect();
        assert_eq!(counts, [1, 1, 2, 1, 1, 1, 2, 1]);
        assert!(chunks.iter().all(|chunk| chunk.text.ends_with(b"\n")));
        let text: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.text.to_vec()).collect();
        assert_eq!(text, batch.text);
    }
}
