//! Each TOML of tests/specs gives the expected messages, exit status and files.
//!
//! The messages are in `expected.snap` beside the TOML.

use crate::support::{GEN, case, specs};
use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// What the program reads unless it is told otherwise.
const TOML: &str = "redisguard.toml";
/// What is said of a case.
const EXPECTED: &str = "expected.snap";

/// A repository of its own with all that the case has.
fn repository(spec: &Path) -> TempDir {
    let repository = tempfile::tempdir().unwrap();
    let mut files = tree(spec.parent().unwrap());
    files.retain(|path, _| !path.starts_with(EXPECTED));
    for (path, bytes) in files {
        let path = repository.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    repository
}

fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    redisguard::files::read_tree(folder).unwrap()
}

/// What is printed, what is told, and the exit status.
fn run(repository: &Path, arguments: &[&str]) -> (String, String, i32) {
    let output = Command::new(GEN).args(arguments).current_dir(repository).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

/// Holds what was said against what the case expects; nothing need not be expected.
fn is_expected(spec: &Path, said: &str) {
    let folder = spec.parent().unwrap();
    if said.is_empty() {
        assert!(!folder.join(EXPECTED).exists(), "nothing was said");
        return;
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("expected", said));
}

/// Judges every case before it ends; a failure names those that are not as expected.
fn judge(kind: &str, mut one: impl FnMut(&Path)) {
    let mut failed: Vec<String> = Vec::new();
    for spec in specs(kind) {
        if catch_unwind(AssertUnwindSafe(|| one(&spec))).is_err() {
            failed.push(case(&spec).to_owned());
        }
    }
    assert!(failed.is_empty(), "{} {kind} cases went otherwise: {failed:#?}", failed.len());
}

#[test]
fn every_good_case_renders_with_its_warnings_and_a_second_run_changes_nothing() {
    judge("good", |spec| {
        let repository = repository(spec);
        let given = tree(repository.path());
        let (printed, said, status) = run(repository.path(), &[]);
        assert_eq!(status, 0, "{said}");
        is_expected(spec, &said);
        assert!(printed.contains("wrote generated/SHA256SUMS\n"), "{printed}");

        let rendered = tree(repository.path());
        assert!(rendered[TOML] == given[TOML], "the TOML was changed");
        let strange = rendered.keys().find(|path| {
            !path.starts_with("generated/") && !path.ends_with(".md") && *path != TOML
        });
        assert_eq!(strange, None);
        assert_eq!(run(repository.path(), &["--check"]), ("up to date\n".into(), said.clone(), 0));
        assert_eq!(run(repository.path(), &[]), ("up to date\n".into(), said, 0));
        assert!(tree(repository.path()) == rendered, "a second run changed something");
    });
}

#[test]
fn every_bad_case_is_refused_with_the_expected_messages_and_writes_nothing() {
    judge("bad", |spec| {
        let repository = repository(spec);
        let given = tree(repository.path());
        let (printed, said, status) = run(repository.path(), &[]);
        assert_eq!((printed.as_str(), status), ("", 2), "{said}");
        is_expected(spec, &said);
        assert!(tree(repository.path()) == given, "something was written");
        assert!(!repository.path().join("generated").exists());
        // To check is to be told the same.
        assert_eq!(run(repository.path(), &["--check"]), (printed, said, 2));
    });
}

#[test]
fn a_toml_that_is_too_large_is_refused_and_nothing_is_written() {
    let repository = tempfile::tempdir().unwrap();
    let toml = vec![b'#'; redisguard::spec::LARGEST_SOURCE + 1];
    fs::write(repository.path().join(TOML), toml).unwrap();
    let (printed, said, status) = run(repository.path(), &[]);
    assert_eq!((printed.as_str(), status), ("", 2), "{said}");
    assert!(said.contains("error[syntax]: the file has 4194305 bytes; at most 4 MiB"), "{said}");
    assert_eq!(tree(repository.path()).len(), 1);
}
