//! Owns how a rehearsal is told: a Markdown table that a reviewer can paste into a pull request, and
//! the same as data.

use super::cases::Row;
use crate::family::Family;
use crate::probe::Outcome;
use crate::spec::PortSet;
use serde_json::{Value, json};

/// What was met in one row, by family.
#[derive(Clone, Debug)]
pub struct Observation {
    /// What was tried.
    pub row: Row,
    /// What was met.
    pub outcomes: Vec<(Family, Outcome)>,
}

/// A whole rehearsal.
#[derive(Clone, Debug)]
pub struct Report {
    /// The bundle's digest.
    pub bundle: String,
    /// Whether the kernel has IPv6.
    pub with_ipv6: bool,
    /// Before the rules were loaded: how many of the attempts that the guard is to stop reached the
    /// host, and of how many.
    pub unguarded: (usize, usize),
    /// Every row.
    pub observations: Vec<Observation>,
}

impl Report {
    /// Whether everything was as expected, and the guard was what stopped the outsiders.
    pub fn is_as_expected(&self) -> bool {
        self.unguarded.0 == self.unguarded.1 && self.differences() == 0
    }

    fn differences(&self) -> usize {
        let attempts = self.observations.iter().flat_map(|observation| {
            let expected = observation.row.expected;
            observation.outcomes.iter().filter(move |(_, outcome)| !expected.is(outcome))
        });
        attempts.count()
    }

    /// The table and a verdict; ends without a line feed.
    pub fn markdown(&self) -> String {
        let mut header = vec!["From", "Ports", "Service", "Expected", "IPv4"];
        if self.with_ipv6 {
            header.push("IPv6");
        }
        let mut lines: Vec<Vec<String>> = vec![header.into_iter().map(str::to_owned).collect()];
        lines.extend(self.observations.chunk_by(alike).map(cells));
        let (reached, tried) = self.unguarded;
        let attempts: usize = self.observations.iter().map(|row| row.outcomes.len()).sum();
        let verdict = match self.differences() {
            0 => format!("All {attempts} attempts met what bundle {} promises.", self.bundle),
            differences => format!(
                "{differences} of {attempts} attempts differ from what bundle {} promises.",
                self.bundle
            ),
        };
        let proof = format!(
            "Before the rules were loaded, {reached} of the {tried} attempts that they stop got through."
        );
        let ipv6 = if self.with_ipv6 { "" } else { "\nThis kernel has no IPv6: not tried." };
        format!("{}\n{verdict}\n{proof}{ipv6}", table(&lines))
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        let rows = self.observations.iter().flat_map(|observation| {
            let Row { from, port, what, expected } = &observation.row;
            observation.outcomes.iter().map(move |(family, outcome)| {
                json!({
                    "from": from, "port": port, "service": what, "family": family.name(),
                    "expected": expected, "observed": outcome.word(), "same": expected.is(outcome),
                })
            })
        });
        json!({
            "as_expected": self.is_as_expected(),
            "bundle": self.bundle,
            "reached_before_the_rules": self.unguarded.0,
            "tried_before_the_rules": self.unguarded.1,
            "attempts": rows.collect::<Vec<_>>(),
        })
    }
}

/// Whether two observations differ in nothing but the port: they share a line.
fn alike(left: &Observation, right: &Observation) -> bool {
    let words = |observation: &Observation| -> Vec<&str> {
        observation.outcomes.iter().map(|(_, outcome)| outcome.word()).collect()
    };
    left.row.from == right.row.from
        && left.row.what == right.row.what
        && left.row.expected == right.row.expected
        && words(left) == words(right)
}

/// One line of the table.
fn cells(alike: &[Observation]) -> Vec<String> {
    let [Observation { row, outcomes }, ..] = alike else { return Vec::new() };
    let ports: PortSet = alike.iter().map(|observation| observation.row.port.into()).collect();
    let what: String = row.what.chars().take(24).collect();
    let mut cells = vec![
        row.from.name().to_owned(),
        ports.to_string(),
        what.replace('|', "\\|"),
        row.expected.word().to_owned(),
    ];
    cells.extend(outcomes.iter().map(|(_, outcome)| match row.expected.is(outcome) {
        true => outcome.word().to_owned(),
        false => format!("**{}**", outcome.word()),
    }));
    cells
}

/// Without the outer bars, so that the table fits a terminal.
fn table(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let length = |text: &String| text.chars().count();
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(length).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join(" | ").trim_end());
        text.push('\n');
        if index == 0 {
            let rules = widths.iter().map(|width| "-".repeat(*width));
            text.push_str(&rules.collect::<Vec<_>>().join(" | "));
            text.push('\n');
        }
    }
    text
}
