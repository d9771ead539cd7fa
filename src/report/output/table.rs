//! The report as text of at most 80 columns.
//!
//! Names of libraries, clients and sources are printable ASCII by the time they get here: see `record::Library` and
//! `os::reverse_lookup`.

use super::sparkline::Glyphs;
use super::{details, notes};
use crate::report::format::{day, grouped, library, minute, shortened, step};
use crate::report::{AnswerCounts, AnswerKind, PortSummary, SourceSummary, Summary};
use crate::text_layout::{WIDTH, wrapped};

/// The most columns of a source. The cells of a longer one go on a line of their own.
const SOURCE: usize = 21;
/// The most columns of a library.
const LIBRARY: usize = 42;
/// The most libraries that are listed.
const MAX_LIBRARIES: usize = 20;

/// A column of a table: the blanks before it, its width, and its alignment.
struct Column(usize, usize, Align);

enum Align {
    Left,
    Right,
}
use Align::{Left, Right};

/// The last column of each table is as wide as its cells.
const SOURCES: [Column; 6] = [
    Column(0, SOURCE, Left),
    Column(1, 5, Right),
    Column(1, 9, Right),
    Column(2, 10, Left),
    Column(2, 16, Left),
    Column(1, 0, Left),
];
const PORTS: [Column; 7] = [
    Column(0, 5, Left),
    Column(1, 8, Right),
    Column(1, 10, Right),
    Column(1, 10, Right),
    Column(1, 9, Right),
    Column(1, 9, Right),
    Column(2, 0, Left),
];
const LIBRARIES: [Column; 4] =
    [Column(0, LIBRARY, Left), Column(1, 8, Right), Column(1, 10, Right), Column(2, 0, Left)];

/// One line of a table.
fn row<const N: usize>(columns: &[Column; N], cells: [&str; N]) -> String {
    let cells = columns.iter().zip(cells).map(|(Column(gap, width, align), cell)| match align {
        Left => format!("{:gap$}{cell:<width$}", ""),
        Right => format!("{:gap$}{cell:>width$}", ""),
    });
    cells.collect::<String>().trim_end().to_owned()
}

/// The whole report. It does not end with a line feed.
pub fn text(summary: &Summary, glyphs: Glyphs) -> String {
    let mut lines = vec![headline(summary)];
    lines.extend(sources(summary, glyphs));
    lines.extend(ports(summary, glyphs));
    lines.extend(libraries(summary));
    lines.push(String::new());
    lines.extend(footer(summary));
    lines.join("\n")
}

fn headline(summary: &Summary) -> String {
    let (Some(first), Some(last)) = (&summary.first, &summary.last) else {
        return summary.undated_headline();
    };
    let sources = match summary.sources {
        1 => "1 source".to_owned(),
        sources => format!("{} sources", grouped(sources)),
    };
    let attempts = match summary.attempts {
        1 => "1 attempt".to_owned(),
        attempts => format!("{} attempts", grouped(attempts)),
    };
    format!("{attempts} by {sources}, from {} to {} UTC", minute(first), minute(last))
}

fn sources(summary: &Summary, glyphs: Glyphs) -> Vec<String> {
    if summary.by_source.is_empty() {
        return Vec::new();
    }
    let header = ["Source", "Port", "Attempts", "First seen", "Last seen (UTC)", "When"];
    let mut lines = vec![String::new(), row(&SOURCES, header)];
    lines.extend(summary.by_source.iter().flat_map(|listed| source(listed, glyphs)));
    if summary.unlisted.sources > 0 {
        let unlisted = &summary.unlisted;
        let (more, attempts) = (grouped(unlisted.sources), grouped(unlisted.attempts));
        lines.push(format!("and {more} more, with {attempts} attempts: --top N lists more"));
    }
    lines
}

fn source(listed: &SourceSummary, glyphs: Glyphs) -> Vec<String> {
    let (port, attempts) = (port(listed.port), grouped(listed.attempts));
    let name = details::short_label(listed, WIDTH, "...");
    let (first, last) = (day(&listed.first), minute(&listed.last));
    let when = glyphs.sums(&listed.timeline);
    let line = |name| row(&SOURCES, [name, &port, &attempts, first, &last, &when]);
    let mut lines = match name.chars().count() > SOURCE {
        true => vec![name, line("")],
        false => vec![line(&name)],
    };
    let mut details = answers(&listed.answers);
    let protocols = listed.protocols.iter().filter(|name| !["resp", "none"].contains(name));
    details.extend(protocols.map(|name| protocol(name)));
    let libraries = listed.libraries.iter();
    details.extend(libraries.map(|used| library(&used.name, used.version.as_deref())));
    let name = listed.name.iter().cloned();
    let details: Vec<String> = name.chain([details.join(", ")]).collect();
    lines.push(shortened(&format!("  {}", details.join("; ")), WIDTH, "..."));
    let client = Some(details::client(listed)).filter(|client| !client.is_empty());
    let more =
        client.map(|client| client.join("; ")).into_iter().chain(details::stated_peers(listed));
    lines.extend(more.map(|text| wrapped(&text, WIDTH, "  ", "    ")));
    lines
}

