//! Owns the documents that people read: two whole files and the sections of the guides, one struct
//! per template. What a spec means in words is said in `words`.

use super::Bundle;
use crate::family::Family;
use crate::spec::{Backend, DocumentPath, Existing, External, Listen, Reserved, Spec};
use askama::Template;

/// The documents, rendered.
#[derive(Clone, Debug)]
pub struct Documents {
    /// Whole files, as (path relative to the root of the documents, text).
    pub files: Vec<(DocumentPath, String)>,
    /// The guides that have sections, each with its sections.
    pub guides: Vec<(DocumentPath, Vec<Section>)>,
}

/// A section's name and its text, with LF line ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The NAME of the markers.
    pub name: &'static str,
    /// What goes between them.
    pub text: String,
    /// Whether every guide must have it.
    pub required: bool,
}

/// Where the bundle that was applied is kept on a host: the program that is there may have another
/// one built in.
const KEPT: &str = "/var/lib/redisguard/bundle";

#[derive(Template)]
#[template(path = "docs/overview.md")]
struct Overview<'a> {
    spec: &'a Spec,
    first: &'a Reserved,
    sentence: String,
    rules: String,
    reservations: String,
    guides: Vec<(&'a str, String)>,
    kept: &'static str,
    told_outside: String,
    refused_outside: String,
    dropped_outside: String,
    grep: String,
    cut: bool,
    nftables: bool,
    gives_way: bool,
}

#[derive(Template)]
#[template(path = "docs/reservations.md")]
struct Reservations<'a> {
    spec: &'a Spec,
    bus: String,
    without_bus: String,
    always: bool,
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
    /// Never on values that a [`Spec`] can hold; the template engine's signature has one.
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
    // The sentence is shown for a port where somebody may meet it.
    let told = |reserved: &&Reserved| {
        reserved.external == External::Notice || reserved.listen != Listen::Never
    };
    let Some(first) = spec.reserved.iter().find(told).or(spec.reserved.first()) else {
        return Ok(String::new());
    };
    let rules = bundle.get(Family::V4.rules_path()).unwrap_or_default();
    let numbers = spec.reserved.iter().flat_map(|reserved| {
        let ends = [reserved.ports.first(), reserved.ports.last()];
        ends.into_iter().take(if ends[0] == ends[1] { 1 } else { 2 })
    });
    Overview {
        spec,
        first,
        sentence: spec.sentence(first).replace("{port}", &first.ports.first().to_string()),
        rules: rules_shown(&String::from_utf8_lossy(rules)),
        reservations: relative(path, &spec.docs.reservations),
        guides: guides(spec, path),
        kept: KEPT,
        told_outside: spec.ports_that(External::Notice),
        refused_outside: spec.ports_that(External::Reject),
        dropped_outside: spec.ports_that(External::Drop),
        grep: numbers.map(|port| port.to_string()).collect::<Vec<_>>().join("|"),
        cut: spec.firewall.existing == Existing::Cut,
        nftables: spec.firewall.backend == Backend::Nftables,
        gives_way: spec.reserved.iter().any(|reserved| reserved.listen == Listen::IfFree),
    }
    .render()
    .map(super::one_line_feed)
}

fn reservations(spec: &Spec) -> askama::Result<String> {
    let path = &spec.docs.reservations;
    Reservations {
        spec,
        bus: spec.cluster.bus_ports().to_string(),
        without_bus: spec.ports_without_bus(),
        always: spec.reserved.iter().any(|reserved| reserved.listen == Listen::Always),
        overview: relative(path, &spec.docs.overview),
        guides: guides(spec, path),
    }
    .render()
    .map(super::one_line_feed)
}

fn sections(spec: &Spec, guide: &DocumentPath) -> askama::Result<Vec<Section>> {
    let marked = |text: String| format!("<!-- {} -->\n\n{}\n\n", super::MARK, text.trim());
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

/// The rules as a reader wants them: what is appended and inserted, without the digest that would
/// change this document with every change elsewhere. Long lists are cut.
fn rules_shown(rules: &str) -> String {
    const MOST: usize = 32;
    let lines: Vec<&str> =
        rules.lines().filter(|line| line.starts_with(['-', '*']) || *line == "COMMIT").collect();
    let mut shown: Vec<String> = lines
        .iter()
        .take(MOST)
        .map(|line| match line.split_once(" -m comment --comment \"") {
            Some((before, rest)) => {
                let after = rest.split_once("\" ").map_or("", |(_, after)| after);
                format!("{before} {after}")
            }
            None => (*line).to_owned(),
        })
        .collect();
    if lines.len() > MOST {
        shown.push(format!("... and {} lines more", lines.len() - MOST));
    }
    shown.join("\n")
}

/// The link from one document to another.
fn relative(from: &DocumentPath, to: &DocumentPath) -> String {
    let mut here: Vec<&str> = from.as_str().split('/').collect();
    here.pop();
    let there: Vec<&str> = to.as_str().split('/').collect();
    let common = here.iter().zip(&there).take_while(|(left, right)| left == right).count();
    let up = std::iter::repeat_n("..", here.len() - common);
    up.chain(there[common..].iter().copied()).collect::<Vec<_>>().join("/")
}
