//! Owns the report as text of at most 80 columns. What clients call themselves is printable ASCII by
//! the time that it comes here.

use crate::report::format::{day, grouped, minute, step};
use crate::report::{Answer, Answers, Glyphs, Knocks, Port, Summary};

const WIDTH: usize = 80;
/// The most columns of a source before the rest of its line goes below it.
const SOURCE: usize = 21;

/// Blocks where the locale can say them and the terminal is likely to have them.
pub fn glyphs() -> Glyphs {
    let value = |name: &&str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(value).unwrap_or_default();
    glyphs_of(&locale, &std::env::var("TERM").unwrap_or_default())
}

fn glyphs_of(locale: &str, terminal: &str) -> Glyphs {
    let locale = locale.to_ascii_lowercase().replace('-', "");
    // The font of the kernel's own console has no such blocks.
    let plain = !locale.contains("utf8") || ["linux", "dumb"].contains(&terminal);
    if plain { Glyphs::ASCII } else { Glyphs::BLOCKS }
}

/// The whole report; ends without a line feed.
pub fn text(summary: &Summary, glyphs: Glyphs) -> String {
    let mut lines = vec![headline(summary)];
    if !summary.knocks.is_empty() {
        lines.push(String::new());
        lines.push(row("Source", ["Port", "Attempts", "First seen", "Last seen (UTC)"], "When"));
        for knocks in &summary.knocks {
            lines.extend(source(knocks, glyphs));
        }
        if summary.others.knocks > 0 {
            let (more, attempts) = (summary.others.knocks, grouped(summary.others.attempts));
            lines.push(format!(
                "and {} more, with {attempts} attempts: --top N lists more",
                grouped(more)
            ));
        }
    }
    lines.extend(ports(summary, glyphs));
    lines.extend(libraries(summary));
    lines.push(String::new());
    lines.extend(notes(summary));
    lines.join("\n")
}

