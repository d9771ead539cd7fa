//! All sources as the page's script reads them: compact JSON, in which each text is written once.
//!
//! Guarantees: it cannot end the element that holds it.

use super::cells::{client_lines, libraries, port};
use crate::report::output::sparkline::Glyphs;
use crate::report::record::AnswerKind;
use crate::report::summary::SourceSummary;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::HashMap;

/// What templates/report/filter.js reads. Each column has a value for each source at each port; a `usize` is the
/// number of a text, and 0 is that of the empty one. Columns, because keys in each row would be most of the page.
#[derive(Default, Serialize)]
struct Columns {
    /// How many rows the table gets at once.
    step: usize,
    /// The names of the answers, by their number.
    answer_names: Vec<&'static str>,
    texts: Vec<String>,
    source: Vec<String>,
    /// The client on this host.
    client: Vec<usize>,
    /// The source's name.
    name: Vec<usize>,
    port: Vec<usize>,
    /// As text: there may be more than the 2^53 to which numbers of JavaScript are exact.
    attempts: Vec<String>,
    /// The answers that occurred, by their number, and how often.
    answers: Vec<Vec<(usize, String)>>,
    protocols: Vec<usize>,
    libraries: Vec<usize>,
    /// What else is known of the client, a text for each line.
    lines: Vec<Vec<usize>>,
    /// The names of its connections, for the filter.
    names: Vec<usize>,
    /// Minutes since 1970; null where the time is not known.
    first: Vec<Option<i64>>,
    last: Vec<Option<i64>>,
    sparkline: Vec<usize>,
}

/// Texts by their number.
#[derive(Default)]
struct Texts {
    list: Vec<String>,
    numbers: HashMap<String, usize>,
}

impl Texts {
    fn number(&mut self, text: &str) -> usize {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.list.len();
        self.list.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }
}

/// The JSON of these sources, of which the page's table gets `step` at once.
pub fn json(sources: &[SourceSummary], step: usize) -> askama::Result<String> {
    let answer_names = AnswerKind::ALL.iter().map(|answer| answer.name()).collect();
    let mut columns = Columns { step, answer_names, ..Columns::default() };
    let mut texts = Texts::default();
    texts.number("");
    for source in sources {
        columns.add(source, &mut texts);
    }
    columns.texts = texts.list;
    let json =
        serde_json::to_string(&columns).map_err(|cause| askama::Error::Custom(cause.into()))?;
    // `</script` and `<!--` mean something to HTML; in JSON the character is only part of strings.
    Ok(json.replace('<', "\\u003c"))
}

impl Columns {
    fn add(&mut self, source: &SourceSummary, texts: &mut Texts) {
        let answers = source.answers.nonzero();
        let names: Vec<&str> = source.client_names.iter().map(|used| used.name.as_str()).collect();
        self.source.push(source.source.clone());
        self.client.push(texts.number(source.local_client.as_deref().unwrap_or_default()));
        self.name.push(texts.number(source.name.as_deref().unwrap_or_default()));
        self.port.push(texts.number(&port(source.port)));
        self.attempts.push(source.attempts.to_string());
        self.answers
            .push(answers.map(|(answer, count)| (answer as usize, count.to_string())).collect());
        self.protocols.push(texts.number(&source.protocols.join(", ")));
        self.libraries.push(texts.number(&libraries(&source.libraries)));
        self.lines.push(client_lines(source).iter().map(|line| texts.number(line)).collect());
        self.names.push(texts.number(&names.join(" ")));
        self.first.push(minutes(&source.first));
        self.last.push(minutes(&source.last));
        self.sparkline.push(texts.number(&Glyphs::BLOCKS.sums(&source.timeline)));
    }
}

/// Whole minutes since 1970 of a timestamp of the summary, which is empty where the time is not known.
fn minutes(timestamp: &str) -> Option<i64> {
    let time: Timestamp = timestamp.parse().ok()?;
    Some(time.as_second().div_euclid(60))
}
