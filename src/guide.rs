//! Marked sections: reranges the text between `<!-- redisguard:begin NAME -->` and
//! `<!-- redisguard:end NAME -->` in a guide that people write.
//!
//! Guarantees: every byte outside of the sections stays as it is; markers in code blocks are text.
//! Never: touches files; it maps bytes to bytes.

use crate::bundle::Section;
use pulldown_cmark::{Event, Parser, Tag};
use std::collections::BTreeMap;
use std::ops::Range;

/// An error in a guide's markers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkerError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and how to fix it.
    pub message: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Marker {
    Begin(String),
    End(String),
    /// A comment that begins like a marker and is none.
    Unknown(String),
}

struct Found {
    line: usize,
    bytes: Range<usize>,
    marker: Marker,
}

/// Fills every section of a guide. Its line ends become those of the section's begin line.
///
/// # Errors
/// Every marker that is missing, doubled, nested, reversed, unclosed or unknown, with its line.
pub fn fill(guide: &[u8], sections: &[Section]) -> Result<Vec<u8>, Vec<MarkerError>> {
    let found = markers(guide);
    let (ranges, mut errors) = pair(&found, sections);
    let lines = guide.split(|byte| *byte == b'\n').count();
    for section in sections.iter().filter(|section| section.required) {
        if !ranges.contains_key(section.name) && errors.is_empty() {
            let message = format!(
                "the section `{0}` is missing; add the lines <!-- redisguard:begin {0} --> and \
                 <!-- redisguard:end {0} --> where it belongs",
                section.name
            );
            errors.push(MarkerError { line: lines, message });
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut filled = Vec::with_capacity(guide.len());
    let mut copied = 0;
    let mut ordered: Vec<(&Range<usize>, &Section)> =
        sections.iter().filter_map(|section| Some((ranges.get(section.name)?, section))).collect();
    ordered.sort_by_key(|(range, _)| range.start);
    for (range, section) in ordered {
        filled.extend_from_slice(&guide[copied..range.start]);
        let crlf = guide[..range.start].ends_with(b"\r\n");
        let text = if crlf { section.text.replace('\n', "\r\n") } else { section.text.clone() };
        filled.extend_from_slice(text.as_bytes());
        copied = range.end;
    }
    filled.extend_from_slice(&guide[copied..]);
    // A filled section may close a fence or a comment that was open before it. Then other lines become code
    // or cease to be, and the next run would find other markers.
    let kinds =
        |found: &[Found]| found.iter().map(|found| found.marker.clone()).collect::<Vec<_>>();
    if kinds(&markers(&filled)) != kinds(&found) {
        let line = found.first().map_or(1, |found| found.line);
        let message = "with its sections filled in, other lines of this guide would be code than now; \
                       close what is open before the markers (a fence, <pre>, <!--)";
        return Err(vec![MarkerError { line, message: message.to_owned() }]);
    }
    Ok(filled)
}

/// Pairs begin and end markers: the range between them by name, and every error.
fn pair(
    found: &[Found],
    sections: &[Section],
) -> (BTreeMap<String, Range<usize>>, Vec<MarkerError>) {
    let mut ranges: BTreeMap<String, Range<usize>> = BTreeMap::new();
    let mut errors = Vec::new();
    let mut open: Option<(&str, &Found)> = None;
    for marker in found {
        let mut error = |message: String| errors.push(MarkerError { line: marker.line, message });
        match &marker.marker {
            Marker::Begin(name) => {
                if let Some((outer, before)) = open {
                    let line = before.line;
                    error(format!("`{name}` begins inside `{outer}`, which began in line {line}"));
                    continue;
                }
                if !sections.iter().any(|section| section.name == name) {
                    let known: Vec<_> = sections.iter().map(|section| section.name).collect();
                    error(format!("no section is called `{name}`; there are {}", known.join(", ")));
                }
                if ranges.contains_key(name) {
                    error(format!("the section `{name}` stands here a second time; keep one"));
                }
                open = Some((name, marker));
            }
            Marker::End(name) => match open.take() {
                Some((begun, before)) if begun == name => {
                    ranges.insert(name.clone(), before.bytes.end..marker.bytes.start);
                }
                Some((begun, before)) => {
                    let line = before.line;
                    error(format!("`{name}` ends here, but `{begun}` began in line {line}"));
                    open = Some((begun, before));
                }
                None => error(format!("`{name}` ends here, but it has not begun")),
            },
            Marker::Unknown(text) => error(format!(
                "`{text}` is no marker; there are redisguard:begin NAME and redisguard:end NAME"
            )),
        }
    }
    if let Some((name, before)) = open {
        let message = format!("`{name}` begins here and never ends");
        errors.push(MarkerError { line: before.line, message });
    }
    (ranges, errors)
}

/// All markers outside of code blocks, in order.
fn markers(guide: &[u8]) -> Vec<Found> {
    let mut found = Vec::new();
    let mut start = 0;
    for (index, line) in guide.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let bytes = start..start + line.len();
        start = bytes.end;
        let text = line.strip_prefix(BOM).filter(|_| index == 0).unwrap_or(line);
        if let Some(marker) = marker_in(text) {
            found.push(Found { line: index + 1, bytes, marker });
        }
    }
    // Parsing Markdown is slow, and needed only if a line looks like a marker.
    if !found.is_empty() {
        let code = code_blocks(guide);
        let in_code = |found: &Found| code.iter().any(|code| code.contains(&found.bytes.start));
        found.retain(|found| !in_code(found));
    }
    found
}

/// The byte order mark that some editors write first (RFC 3629, section 6).
const BOM: &[u8] = b"\xef\xbb\xbf";

/// The ranges of the code blocks, fenced or indented, as CommonMark defines them.
fn code_blocks(guide: &[u8]) -> Vec<Range<usize>> {
    // The parser takes text. Invalid bytes are replaced one by one, so that offsets stay the same.
    let mut text = String::with_capacity(guide.len());
    for chunk in guide.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    if guide.starts_with(BOM) {
        text.replace_range(..BOM.len(), "   ");
    }
    let blocks = Parser::new(&text).into_offset_iter();
    let blocks = blocks.filter(|(event, _)| matches!(event, Event::Start(Tag::CodeBlock(_))));
    blocks.map(|(_, range)| range).collect()
}

/// The marker in a line that holds nothing else. A line that is indented by four or more is code.
fn marker_in(line: &[u8]) -> Option<Marker> {
    let blank = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t'));
    let indent: usize = blank.map(|byte| if *byte == b'\t' { 4 } else { 1 }).sum();
    let text = std::str::from_utf8(line.trim_ascii()).ok().filter(|_| indent < 4)?;
    let inner = text.strip_prefix("<!--")?.strip_suffix("-->")?.trim_ascii();
    let rest = inner.strip_prefix("redisguard:")?;
    let words: Vec<&str> = rest.split_ascii_whitespace().collect();
    Some(match words.as_slice() {
        ["begin", name] => Marker::Begin((*name).to_owned()),
        ["end", name] => Marker::End((*name).to_owned()),
        _ => Marker::Unknown(inner.to_owned()),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const OPEN: &str = "<!-- redisguard:begin a -->";
    const CLOSE: &str = "<!-- redisguard:end a -->";

    fn sections() -> Vec<Section> {
        let section = |name, required| Section { name, text: format!("{name} text\n"), required };
        vec![section("a", true), section("b", false)]
    }

    fn filled(guide: &str) -> Result<String, Vec<(usize, String)>> {
        fill(guide.as_bytes(), &sections())
            .map(|bytes| String::from_utf8(bytes).unwrap())
            .map_err(|errors| errors.into_iter().map(|f| (f.line, f.message)).collect())
    }

    fn error(guide: &str) -> (usize, String) {
        filled(guide).unwrap_err().remove(0)
    }

    #[test]
    fn only_what_is_between_the_markers_changes_and_only_once() {
        let guide = format!("x\n{OPEN}\nold\nold\n{CLOSE}\ny");
        let once = filled(&guide).unwrap();
        assert_eq!(once, format!("x\n{OPEN}\na text\n{CLOSE}\ny"));
        assert_eq!(filled(&once).unwrap(), once);
    }

    #[test]
    fn a_guide_with_windows_line_ends_keeps_them() {
        let guide = format!("\u{feff}{OPEN}\r\n{CLOSE}\r\nend\r\n");
        assert_eq!(
            filled(&guide).unwrap(),
            format!("\u{feff}{OPEN}\r\na text\r\n{CLOSE}\r\nend\r\n")
        );
    }

    #[test]
    fn invalid_utf8_stays_as_it_is() {
        let guide = [b"\xff\xfe\n", OPEN.as_bytes(), b"\n", CLOSE.as_bytes(), b"\n\x80"].concat();
        let filled = fill(&guide, &sections()).unwrap();
        assert!(filled.starts_with(b"\xff\xfe\n") && filled.ends_with(b"\n\x80"));
    }

    #[test]
    fn markers_in_fenced_code_are_text() {
        for (open, close) in [("```", "```"), ("~~~~ md", "~~~~~"), ("   ```text", "```")] {
            let code = format!("{open}\n{CLOSE}\n~~\n{close}\n");
            let guide = format!("{code}{OPEN}\n{CLOSE}\n{code}");
            assert_eq!(filled(&guide).unwrap(), format!("{code}{OPEN}\na text\n{CLOSE}\n{code}"));
        }
    }

    #[test]
    fn markers_in_any_code_block_are_text() {
        for text in [
            // A fence in HTML opens none.
            format!("<pre>\n```\n</pre>\n\n```\n{OPEN}\n{CLOSE}\n```\n"),
            format!("- item\n\n  ~~~\n  {CLOSE}\n  ~~~\n"),
            format!("1. a\n   - b\n     ```\n     {OPEN}\n     ```\n"),
            format!("> ```\n> {OPEN}\n> ```\n"),
            format!("> {CLOSE}\n"),
            format!("    {OPEN}\n"),
            format!("\t{OPEN}\n"),
            format!("text {OPEN}\n"),
            format!("`````\n````\n{CLOSE}\n`````\n"),
            format!("~~~\n```\n{OPEN}\n~~~\n"),
        ] {
            let guide = format!("{text}\n{OPEN}\n{CLOSE}\n\n{text}");
            assert_eq!(
                filled(&guide).unwrap(),
                format!("{text}\n{OPEN}\na text\n{CLOSE}\n\n{text}")
            );
        }
        // A fence that its list or quote ends does not go on behind it.
        for text in [format!("> ```\n> {OPEN}\n"), format!("- ```\n  {CLOSE}\n")] {
            let guide = format!("{text}\nmine\n\n{OPEN}\n{CLOSE}\n");
            assert!(filled(&guide).unwrap().contains("a text"), "{guide}");
        }
        // One that nothing ends does.
        assert!(error(&format!("```\n{OPEN}\n{CLOSE}\n")).1.contains("`a` is missing"));
    }

    #[test]
    fn markers_are_known_by_their_words_however_they_are_spaced() {
        for (open, close) in [
            ("<!--redisguard:begin a-->", "<!--   redisguard:end\ta   -->"),
            ("  <!-- redisguard:begin   a -->  ", "   <!-- redisguard:end a -->"),
        ] {
            assert_eq!(
                filled(&format!("{open}\n{close}")).unwrap(),
                format!("{open}\na text\n{close}")
            );
        }
        for wrong in ["begin", "begin a b", "start a", "begin: a", "Begin a", ""] {
            let (line, message) = error(&format!("{OPEN}\n{CLOSE}\n<!-- redisguard:{wrong} -->\n"));
            assert!(line == 3 && message.contains("is no marker"), "{wrong}: {message}");
        }
    }

    #[test]
    fn every_marker_error_has_its_line() {
        assert_eq!(error("x\ny\n"), (3, filled("x\ny\n").unwrap_err().remove(0).1));
        assert!(error("x\n").1.contains("`a` is missing"));
        let twice = error(&format!("{OPEN}\n{CLOSE}\n{OPEN}\n{CLOSE}\n"));
        assert_eq!((twice.0, twice.1.contains("second time")), (3, true));
        let nested = error(&format!("{OPEN}\n<!-- redisguard:begin b -->\n{CLOSE}\n"));
        assert_eq!((nested.0, nested.1.contains("inside `a`")), (2, true));
        let reversed = error(&format!("x\n{CLOSE}\n{OPEN}\n"));
        assert_eq!((reversed.0, reversed.1.contains("has not begun")), (2, true));
        let unclosed = error(&format!("{OPEN}\n"));
        assert_eq!((unclosed.0, unclosed.1.contains("never ends")), (1, true));
        let unknown = error(&format!("{OPEN}\n{CLOSE}\n<!-- redisguard:begin c -->\n"));
        assert_eq!((unknown.0, unknown.1.contains("there are a, b")), (3, true));
    }
}
