//! The documents for people: two whole files and the sections of the guides, one struct per template.
//! Wording that depends on the spec is in `phrases`.

use super::artifacts::Bundle;
use super::text::{MARK, ends_in_one_line_feed};
use crate::family::Family;
use crate::spec::{Backend, DocumentPath, Existing, External, Listen, Reserved, Spec};
use askama::Template;

/// The documents, rendered.
#[derive(Clone, Debug)]
pub struct Documents {
    /// Whole files, as (path relative to the documents' root, text).
    pub files: Vec<(DocumentPath, String)>,
    /// The guides with their sections.
    pub guides: Vec<(DocumentPath, Vec<Section>)>,
}

/// A section of a guide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The NAME in its markers.
    pub name: &'static str,
    /// The text between the markers, with LF line ends.
    pub text: String,
    /// Whether every guide must have it.
    pub required: bool,
}

/// Where a host keeps the applied bundle. Commands in the documents name it, because the host's program
/// may have another bundle built in.
const APPLIED_BUNDLE: &str = "/var/lib/redisguard/bundle";

#[derive(Template)]
#[template(path = "docs/overview.md")]
struct Overview<'a> {
    spec: &'a Spec,
    first: &'a Reserved,
    sentence: String,
    rules: String,
    reservations: String,
    guides: Vec<(&'a str, String)>,
    grep_pattern: String,
}

#[derive(Template)]
#[template(path = "docs/reservations.md")]
struct Reservations<'a> {
    spec: &'a Spec,
    overview: String,
    guides: Vec<(&'a str, String)>,
}

#[derive(Template)]
#[template(path = "docs/port-warning.md")]
struct PortWarning<'a> {
    spec: &'a Spec,
    reservations: String,
}

#[derive(Template)]
#[template(path = "docs/connection.md")]
struct Connection<'a> {
    spec: &'a Spec,
}

impl Documents {
    /// Renders the documents of a spec and its bundle.
    ///
    /// # Errors
    /// None with values that a [`Spec`] can hold; askama's signature has one.
    pub fn render(spec: &Spec, bundle: &Bundle) -> Result<Self, String> {
        let render = || -> askama::Result<Self> {
            let docs = &spec.docs;
            let files = vec![
                (docs.overview.clone(), overview(spec, bundle)?),
                (docs.reservations.clone(), reservations(spec)?),
            ];
            let sections = |guide: &DocumentPath| Ok((guide.clone(), sections(spec, guide)?));
            let guides = docs.guides.iter().map(sections).collect::<askama::Result<_>>()?;
            Ok(Self { files, guides })
        };
        render().map_err(|error| error.to_string())
    }
}

fn overview(spec: &Spec, bundle: &Bundle) -> askama::Result<String> {
    let path = &spec.docs.overview;
    // The sample sentence is that of a port where a client can get it, if there is one.
    let Some(first) =
        spec.reserved.iter().find(|reserved| reserved.shows_notice()).or(spec.reserved.first())
    else {
        return Ok(String::new());
    };
    let rules = bundle.get(Family::V4.rules_path()).unwrap_or_default();
    let bounds = spec.reserved.iter().flat_map(|reserved| {
        let last = (!reserved.ports.is_single()).then_some(reserved.ports.last());
        [reserved.ports.first()].into_iter().chain(last)
    });
    Overview {
        spec,
        first,
        sentence: spec.sentence(first).replace("{port}", &first.ports.first().to_string()),
        rules: rules_shown(&String::from_utf8_lossy(rules)),
        reservations: relative(path, &spec.docs.reservations),
        guides: guides(spec, path),
        grep_pattern: bounds.map(|port| port.to_string()).collect::<Vec<_>>().join("|"),
    }
    .render()
    .map(ends_in_one_line_feed)
}

fn reservations(spec: &Spec) -> askama::Result<String> {
    let path = &spec.docs.reservations;
    Reservations { spec, overview: relative(path, &spec.docs.overview), guides: guides(spec, path) }
        .render()
        .map(ends_in_one_line_feed)
}

fn sections(spec: &Spec, guide: &DocumentPath) -> askama::Result<Vec<Section>> {
    let marked = |text: String| format!("<!-- {} -->\n\n{}\n\n", MARK, text.trim());
    let reservations = relative(guide, &spec.docs.reservations);
    Ok(vec![
        Section {
            name: "port-warning",
            text: marked(PortWarning { spec, reservations }.render()?),
            required: true,
        },
        Section {
            name: "connection",
            text: marked(Connection { spec }.render()?),
            required: false,
        },
    ])
}

fn guides<'a>(spec: &'a Spec, from: &DocumentPath) -> Vec<(&'a str, String)> {
    spec.docs.guides.iter().map(|guide| (guide.as_str(), relative(from, guide))).collect()
}

/// The rules for a reader: appended and inserted ones only, without comments, because the digest in them
/// would change the document with every other change. A long list is cut.
fn rules_shown(rules: &str) -> String {
    const MAX_LINES: usize = 32;
    let lines: Vec<&str> =
        rules.lines().filter(|line| line.starts_with(['-', '*']) || *line == "COMMIT").collect();
    let mut shown: Vec<String> = lines
        .iter()
        .take(MAX_LINES)
        .map(|line| match line.split_once(" -m comment --comment \"") {
            Some((before, rest)) => {
                let after = rest.split_once("\" ").map_or("", |(_, after)| after);
                format!("{before} {after}")
            }
            None => (*line).to_owned(),
        })
        .collect();
    if lines.len() > MAX_LINES {
        shown.push(format!("... and {} lines more", lines.len() - MAX_LINES));
    }
    shown.join("\n")
}

/// The relative link from one document to another.
fn relative(from: &DocumentPath, to: &DocumentPath) -> String {
    let mut directory: Vec<&str> = from.as_str().split('/').collect();
    directory.pop();
    let target: Vec<&str> = to.as_str().split('/').collect();
    let common = directory.iter().zip(&target).take_while(|(left, right)| left == right).count();
    let up = std::iter::repeat_n("..", directory.len() - common);
    up.chain(target[common..].iter().copied()).collect::<Vec<_>>().join("/")
}
