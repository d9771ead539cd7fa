//! From spanned values to a [`Spec`], with the checks that need more than one value.
//!
//! Guarantees: defaults and bounds are those of the reference; no spec without all of its problems.

mod docs;
mod port_conflicts;
mod reserved;
mod sections;

use self::port_conflicts::{metrics_port_conflicts, notice_port_conflicts, reserved_conflicts};
use super::choice::Part;
use super::diagnostics::{Check, Problem, Problems, Source};
use super::parse;
use super::types::Spec;
use crate::listener_contract::MAX_NOTICE_BYTES;
use std::cell::RefCell;
use std::ops::Range;
use toml::Spanned;

impl Spec {
    /// Parses and checks; returns the spec and its warnings.
    ///
    /// # Errors
    /// Every problem at once, if any of them is an error.
    pub fn parse(source: Source) -> Result<(Self, Problems), Problems> {
        let problems = RefCell::default();
        let spec = checked(&source.text, &problems);
        let mut problems = problems.into_inner();
        problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
        let problems = Problems { source, problems };
        match spec {
            Some(spec) if problems.error_count() == 0 => Ok((spec, problems)),
            _ => Err(problems),
        }
    }
}

/// Reads and checks the whole text. `None` only with an error in `problems`.
fn checked(text: &str, problems: &RefCell<Vec<Problem>>) -> Option<Spec> {
    let root = parse::document(text, &mut problems.borrow_mut());
    if !problems.borrow().is_empty() {
        return None;
    }
    parse::unknown_tables(&root, problems);
    let table = |name| parse::table(&root, name, problems);
    let contact = sections::contact(&table("contact"));
    let cluster = sections::cluster(&table("cluster"));
    let site = sections::site(&table("site"), contact.as_ref());
    let firewall = sections::firewall(&table("firewall"));
    let (notice, notice_port) = sections::notice(&table("notice"));
    let probe = sections::probe(&table("probe"));
    let (metrics, metrics_port) = sections::metrics(&table("metrics"));
    let (host, expect_span) = sections::host(&table("host"));
    let docs = docs::docs(&table("docs"));
    let tables = parse::tables(&root, "reserved", problems);
    let mut reserved: Vec<_> = tables.iter().filter_map(reserved::reserved).collect();
    let mut problems = problems.borrow_mut();
    if !root.contains_key("reserved") {
        problems.push(Problem::missing("reserved", "a [[reserved]] table with a port", 0));
    } else if tables.is_empty() && problems.is_empty() {
        let offset = root.get("reserved").map_or(0, |value| value.span().start);
        problems.push(Problem::missing("reserved", "at least one [[reserved]] table", offset));
    }
    reserved_conflicts(&mut reserved, cluster.as_ref(), &mut problems);
    notice_port_conflicts(&notice_port, &reserved, cluster.as_ref(), &mut problems);
    if let Some(port) = metrics_port {
        metrics_port_conflicts(&port, &notice_port, &reserved, cluster.as_ref(), &mut problems);
    }
    let spans: Vec<Range<usize>> = reserved.iter().map(Spanned::span).collect();
    let reserved = reserved.into_iter().map(Spanned::into_inner).collect();
    let (site, contact, cluster) = (site?, contact?, cluster?.into_inner());
    let spec =
        Spec { site, contact, cluster, reserved, firewall, notice, probe, metrics, host, docs };
    sentences_fit(&spec, &spans, &mut problems);
    redirects_are_served(&spec, expect_span, &mut problems);
    Some(spec)
}

/// Checks that each sentence fits into one reply of the listener.
fn sentences_fit(spec: &Spec, spans: &[Range<usize>], problems: &mut Vec<Problem>) {
    for (reserved, span) in spec.reserved.iter().zip(spans) {
        let length = spec.sentence(reserved).len() + "-\r\n".len();
        if length > MAX_NOTICE_BYTES {
            let message = format!(
                "the sentence for port {} has {length} bytes; at most {} fit",
                reserved.ports, MAX_NOTICE_BYTES
            );
            let problem = Problem::new(Check::NoticeLength, span.clone(), message);
            problems.push(problem.help("shorten the label, the team or the overview's path"));
        }
    }
}

/// Warns where outsiders are redirected to a listener that the hosts are not expected to run.
fn redirects_are_served(spec: &Spec, span: Option<Range<usize>>, problems: &mut Vec<Problem>) {
    let Some(span) = span.filter(|_| spec.redirects() && !spec.host.expect.has(Part::Listener))
    else {
        return;
    };
    let message = "outsiders are redirected to the listener, which these hosts do not run";
    let problem = Problem::new(Check::ListenerExpected, span, message);
    problems.push(problem.help("add \"listener\", or set external = \"drop\" or \"reject\""));
}
