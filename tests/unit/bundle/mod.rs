//! The committed, the rendered and the embedded bundle have the same bytes.

mod host_settings;
mod hostile_texts;
mod markdown;
mod read_back;
mod rendered_documents;

use crate::support::corpus::{CORPUS, Case, assert_accepted, shipped, spec, text};
use crate::support::{root, tools};
use redisguard::bundle::{Bundle, Documents, MARK, SUMS};
use std::collections::BTreeMap;
use std::process::Command;

#[test]
fn committed_rendered_and_embedded_bundles_are_identical() {
    let rendered = shipped();
    let committed = redisguard::files::read_tree(&root().join("generated")).unwrap();
    let of = |bundle: &Bundle| -> BTreeMap<String, Vec<u8>> {
        bundle.artifacts().map(|(path, bytes)| (path.to_owned(), bytes.to_vec())).collect()
    };
    assert_eq!(committed.keys().collect::<Vec<_>>(), of(&rendered).keys().collect::<Vec<_>>());
    for (path, bytes) in rendered.artifacts() {
        assert!(committed[path] == bytes, "{path} is stale: run redisguard-gen");
    }
    // With REDISGUARD_CONFIG set at build time another site is embedded.
    if option_env!("REDISGUARD_CONFIG").is_none() {
        assert_eq!(of(&redisguard::embedded::bundle().unwrap()), of(&rendered));
    }
}

#[test]
fn the_committed_documents_are_what_is_rendered() {
    let spec = spec(&root().join("redisguard.toml"));
    let documents = Documents::render(&spec, &shipped()).unwrap();
    assert_eq!(documents.files.len() + documents.guides.len(), 3);
    for (path, text) in documents.files {
        assert_eq!(std::fs::read_to_string(root().join(path.as_str())).unwrap(), text);
    }
    for (path, sections) in documents.guides {
        let guide = std::fs::read(root().join(path.as_str())).unwrap();
        assert!(redisguard::guide::fill(&guide, &sections).unwrap() == guide, "{path} is stale");
    }
}

#[test]
fn the_readme_shows_what_the_shipped_bundle_does() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let digest = shipped().guard_config().unwrap().bundle;
    assert!(readme.contains(&format!("what bundle {digest} promises")), "show make demo's output");
    let table = include_str!(
        "../../net/snapshots/net__rehearsal__the_shipped_bundle_meets_its_expectations.snap"
    );
    let rows: Vec<&str> = table.lines().filter(|line| line.contains(" | ")).collect();
    assert!(rows.len() > 10 && readme.contains(&rows.join("\n")), "show make demo's output");
}

#[test]
fn ten_renders_are_identical() {
    let first = shipped();
    assert!((0..10).all(|_| shipped() == first));
}

#[test]
fn every_artifact_is_marked_and_ends_with_one_line_feed() {
    for Case { name, bundle, .. } in CORPUS.iter() {
        for (path, bytes) in bundle.artifacts().filter(|(path, _)| *path != SUMS) {
            let text = std::str::from_utf8(bytes).unwrap();
            assert!(text.lines().take(2).any(|line| line.contains(MARK)), "{name}: {path}");
            assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{name}: {path}");
            assert!(!text.contains('\r') && !text.contains("\x1b"), "{name}: {path}");
        }
    }
}

#[test]
fn sha256sum_accepts_the_sums() {
    if !tools(&["sha256sum"]) {
        return;
    }
    let mut command = Command::new("sha256sum");
    let output = command.args(["--check", "--strict", SUMS]).current_dir(root().join("generated"));
    assert_accepted("sha256sum", &output.output().unwrap());
}

#[test]
fn the_corpus_reaches_over_both_edges_of_a_multiport_match() {
    let leaves = |name: &str| {
        let case = CORPUS.iter().find(|case| case.name == name).unwrap();
        let rules = text(&case.bundle, "host/etc/redisguard/rules.v4");
        rules.lines().filter(|line| line.starts_with(":REDISGUARD-IN-")).count()
    };
    let edges = ["fifteen-scattered-ports", "sixteen-scattered-ports"];
    assert_eq!(edges.map(leaves), [0, 2]);
    assert_eq!(["seven-ranges-and-a-port", "eight-ranges"].map(leaves), [0, 2]);
}
