//! The Markdown reader of the tests finds broken fences, tables and headings.
//!
//! It shows blocks and their content as lines that can be compared, and what a CommonMark parser
//! forgives but a reader would see.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// With what GitHub and GitLab read beyond CommonMark, so that none of it is made by chance.
fn parser(text: &str) -> Parser<'_> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_GFM
        | Options::ENABLE_HEADING_ATTRIBUTES;
    Parser::new_ext(text, options)
}

/// Every block and span with its text, one line for each event; texts that touch are one.
pub fn outline(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut open = false;
    for event in parser(text) {
        match event {
            Event::Text(text) if open => {
                lines.last_mut().into_iter().for_each(|line| line.push_str(&text));
            }
            Event::Text(text) => lines.push(format!("text {text}")),
            other => {
                open = false;
                lines.push(match other {
                    Event::Code(code) => format!("code {code}"),
                    Event::Html(html) | Event::InlineHtml(html) => format!("html {html}"),
                    Event::Start(Tag::Link { dest_url, .. }) => format!("link to {dest_url}"),
                    other => format!("{other:?}"),
                });
                continue;
            }
        }
        open = true;
    }
    lines
}

/// The headings, each with its level as the `#` that begin it.
pub fn headings(text: &str) -> Vec<String> {
    let mut headings = Vec::new();
    let mut heading: Option<String> = None;
    for event in parser(text) {
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                heading = Some(format!("{} ", "#".repeat(level as usize)));
            }
            Event::End(TagEnd::Heading(_)) => headings.extend(heading.take()),
            Event::Text(text) | Event::Code(text) => {
                heading.iter_mut().for_each(|heading| heading.push_str(&text));
            }
            _ => {}
        }
    }
    headings
}

/// Where links lead.
pub fn links(text: &str) -> Vec<String> {
    let links = parser(text).filter_map(|event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            Some(dest_url.into_string())
        }
        _ => None,
    });
    links.collect()
}

/// The HTML in it, comments as well.
pub fn html(text: &str) -> Vec<String> {
    let html = parser(text).filter_map(|event| match event {
        Event::Html(html) | Event::InlineHtml(html) => Some(html.trim().to_owned()),
        _ => None,
    });
    // Of a line that ends as Windows does, the end comes as a piece of its own.
    html.filter(|html| !html.is_empty()).collect()
}

/// What a parser forgives: fences that nothing closes, rows with more or fewer cells than their head,
/// and tables and headings that are none because of what stands around them.
pub fn faults(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let (mut code, mut tables, mut headings) = (Vec::new(), 0, 0);
    for (event, range) in parser(text).into_offset_iter() {
        let source = &text[range.clone()];
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                code.push(range);
                let mut lines = source.lines();
                let fence = lines.next().map_or(0, |line| line.matches(['`', '~']).count());
                let last = lines.last().unwrap_or_default().trim();
                let closed =
                    fence >= 3 && last.len() == fence && last.trim_matches(['`', '~']).is_empty();
                if !closed || !matches!(kind, CodeBlockKind::Fenced(_)) {
                    faults.push(format!("code that no fence closes: {source}"));
                }
            }
            Event::Start(Tag::Table(head)) => {
                tables += 1;
                let rows = source.trim_end().lines().filter(|row| cells(row) != head.len());
                faults.extend(rows.map(|row| format!("a row of {} cells: {row}", cells(row))));
            }
            Event::Start(Tag::Heading { .. }) if source.starts_with('#') => headings += 1,
            _ => {}
        }
    }
    let mut place = 0;
    let (mut meant_tables, mut meant_headings) = (0, 0);
    for line in text.split_inclusive('\n') {
        let prose = !code.iter().any(|code| code.contains(&place));
        place += line.len();
        meant_tables += usize::from(prose && line.trim_start().starts_with("| ---"));
        meant_headings += usize::from(prose && line.starts_with('#'));
    }
    if (tables, headings) != (meant_tables, meant_headings) {
        faults.push(format!(
            "{tables} of {meant_tables} tables, {headings} of {meant_headings} headings"
        ));
    }
    faults
}

/// How many cells a row of a table has.
fn cells(row: &str) -> usize {
    let mut bars = 0;
    let mut escaped = false;
    for character in row.trim().chars() {
        bars += usize::from(character == '|' && !escaped);
        escaped = character == '\\' && !escaped;
    }
    bars.saturating_sub(1)
}

#[test]
fn broken_fences_tables_and_headings_are_found() {
    assert_eq!(
        faults("# a\n\n| a | b\\| |\n| --- | --- |\n| c | d |\n\n```text\n| --- |\n# x\n```\n"),
        [""; 0]
    );
    for bad in [
        "```text\na\n",
        "a\n\n    b\n",
        "| a | b |\n| --- | --- |\n| c |\n",
        "| a | b |\n| --- | --- |\n| c | d | e |\n",
        "| a | b |\n| --- |\n",
        "<div>\n# a\n</div>\n",
    ] {
        assert_eq!(faults(bad).len(), 1, "{bad}: {:?}", faults(bad));
    }
}
