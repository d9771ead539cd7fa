//! The result of a rehearsal, as a Markdown table that a reviewer can paste into a pull request and as JSON.

use super::cases::{Case, Vantage};
use crate::expectation::{Outcome, OutcomeKind};
use crate::family::Family;
use crate::spec::PortSet;
use serde::Serialize;

/// What was observed in one case, by family.
#[derive(Clone, Debug)]
pub struct Observation {
    /// The case.
    pub case: Case,
    /// The outcome of each family.
    pub outcomes: Vec<(Family, Outcome)>,
}

/// The result of a rehearsal.
#[derive(Clone, Debug)]
pub struct Report {
    /// The bundle's digest.
    pub bundle: String,
    /// Whether the kernel has IPv6.
    pub with_ipv6: bool,
    /// The control, without the rules.
    pub control: Control,
    /// Every case.
    pub observations: Vec<Observation>,
}

/// The attempts that the rules must block, made before the rules were loaded. Those that did not get
/// through then prove nothing afterwards.
#[derive(Clone, Copy, Debug, Default)]
pub struct Control {
    /// How many got through.
    pub reached: usize,
    /// How many were made.
    pub tried: usize,
}

/// What `rehearse --json` prints.
#[derive(Serialize)]
pub struct ReportJson<'a> {
    /// Whether every attempt had the expected outcome, and the rules were what blocked outsiders.
    pub as_expected: bool,
    /// Every attempt.
    pub attempts: Vec<AttemptJson<'a>>,
    /// The digest of the bundle.
    pub bundle: &'a str,
    /// How many of those attempts got through; all should.
    pub reached_before_the_rules: usize,
    /// How many of the attempts that the rules block were made before the rules were loaded.
    pub tried_before_the_rules: usize,
}

/// One attempt of a rehearsal.
#[derive(Serialize)]
pub struct AttemptJson<'a> {
    /// `notice`, `served`, `refused` or `silence`.
    pub expected: &'static str,
    /// `IPv4` or `IPv6`.
    pub family: &'static str,
    /// `loopback`, `own-address` or `outside`.
    pub from: Vantage,
    /// The same names, or `mute` or `failed`.
    pub observed: &'static str,
    /// The port.
    pub port: u16,
    /// Whether the expected outcome was observed.
    pub same: bool,
    /// What the port is for.
    pub service: &'a str,
}

impl Report {
    /// Whether everything was as expected, and the rules were what blocked outsiders.
    pub fn is_as_expected(&self) -> bool {
        self.control.reached == self.control.tried && self.differences() == 0
    }

    /// Every case with the outcome of each family.
    fn attempts(&self) -> impl Iterator<Item = (&Case, &(Family, Outcome))> {
        self.observations.iter().flat_map(|Observation { case, outcomes }| {
            outcomes.iter().map(move |outcome| (case, outcome))
        })
    }

    fn differences(&self) -> usize {
        self.attempts().filter(|(case, (_, outcome))| case.expected != outcome.kind()).count()
    }

    /// The table and a verdict. It does not end with a line feed.
    pub fn markdown(&self) -> String {
        let mut header = vec!["From", "Ports", "Service", "Expected", "IPv4"];
        if self.with_ipv6 {
            header.push("IPv6");
        }
        let mut lines: Vec<Vec<String>> = vec![header.into_iter().map(str::to_owned).collect()];
        lines.extend(self.observations.chunk_by(is_alike).map(cells));
        let Control { reached, tried } = self.control;
        let (attempts, bundle) = (self.attempts().count(), &self.bundle);
        let verdict = match self.differences() {
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
        let ipv6 = if self.with_ipv6 { "" } else { "\nThis kernel has no IPv6: not tried." };
        format!("{}\n{verdict}\n{control}{ipv6}", table(&lines))
    }

    /// The result for programs.
    pub fn json(&self) -> ReportJson<'_> {
        let attempts = self.attempts().map(|(case, (family, outcome))| AttemptJson {
            expected: case.expected.name(),
            family: family.name(),
            from: case.from,
            observed: outcome.name(),
            port: case.port,
            same: case.expected == outcome.kind(),
            service: &case.service,
        });
        ReportJson {
            as_expected: self.is_as_expected(),
            attempts: attempts.collect(),
            bundle: &self.bundle,
            reached_before_the_rules: self.control.reached,
            tried_before_the_rules: self.control.tried,
        }
    }
}

/// Whether two observations differ in nothing but the port: they share a line.
fn is_alike(left: &Observation, right: &Observation) -> bool {
    let kinds = |observation: &Observation| -> Vec<OutcomeKind> {
        observation.outcomes.iter().map(|(_, outcome)| outcome.kind()).collect()
    };
    left.case.from == right.case.from
        && left.case.service == right.case.service
        && left.case.expected == right.case.expected
        && kinds(left) == kinds(right)
}

/// One line of the table.
fn cells(alike: &[Observation]) -> Vec<String> {
    let [Observation { case, outcomes }, ..] = alike else { return Vec::new() };
    let ports: PortSet = alike.iter().map(|observation| observation.case.port.into()).collect();
    // The table should fit a terminal.
    let service: String = case.service.chars().take(24).collect();
    let mut cells = vec![
        case.from.name().to_owned(),
        ports.to_string(),
        service.replace('|', "\\|"),
        case.expected.name().to_owned(),
    ];
    cells.extend(outcomes.iter().map(|(_, outcome)| match case.expected == outcome.kind() {
        true => outcome.name().to_owned(),
        false => format!("**{}**", outcome.name()),
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