/// A protocol other than that of Redis.
fn protocol(name: &str) -> String {
    match name {
        "unknown" => "over an unknown protocol".to_owned(),
        "proxy" => "only a PROXY header".to_owned(),
        name => format!("over {name}"),
    }
}

/// A port as a cell; `any` for counts that name none.
fn port(port: Option<u16>) -> String {
    port.map_or_else(|| "any".to_owned(), |port| port.to_string())
}

fn answers(answers: &AnswerCounts) -> Vec<String> {
    let all = answers.nonzero();
    all.map(|(answer, count)| format!("{} {}", answer.name(), grouped(count))).collect()
}

fn ports(summary: &Summary, glyphs: Glyphs) -> Vec<String> {
    if summary.ports.is_empty() {
        return Vec::new();
    }
    let per_step = format!("Sources per {}", step(summary.step_seconds));
    let header = ["Port", "Sources", "Attempts", "Listener", "Dropped", "Reset", &per_step];
    let mut lines = vec![String::new(), row(&PORTS, header)];
    for PortSummary { port: number, sources, attempts, answers, burn_down, .. } in &summary.ports {
        let sum = |is_wanted: fn(AnswerKind) -> bool| {
            let wanted = answers.nonzero().filter(|(kind, _)| is_wanted(*kind));
            grouped(wanted.fold(0, |sum: u64, (_, count)| sum.saturating_add(count)))
        };
        let cells = [
            &port(*number),
            &grouped(*sources),
            &grouped(*attempts),
            &sum(|kind| kind.is_listener()),
            &sum(|kind| kind == AnswerKind::Dropped),
            &sum(|kind| kind == AnswerKind::Reset),
            &glyphs.peaks(burn_down),
        ];
        lines.push(row(&PORTS, cells.map(String::as_str)));
    }
    lines
}

fn libraries(summary: &Summary) -> Vec<String> {
    if summary.libraries.is_empty() {
        return Vec::new();
    }
    let header = ["Library", "Sources", "Attempts", "Last seen (UTC)"];
    let mut lines = vec![String::new(), row(&LIBRARIES, header)];
    for listed in summary.libraries.iter().take(MAX_LIBRARIES) {
        let name = library(&listed.name, listed.version.as_deref());
        let name = shortened(&name, LIBRARY, "...");
        let (sources, attempts) = (grouped(listed.sources), grouped(listed.attempts));
        lines.push(row(&LIBRARIES, [&name, &sources, &attempts, &minute(&listed.last)]));
    }
    match summary.libraries.len().saturating_sub(MAX_LIBRARIES) {
        0 => {}
        more => lines.push(format!("and {more} more: --json names them all")),
    }
    lines
}

/// What was read, what was skipped, and how complete the counts are.
fn footer(summary: &Summary) -> Vec<String> {
    let mut notes = Vec::new();
    let read = match summary.logs.as_slice() {
        [one] => one.clone(),
        logs => format!("{} logs", logs.len()),
    };
    let kernel = match &summary.kernel {
        Some(kernel) => format!("; the kernel's lines from {kernel}"),
        None => String::new(),
    };
    notes.push(format!("read {} lines of {read}{kernel}", grouped(summary.lines.read)));
    notes.extend(notes::text(summary));
    if summary.answers.of(AnswerKind::Unknown) > 0 {
        notes.push(
            "unknown: the listener sent the notice, and the client reset the connection before it \
             acknowledged it"
                .to_owned(),
        );
    }
    if summary.answers.of(AnswerKind::Dropped) + summary.answers.of(AnswerKind::Reset) > 0 {
        notes.push(
            "the kernel writes a few lines a minute for a source: `status` counts all".to_owned(),
        );
    }
    notes.iter().map(|note| wrapped(note, WIDTH, "", "  ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_is_too_wide_keeps_its_gap() {
        let cells = ["192.0.2.1", "6379", "1,000,000,000", "2026-11-27", "2026-11-27 05:45", ""];
        let line = "192.0.2.1              6379 1,000,000,000  2026-11-27  2026-11-27 05:45";
        assert_eq!(row(&SOURCES, cells), line);
    }
}
