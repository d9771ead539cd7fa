//! The result of a rehearsal, as a Markdown table that a reviewer can paste into a pull request and as JSON.

use super::cases::{Case, Vantage};
use crate::expectation::OutcomeKind;
use crate::family::Family;
use crate::spec::PortSet;
use serde::Serialize;

/// The result of a rehearsal, as `rehearse --json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whether every attempt had the expected outcome, and the rules were what blocked outsiders.
    pub as_expected: bool,
    /// Every attempt.
    pub attempts: Vec<Attempt>,
    /// The digest of the bundle.
    pub bundle: String,
    /// How many of those attempts got through; all should.
    pub reached_before_the_rules: usize,
    /// How many of the attempts that the rules block were made before the rules were loaded.
    pub tried_before_the_rules: usize,
    /// The families of each case: without IPv6 where the kernel has none.
    #[serde(skip)]
    pub families: &'static [Family],
}

/// One attempt of a rehearsal. Those of a case follow one another, one for each family.
#[derive(Clone, Debug, Serialize)]
pub struct Attempt {
    /// `notice`, `served`, `refused` or `silence`.
    pub expected: OutcomeKind,
    /// `IPv4` or `IPv6`.
    pub family: &'static str,
    /// `loopback`, `own-address` or `outside`.
    pub from: Vantage,
    /// The same names, or `mute` or `failed`.
    pub observed: OutcomeKind,
    /// The port.
    pub port: u16,
    /// Whether the expected outcome was observed.
    pub same: bool,
    /// What the port is for.
    pub service: String,
}

impl Attempt {
    /// What came of a case over one family.
    pub(super) fn new(case: &Case, family: Family, observed: OutcomeKind) -> Attempt {
        Attempt {
            expected: case.expected,
            family: family.name(),
            from: case.from,
            observed,
            port: case.port,
            same: case.expected == observed,
            service: case.service.clone(),
        }
    }

    /// What attempts that differ in nothing but the port have in common.
    fn common(&self) -> (Vantage, &str, OutcomeKind, OutcomeKind) {
        (self.from, &self.service, self.expected, self.observed)
    }
}

impl Report {
    /// The table and a verdict. It does not end with a line feed.
    pub fn markdown(&self) -> String {
        let header = ["From", "Ports", "Service", "Expected"].into_iter();
        let header = header.chain(self.families.iter().map(|family| family.name()));
        let mut lines: Vec<Vec<String>> = vec![header.map(str::to_owned).collect()];
        let cases: Vec<&[Attempt]> = self.attempts.chunks(self.families.len()).collect();
        lines.extend(cases.chunk_by(|one, next| is_alike(one, next)).map(cells));
        let (reached, tried) = (self.reached_before_the_rules, self.tried_before_the_rules);
        let (attempts, bundle) = (self.attempts.len(), &self.bundle);
        let verdict = match self.attempts.iter().filter(|attempt| !attempt.same).count() {
            0 => format!("All {attempts} attempts met what bundle {bundle} promises."),
            differences => {
                format!(
                    "{differences} of {attempts} attempts differ from what bundle {bundle} promises."
                )
            }
        };
        let control = format!(
            "Before the rules were loaded, {reached} of the {tried} attempts that they stop got through."
        );
        let with_ipv6 = self.families.contains(&Family::V6);
        let ipv6 = if with_ipv6 { "" } else { "\nThis kernel has no IPv6: not tried." };
        format!("{}\n{verdict}\n{control}{ipv6}", table(&lines))
    }
}

/// Whether two cases differ in nothing but the port: they share a line.
fn is_alike(one: &[Attempt], next: &[Attempt]) -> bool {
    one.iter().map(Attempt::common).eq(next.iter().map(Attempt::common))
}

/// One line of the table.
fn cells(alike: &[&[Attempt]]) -> Vec<String> {
    let [families @ [first, ..], ..] = alike else { return Vec::new() };
    let ports: PortSet =
        alike.iter().flat_map(|case| case.first()).map(|attempt| attempt.port.into()).collect();
    // The table should fit a terminal.
    let service: String = first.service.chars().take(24).collect();
    let mut cells = vec![
        first.from.name().to_owned(),
        ports.to_string(),
        service.replace('|', "\\|"),
        first.expected.to_string(),
    ];
    cells.extend(families.iter().map(|attempt| match attempt.same {
        true => attempt.observed.to_string(),
        false => format!("**{}**", attempt.observed),
    }));
    cells
}

/// A Markdown table without the outer bars, so that it fits a terminal.
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
