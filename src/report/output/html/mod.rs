//! Owns the page: one file with its style, its script and its charts. Its policy lets that style and
//! that script in, and nothing else; all values are escaped by the template.

mod charts;

use self::charts::{Axis, Subject};
use super::sparkline::Glyphs;
use crate::report::format;
use crate::report::format::{minute, step};
use crate::report::record::Answer;
use crate::report::summary::{Knocks, Port, Summary, Used};
use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::borrow::Borrow;

const STYLE: &str = include_str!("../../../../templates/report/style.css");
const SCRIPT: &str = include_str!("../../../../templates/report/filter.js");
/// How many ports have a chart of their own.
const MOST_CHARTS: usize = 12;
/// How many bars a chart has.
const MOST_BARS: usize = 10;

/// What the page is made of.
#[derive(Template)]
#[template(path = "report/page.html")]
pub struct Page<'a> {
    summary: &'a Summary,
    made: String,
    step: String,
    style: &'static str,
    script: &'static str,
    style_hash: String,
    script_hash: String,
}

impl<'a> Page<'a> {
    /// A page of what `summary` tells, made at `now`.
    pub fn of(summary: &'a Summary, now: Timestamp) -> Page<'a> {
        let (style_hash, script_hash) = (hash(STYLE), hash(SCRIPT));
        let (made, step) = (minute(&now.to_string()), step(summary.step_seconds));
        Page { summary, made, step, style: STYLE, script: SCRIPT, style_hash, script_hash }
    }

    /// The page as HTML.
    ///
    /// # Errors
    /// A chart that cannot be drawn.
    pub fn text(&self) -> askama::Result<String> {
        self.render()
    }

    fn host(&self) -> String {
        self.summary.host.as_ref().map(|host| format!(" on {host}")).unwrap_or_default()
    }

    fn axis(&self) -> (Vec<&str>, i64) {
        let steps = self.summary.timeline.iter().map(|step| step.at.as_str()).collect();
        (steps, self.summary.step_seconds)
    }

    fn timeline(&self) -> askama::Result<String> {
        let (steps, seconds) = self.axis();
        let axis = Axis { steps: &steps, seconds };
        let answers = self.summary.timeline.iter();
        let answers: Vec<[u64; Answer::ALL.len()]> =
            answers.map(|step| Answer::ALL.map(|answer| step.answers.of(answer))).collect();
        let most = self.summary.timeline.iter().max_by_key(|step| step.answers.sum());
        let most = most.map(|most| {
            let count = grouped(most.answers.sum());
            format!("; the most, {count}, in that of {}", minute(&most.at))
        });
        let description = format!(
            "{} attempts in {} steps, one per {}{}.",
            grouped(self.summary.attempts),
            steps.len(),
            self.step,
            most.unwrap_or_default()
        );
        let title = "Attempts over time, by answer";
        let subject = Subject { id: "timeline", title, description: &description };
        charts::timeline(&subject, &axis, &answers).map_err(failed)
    }

    /// The ports that have a chart: those with the most attempts, in the order of their numbers.
    fn charted(&self) -> Vec<&Port> {
        let mut ports: Vec<&Port> =
            self.summary.ports.iter().filter(|port| port.port.is_some()).collect();
        ports.sort_by_key(|port| std::cmp::Reverse(port.attempts));
        ports.truncate(MOST_CHARTS);
        ports.sort_by_key(|port| port.port);
        ports
    }

    fn burn_down(&self, port: &Port) -> askama::Result<String> {
        let (steps, seconds) = self.axis();
        let axis = Axis { steps: &steps, seconds };
        let number = port.port.unwrap_or_default();
        let (most, last) = (port.burn_down.iter().max(), port.burn_down.last());
        let description = format!(
            "At most {} sources per {}, and {} in the last.",
            most.copied().unwrap_or_default(),
            self.step,
            last.copied().unwrap_or_default()
        );
        let title = format!("Sources that knock at port {number}, per {}", self.step);
        let id = format!("port-{number}");
        let subject = Subject { id: &id, title: &title, description: &description };
        charts::burn_down(&subject, &axis, &port.burn_down).map_err(failed)
    }

    fn top_sources(&self) -> askama::Result<String> {
        let rows =
            self.summary.knocks.iter().take(MOST_BARS).map(|knocks| {
                (format!("{} at {}", knocks.source, port(knocks.port)), knocks.attempts)
            });
        self.bars("top-sources", "The sources with the most attempts", rows.collect())
    }

    fn top_libraries(&self) -> askama::Result<String> {
        let rows = self.summary.libraries.iter().take(MOST_BARS);
        let rows =
            rows.map(|row| (named(&row.name, row.version.as_deref()), row.attempts)).collect();
        self.bars("top-libraries", "The libraries with the most attempts", rows)
    }

    fn bars(&self, id: &str, title: &str, rows: Vec<(String, u64)>) -> askama::Result<String> {
        let rows: Vec<(String, u64)> =
            rows.into_iter().map(|(name, count)| (shortened(&name), count)).collect();
        let texts = rows.iter().map(|(name, count)| format!("{name}: {count}"));
        let description = texts.collect::<Vec<_>>().join("; ");
        charts::bars(&Subject { id, title, description: &description }, &rows).map_err(failed)
    }
}

fn failed(cause: Box<dyn std::error::Error>) -> askama::Error {
    askama::Error::Custom(cause.to_string().into())
}

/// A hash as a policy names it (Content Security Policy Level 3, section 2.3.1).
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

/// The template gives a field by reference, and what was computed by value.
fn grouped(number: impl Borrow<u64>) -> String {
    format::grouped(*number.borrow())
}

fn port(port: impl Borrow<Option<u16>>) -> String {
    port.borrow().map_or("any port".to_owned(), |port| port.to_string())
}

fn named(name: &str, version: Option<&str>) -> String {
    version.map_or(name.to_owned(), |version| format!("{name} {version}"))
}

/// What fits on a line of a chart.
fn shortened(name: &str) -> String {
    const MOST: usize = 46;
    if name.chars().count() <= MOST {
        return name.to_owned();
    }
    format!("{}…", name.chars().take(MOST - 1).collect::<String>())
}

fn libraries(used: &[Used]) -> String {
    let names = used.iter().map(|used| named(&used.name, used.version.as_deref()));
    names.collect::<Vec<_>>().join(", ")
}

/// The names of the answers that occurred, for the filter.
fn answers(knocks: &Knocks) -> String {
    let some = Answer::ALL.into_iter().filter(|answer| knocks.answers.of(*answer) > 0);
    some.map(Answer::name).collect::<Vec<_>>().join(" ")
}

fn sparkline(counts: &[u32]) -> String {
    Glyphs::BLOCKS.sparkline(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_as_a_browser_computes_it() {
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
