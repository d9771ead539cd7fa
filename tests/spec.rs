//! The source of truth: every good spec is taken, every bad one is refused with all its faults.
#![allow(clippy::unwrap_used)]

mod support;

use redisguard::spec::{Check, LARGEST_SOURCE, Problems, Severity, Source, Spec};
use std::collections::HashSet;
use support::specs;

fn parsed(name: &str, text: impl Into<Vec<u8>>) -> Result<(Spec, Problems), Problems> {
    Source::from_bytes(name, text.into()).and_then(Spec::parse)
}

#[test]
fn every_good_spec_is_taken() {
    for path in specs("good") {
        let taken = parsed("good.toml", std::fs::read(&path).unwrap());
        assert!(taken.is_ok(), "{}:\n{}", path.display(), taken.unwrap_err().render(false));
    }
}

#[test]
fn every_bad_spec_is_refused_with_all_its_faults_at_once() {
    for path in specs("bad") {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let refused = parsed(&format!("{name}.toml"), std::fs::read(&path).unwrap()).unwrap_err();
        assert!(refused.faults() > 0);
        insta::assert_snapshot!(format!("bad_{name}"), refused.render(false));
    }
}

#[test]
fn the_shipped_spec_is_the_tested_one_and_warns_of_what_it_drops() {
    let shipped = std::fs::read_to_string(support::root().join("redisguard.toml")).unwrap();
    let tested = support::root().join("tests/specs/good/shipped.toml");
    assert_eq!(shipped, std::fs::read_to_string(tested).unwrap());
    let (_, warnings) = parsed("redisguard.toml", shipped).unwrap();
    assert_eq!(warnings.faults(), 0);
    insta::assert_snapshot!("shipped_warnings", warnings.render(false));
}

#[test]
fn files_that_are_no_text_or_far_too_large_are_refused() {
    let binary = parsed("x.toml", vec![b'[', b'a', b']', b'\n', 0xff, 0xfe]).unwrap_err();
    assert!(binary.render(false).contains("byte 5 is not UTF-8"), "{}", binary.render(false));
    let huge = parsed("x.toml", vec![b'#'; LARGEST_SOURCE + 1]).unwrap_err();
    assert!(huge.render(false).contains("at most 4 MiB"), "{}", huge.render(false));
}

#[test]
fn ten_thousand_ports_are_taken_and_one_more_of_them_twice_is_found() {
    let mut text = String::from(
        "[contact]\nteam = \"O\"\nemail = \"o@example.org\"\n[cluster]\nports = 7000\n",
    );
    for port in 20_000..30_000 {
        text.push_str(&format!("[[reserved]]\nport = {port}\nexternal = \"notice\"\n"));
    }
    assert_eq!(parsed("x.toml", text.clone()).unwrap().0.reserved.len(), 10_000);
    text.push_str("[[reserved]]\nport = 25000\nexternal = \"notice\"\n");
    let twice = parsed("x.toml", text).unwrap_err();
    assert_eq!(twice.problems.len(), 1);
    assert_eq!(twice.problems[0].check, Check::ReservedTwice);
}

#[test]
fn denied_warnings_are_faults() {
    let text = std::fs::read(support::root().join("redisguard.toml")).unwrap();
    let (_, mut problems) = parsed("redisguard.toml", text).unwrap();
    problems.deny_warnings();
    assert_eq!(problems.faults(), 2);
    assert!(problems.problems.iter().all(|problem| problem.severity == Severity::Fault));
}

#[test]
fn every_check_has_a_name_of_its_own_and_a_bad_spec_or_a_warning() {
    let names: HashSet<&str> = Check::ALL.iter().map(|check| check.name()).collect();
    assert_eq!(names.len(), Check::ALL.len());
    let mut seen = HashSet::new();
    for path in specs("bad").into_iter().chain(specs("good")) {
        let problems = match parsed("x.toml", std::fs::read(path).unwrap()) {
            Ok((_, problems)) | Err(problems) => problems,
        };
        seen.extend(problems.problems.iter().map(|problem| problem.check.name()));
    }
    let mut unseen: Vec<_> = names.difference(&seen).collect();
    unseen.sort();
    assert!(unseen.is_empty(), "no spec shows {unseen:?}");
}