fn headline(summary: &Summary) -> String {
    let (Some(first), Some(last)) = (&summary.first, &summary.last) else {
        return "nobody knocks".to_owned();
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

/// One line of the table of sources.
fn row(source: &str, [port, attempts, first, last]: [&str; 4], when: &str) -> String {
    let line = format!("{source:<SOURCE$} {port:>5} {attempts:>9}  {first:<10}  {last:<16}");
    format!("{line} {when}").trim_end().to_owned()
}

fn source(knocks: &Knocks, glyphs: Glyphs) -> Vec<String> {
    let port = knocks.port.map_or("any".to_owned(), |port| port.to_string());
    let attempts = grouped(knocks.attempts);
    let cells = [port.as_str(), &attempts, day(&knocks.first), &minute(&knocks.last)];
    let when = glyphs.sparkline(&knocks.timeline);
    let mut lines = match knocks.source.chars().count() > SOURCE {
        true => vec![knocks.source.clone(), row("", cells, &when)],
        false => vec![row(&knocks.source, cells, &when)],
    };
    let mut words = answers(&knocks.answers);
    let others = knocks.protocols.iter().filter(|name| !["resp", "none"].contains(name));
    words.extend(others.map(|name| format!("over {name}")));
    words.extend(knocks.libraries.iter().map(|library| match &library.version {
        Some(version) => format!("{} {version}", library.name),
        None => library.name.clone(),
    }));
    let name = knocks.name.iter().cloned();
    let details: Vec<String> = name.chain([words.join(", ")]).collect();
    lines.push(cut(format!("  {}", details.join("; "))));
    lines
}

fn answers(answers: &Answers) -> Vec<String> {
    let some = Answer::ALL.into_iter().filter(|answer| answers.of(*answer) > 0);
    some.map(|answer| format!("{} {}", answer.name(), grouped(answers.of(answer)))).collect()
}

fn ports(summary: &Summary, glyphs: Glyphs) -> Vec<String> {
    let mut lines = Vec::new();
    if summary.ports.is_empty() {
        return lines;
    }
    let step = step(summary.step_seconds);
    lines.push(String::new());
    lines.push(format!(
        "{:<5} {:>8} {:>10} {:>10} {:>9} {:>9}  {}",
        "Port",
        "Sources",
        "Attempts",
        "Listener",
        "Dropped",
        "Reset",
        format_args!("Sources per {step}")
    ));
    for Port { port, sources, attempts, answers, burn_down, .. } in &summary.ports {
        let of = |answer: Answer| answers.of(answer);
        let listener = [Answer::Told, Answer::Closed, Answer::Broken, Answer::Folded];
        let listener: u64 =
            listener.map(of).iter().fold(0, |sum, count| sum.saturating_add(*count));
        lines.push(format!(
            "{:<5} {:>8} {:>10} {:>10} {:>9} {:>9}  {}",
            port.map_or("any".to_owned(), |port| port.to_string()),
            grouped(*sources),
            grouped(*attempts),
            grouped(listener),
            grouped(of(Answer::Dropped)),
            grouped(of(Answer::Reset)),
            glyphs.peaks(burn_down),
        ));
    }
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
}

fn libraries(summary: &Summary) -> Vec<String> {
    const MOST: usize = 20;
    let mut lines = Vec::new();
    if summary.libraries.is_empty() {
        return lines;
    }
    lines.push(String::new());
    lines.push(format!(
        "{:<42} {:>8} {:>10}  {}",
        "Library", "Sources", "Attempts", "Last seen (UTC)"
    ));
    for library in summary.libraries.iter().take(MOST) {
        let name = match &library.version {
            Some(version) => format!("{} {version}", library.name),
            None => library.name.clone(),
        };
        let name = if name.len() > 42 { format!("{}...", &name[..39]) } else { name };
        lines.push(format!(
            "{name:<42} {:>8} {:>10}  {}",
            grouped(library.sources),
            grouped(library.attempts),
            minute(&library.last)
        ));
    }
    if summary.libraries.len() > MOST {
        lines.push(format!("and {} more: --json names them all", summary.libraries.len() - MOST));
    }
    lines
}

/// What was read, what was not, and what the counts are worth.
fn notes(summary: &Summary) -> Vec<String> {
    let mut notes = Vec::new();
    let read = match summary.logs.as_slice() {
        [one] => one.clone(),
        logs => format!("{} logs", logs.len()),
    };
    let kernel = match &summary.kernel {
        Some(kernel) => format!("; the kernel's lines from {kernel}"),
        None => String::new(),
    };
    let lines = summary.lines;
    notes.push(format!("read {} lines of {read}{kernel}", grouped(lines.read)));
    let skipped = [
        ("of others", lines.foreign),
        ("out of what was asked for", lines.outside),
        ("torn", lines.torn),
        ("malformed", lines.malformed),
        ("without a time that can be", lines.misdated),
    ];
    let skipped = skipped.iter().filter(|(_, count)| *count > 0);
    let skipped: Vec<String> =
        skipped.map(|(what, count)| format!("{} {what}", grouped(*count))).collect();
    if !skipped.is_empty() {
        notes.push(format!("not counted: {}", skipped.join(", ")));
    }
    if summary.lost.lines > 0 {
        let (lines, attempts) = (grouped(summary.lost.lines), grouped(summary.lost.attempts));
        notes.push(format!("the listener could not write {lines} lines, of {attempts} attempts"));
    }
    if summary.answers.of(Answer::Dropped) + summary.answers.of(Answer::Reset) > 0 {
        notes.push(
            "the kernel writes a few lines a minute for a source: `status` counts all".to_owned(),
        );
    }
    notes.into_iter().flat_map(|note| folded(&note)).collect()
}

/// A text in lines of at most [`WIDTH`] columns, those after the first indented.
fn folded(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) => lines.push(format!("  {word}")),
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

fn cut(line: String) -> String {
    match line.char_indices().nth(WIDTH) {
        None => line,
        Some(_) => format!("{}...", line.chars().take(WIDTH - 3).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_for_those_who_can_show_them() {
        for (locale, terminal, first) in [
            ("en_GB.UTF-8", "xterm", '▁'),
            ("C.utf8", "", '▁'),
            ("C", "xterm", '.'),
            ("", "", '.'),
            ("en_GB.UTF-8", "linux", '.'),
        ] {
            assert_eq!(
                glyphs_of(locale, terminal).sparkline(&[1, 8]).chars().next(),
                Some(first),
                "{locale} {terminal}"
            );
        }
    }

    #[test]
    fn no_line_is_longer_than_a_terminal_is_wide() {
        assert_eq!(cut("x".repeat(80)).len(), 80);
        assert!(cut("x".repeat(81)).ends_with("xxx..."));
        assert!(folded(&"word ".repeat(40)).iter().all(|line| line.len() <= WIDTH));
    }
}
