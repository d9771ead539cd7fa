//! The bundle: what is committed, what is rendered and what is embedded are the same bytes, and the
//! real programs that read the artifacts take them.
#![allow(clippy::unwrap_used)]

#[path = "bundle/documents.rs"]
mod documents;
#[path = "bundle/files.rs"]
mod files;
#[path = "bundle/hostile.rs"]
mod hostile;
#[path = "bundle/markdown.rs"]
mod markdown;
#[path = "bundle/parsers.rs"]
mod parsers;
#[path = "bundle/read_back.rs"]
mod read_back;
#[path = "bundle/rules.rs"]
mod rules;
#[path = "bundle/sampled.rs"]
mod sampled;
mod support;
#[path = "bundle/units.rs"]
mod units;

use redisguard::bundle::{Bundle, Documents, MARK, SUMS};
use redisguard::spec::{Source, Spec};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;
use support::{root, specs, told, tools};
use tempfile::TempDir;

/// A good case of the corpus and what it is rendered to.
struct Case {
    name: String,
    /// Its folder, with the guides.
    folder: PathBuf,
    spec: Spec,
    bundle: Bundle,
}

/// Every good case.
static CORPUS: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let case = |path: &PathBuf| {
        let spec = spec(path);
        let bundle = Bundle::render(&spec).unwrap();
        let folder = path.parent().unwrap().to_path_buf();
        Case { name: support::case(path).to_owned(), folder, spec, bundle }
    };
    specs("good").iter().map(case).collect()
});

fn spec(path: &Path) -> Spec {
    let source =
        Source::from_bytes(&path.display().to_string(), std::fs::read(path).unwrap()).unwrap();
    Spec::parse(source).unwrap_or_else(|problems| panic!("{}", problems.render(false))).0
}

fn shipped() -> Bundle {
    Bundle::render(&spec(&root().join("redisguard.toml"))).unwrap()
}

/// One artifact as text.
fn text<'a>(bundle: &'a Bundle, path: &str) -> &'a str {
    let bytes = bundle.get(path).unwrap_or_else(|| panic!("there is no {path}"));
    std::str::from_utf8(bytes).unwrap()
}

/// A bundle in a folder of its own.
fn written(bundle: &Bundle) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in bundle.artifacts() {
        let file = folder.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
    folder
}

/// Every good case's bundle in a folder of its own.
fn for_every_bundle(mut look: impl FnMut(&Case, &Path)) {
    CORPUS.iter().for_each(|case| look(case, written(&case.bundle).path()));
}

fn taken(what: &str, output: &Output) {
    assert!(output.status.success(), "{what}:\n{}", told(output));
}

#[test]
fn committed_rendered_and_embedded_are_the_same_and_nothing_else_is_there() {
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
    let table = include_str!("snapshots/rehearse__the_shipped_bundle_keeps_its_promise.snap");
    let rows: Vec<&str> = table.lines().filter(|line| line.contains(" | ")).collect();
    assert!(rows.len() > 10 && readme.contains(&rows.join("\n")), "show make demo's output");
}

#[test]
fn ten_renders_are_alike() {
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
fn sha256sum_takes_the_sums() {
    if !tools(&["sha256sum"]) {
        return;
    }
    let mut command = Command::new("sha256sum");
    let output = command.args(["--check", "--strict", SUMS]).current_dir(root().join("generated"));
    taken("sha256sum", &output.output().unwrap());
}
