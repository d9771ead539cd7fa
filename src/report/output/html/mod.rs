//! The report as one HTML file, with its style, script and charts inside.
//!
//! Guarantees: the page's Content-Security-Policy admits that style and that script and nothing else, and
//! the template escapes every value, and `data` those for the script, so that nothing in a log runs in a browser.

mod cells;
mod charts;
mod data;

use self::cells::{client_lines, libraries, port};
use self::charts::{Axis, Subject};
use super::sparkline::Glyphs;
use super::{details, notes};
use crate::report::aggregate::MAX_ROWS;
use crate::report::format::{self, minute, step};
use crate::report::record::AnswerKind;
use crate::report::summary::{PortSummary, SourceSummary, Summary};
use crate::report::totals::AnswerCounts;
use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::borrow::Borrow;

const STYLE: &str = include_str!("../../../../templates/report/style.css");
const SCRIPT: &str = include_str!("../../../../templates/report/filter.js");
/// How many ports have a chart of their own: those with the most attempts.
const MAX_CHARTS: usize = 12;
/// How many bars a chart has.
const MAX_BARS: usize = 10;
/// The longest name that fits on a line of a chart, which is 420 units wide in letters of 16.
const MAX_NAME: usize = 46;

/// The page's template.
#[derive(Template)]
#[template(path = "report/page.html")]
struct Page<'a> {
    summary: &'a Summary,
    /// The sources in the table before a script runs. The script searches all and lists as many at once.
    listed: &'a [SourceSummary],
    /// When the page was made, to the minute, UTC.
    made: String,
    /// The length of a time step in words.
    step: String,
}

/// The page of a summary as HTML, made at `now`. Its table lists `top` sources at once, at least one; its filters find
/// every source of the summary.
///
/// # Errors
/// A chart that cannot be drawn.
pub fn text(summary: &Summary, top: usize, now: Timestamp) -> askama::Result<String> {
    let (made, step) = (minute(&now.to_string()), step(summary.step_seconds));
    let listed = &summary.by_source[..summary.by_source.len().min(top.max(1))];
    Page { summary, listed, made, step }.render()
}

impl Page<'_> {
    fn host(&self) -> String {
        self.summary.host.as_ref().map(|host| format!(" on {host}")).unwrap_or_default()
    }

    fn notes(&self) -> Vec<String> {
        notes::text(self.summary)
    }

    fn data(&self) -> askama::Result<String> {
        data::json(&self.summary.by_source, self.listed.len())
    }

    fn axis(&self) -> Axis<'_> {
        let steps = self.summary.timeline.iter().map(|step| step.at.as_str()).collect();
        Axis { steps, seconds: self.summary.step_seconds }
    }

    fn timeline(&self) -> askama::Result<String> {
        let axis = self.axis();
        let timeline = &self.summary.timeline;
        let answers: Vec<AnswerCounts> = timeline.iter().map(|step| step.answers).collect();
        let peak = timeline.iter().max_by_key(|step| step.answers.sum()).map(|peak| {
            let count = grouped(peak.answers.sum());
            format!("; the most, {count}, in that of {}", minute(&peak.at))
        });
        let description = format!(
            "{} attempts in {} steps, one per {}{}.",
            grouped(self.summary.attempts),
            axis.steps.len(),
            self.step,
            peak.unwrap_or_default()
        );
        let title = "Attempts over time, by answer";
        let subject = Subject { id: "timeline", title, description: &description };
        charts::timeline(&subject, &axis, &answers)
    }

    /// The ports that have a chart, in the order of their numbers.
    fn charted(&self) -> Vec<&PortSummary> {
        let mut ports: Vec<&PortSummary> =
            self.summary.ports.iter().filter(|port| port.port.is_some()).collect();
        ports.sort_by_key(|port| std::cmp::Reverse(port.attempts));
        ports.truncate(MAX_CHARTS);
        ports.sort_by_key(|port| port.port);
        ports
    }

    fn burn_down(&self, port: &PortSummary) -> askama::Result<String> {
        let number = port.port.unwrap_or_default();
        let (peak, last) = (port.burn_down.iter().max(), port.burn_down.last());
        let description = format!(
            "At most {} sources per {}, and {} in the last.",
            peak.copied().unwrap_or_default(),
            self.step,
            last.copied().unwrap_or_default()
        );
        let title = format!("Sources that attempt at port {number}, per {}", self.step);
        let id = format!("port-{number}");
        let subject = Subject { id: &id, title: &title, description: &description };
        charts::burn_down(&subject, &self.axis(), &port.burn_down)
    }

    fn top_sources(&self) -> askama::Result<String> {
        let rows = self.summary.by_source.iter();
        let label = |row: &SourceSummary| {
            let port = format!(" at {}", port(row.port));
            details::short_label(row, MAX_NAME - port.len(), "…") + &port
        };
        let rows = rows.map(|row| (label(row), row.attempts));
        self.bars("top-sources", "The sources with the most attempts", rows)
    }

    fn top_libraries(&self) -> askama::Result<String> {
        let rows = self.summary.libraries.iter();
        let rows =
            rows.map(|row| (format::library(&row.name, row.version.as_deref()), row.attempts));
        self.bars("top-libraries", "The libraries with the most attempts", rows)
    }

    fn bars(
        &self,
        id: &str,
        title: &str,
        rows: impl Iterator<Item = (String, u64)>,
    ) -> askama::Result<String> {
        let short = |(name, count): (String, u64)| (format::shortened(&name, MAX_NAME, "…"), count);
        let rows: Vec<(String, u64)> = rows.take(MAX_BARS).map(short).collect();
        let texts = rows.iter().map(|(name, count)| format!("{name}: {count}"));
        let description = texts.collect::<Vec<_>>().join("; ");
        charts::bars(&Subject { id, title, description: &description }, &rows)
    }
}

/// A hash as a policy names it (Content Security Policy Level 3, section 2.3.1).
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

/// The template passes fields by reference and results by value, hence `Borrow`.
fn grouped(number: impl Borrow<u64>) -> String {
    format::grouped(*number.borrow())
}

fn number(length: usize) -> u64 {
    length as u64
}

fn sparkline(counts: &[u32]) -> String {
    Glyphs::BLOCKS.sums(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_that_a_browser_computes() {
        // `printf '' | openssl dgst -sha256 -binary | base64`
        assert_eq!(hash(""), "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }

    #[test]
    fn neither_style_nor_script_can_end_its_element() {
        for text in [STYLE, SCRIPT] {
            assert!(!text.contains("</") && !text.contains("<!--"));
        }
    }
}
