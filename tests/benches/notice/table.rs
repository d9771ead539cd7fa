//! Owns how results look, as text and as Markdown.

use std::fmt::Write as _;

/// A table; the first column is text, the others are numbers.
pub struct Table {
    pub title: String,
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
    /// Lines below it.
    pub notes: Vec<String>,
}

impl Table {
    pub fn new(title: impl Into<String>, head: &[&str]) -> Table {
        let head = head.iter().map(|column| (*column).to_owned()).collect();
        Table { title: title.into(), head, rows: Vec::new(), notes: Vec::new() }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().collect();
        assert_eq!(cells.len(), self.head.len());
        self.rows.push(cells);
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n\n", self.title);
        for line in self.aligned() {
            let _ = writeln!(text, "  {}", line.join("  ").trim_end());
        }
        for note in &self.notes {
            let _ = writeln!(text, "  {note}");
        }
        text
    }

    /// For the documentation.
    pub fn markdown(&self) -> String {
        let mut text = format!("#### {}\n\n", self.title);
        let aligned = self.aligned();
        for (index, line) in aligned.iter().enumerate() {
            let cells: Vec<String> = line.iter().map(|cell| cell.replace('|', "\\|")).collect();
            let _ = writeln!(text, "| {} |", cells.join(" | "));
            if index == 0 {
                let rules = line.iter().enumerate().map(|(column, cell)| {
                    let dashes = "-".repeat(cell.chars().count().max(4) - 1);
                    if column == 0 { format!("{dashes}-") } else { format!("{dashes}:") }
                });
                let _ = writeln!(text, "| {} |", rules.collect::<Vec<_>>().join(" | "));
            }
        }
        for note in &self.notes {
            let _ = write!(text, "\n{note}\n");
        }
        text
    }

    fn aligned(&self) -> Vec<Vec<String>> {
        let lines: Vec<&Vec<String>> = std::iter::once(&self.head).chain(&self.rows).collect();
        let width = |column: usize| {
            lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0).max(4)
        };
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        lines
            .iter()
            .map(|line| {
                let cells = line.iter().zip(&widths).enumerate();
                cells
                    .map(|(column, (cell, width))| match column {
                        0 => format!("{cell:<width$}"),
                        _ => format!("{cell:>width$}"),
                    })
                    .collect()
            })
            .collect()
    }
}
