//! The documents of every site are sound Markdown with all headings, links and labels.

use super::markdown;
use crate::support::corpus::{CORPUS, Case};
use redisguard::bundle::{Documents, MARK};
use redisguard::guide;
use redisguard::spec::{External, Listen};
use std::collections::BTreeMap;
use std::fs;

/// Every document of a case by its path: the whole files, and the guides with their sections filled in.
fn documents(case: &Case) -> BTreeMap<String, String> {
    let documents = Documents::render(&case.spec, &case.bundle).unwrap();
    let files = documents.files.into_iter().map(|(path, text)| (path.to_string(), text));
    let guides = documents.guides.into_iter().map(|(path, sections)| {
        let guide = fs::read(case.folder.join(path.as_str())).unwrap();
        let filled = guide::fill(&guide, &sections).unwrap();
        (path.to_string(), String::from_utf8(filled).unwrap())
    });
    files.chain(guides).collect()
}

/// Where a link in a document leads.
fn target(from: &str, link: &str) -> String {
    let mut place: Vec<&str> = from.split('/').collect();
    place.pop();
    for part in link.split('/') {
        match part {
            ".." => assert!(place.pop().is_some(), "{link} leads out of the repository"),
            part => place.push(part),
        }
    }
    place.join("/")
}

#[test]
fn headings_tables_and_code_blocks_are_well_formed() {
    let mut judged = 0;
    for case in CORPUS.iter() {
        for (path, text) in documents(case) {
            let faults = markdown::faults(&text);
            assert!(faults.is_empty(), "{}: {path}: {faults:#?}\n{text}", case.name);
            judged += 1;
        }
    }
    assert!(judged > 2 * CORPUS.len());
}

#[test]
fn the_only_html_is_redisguards_comments() {
    for case in CORPUS.iter() {
        for (path, text) in documents(case) {
            for html in markdown::html(&text) {
                let ours = [MARK, "redisguard:begin ", "redisguard:end "];
                let inner = html.strip_prefix("<!--").and_then(|html| html.strip_suffix("-->"));
                let known = inner.is_some_and(|inner| {
                    ours.iter().any(|ours| inner.trim().starts_with(ours)) && !inner.contains("--")
                });
                assert!(known, "{}: {path}: {html}", case.name);
            }
        }
    }
}

#[test]
fn every_link_leads_to_a_document_of_the_case() {
    let mut followed = 0;
    for case in CORPUS.iter() {
        let documents = documents(case);
        for (path, text) in &documents {
            for link in markdown::links(text) {
                let target = target(path, &link);
                assert!(documents.contains_key(&target), "{}: {path}: {link}", case.name);
                followed += 1;
            }
        }
    }
    assert!(followed > 2 * CORPUS.len());
}

#[test]
fn the_overview_is_headed_by_the_title_and_has_all_its_parts() {
    for case in CORPUS.iter() {
        let overview = &documents(case)[case.spec.docs.overview.as_str()];
        let title = format!("# {}", case.spec.site.title);
        let headings = markdown::headings(overview);
        let wanted = [
            &title,
            "## Overview",
            "## Background",
            "## Implemented measures",
            "### 1. Firewall rules",
            "### 2. Notice",
            "### 3. Documentation",
            "## Testing the measures",
            "## Correct connection",
            "## Monitoring and maintenance",
            "### Logs",
            "### Services",
            "## Troubleshooting",
            "## Contact",
        ];
        assert_eq!(headings, wanted, "{}", case.name);
    }
}

#[test]
fn documents_quote_the_notice_and_the_labels_unchanged() {
    for case in CORPUS.iter() {
        let Case { spec, name, .. } = case;
        let documents = documents(case);
        let overview = markdown::outline(&documents[spec.docs.overview.as_str()]);
        let told = spec.reserved.iter().filter(|reserved| {
            reserved.external == External::Notice || reserved.listen != Listen::Never
        });
        let sentences: Vec<String> = told
            .map(|reserved| {
                spec.sentence(reserved).replace("{port}", &reserved.ports.first().to_string())
            })
            .map(|sentence| format!("text {sentence}\n"))
            .collect();
        // Where nobody is told there is none.
        let shown = overview.iter().any(|line| sentences.contains(line));
        assert_eq!(shown, !sentences.is_empty(), "{name}");
        let reservations = markdown::outline(&documents[spec.docs.reservations.as_str()]);
        for reserved in &spec.reserved {
            let label = format!("text {}", reserved.label);
            assert!(reservations.contains(&label), "{name}: {label}: {reservations:#?}");
        }
    }
}
