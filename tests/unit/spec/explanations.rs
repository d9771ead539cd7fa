//! Each check is explained, with an example that breaks it alone and one that breaks none.

use super::parsed;
use redisguard::spec::{Check, EXPLANATIONS};
use std::collections::BTreeSet;

/// The example with what every TOML needs and it does not show.
fn whole(example: &str) -> String {
    let mut text = String::new();
    for (header, rest) in [
        ("[contact]", "team = \"O\"\nemail = \"o@example.org\""),
        ("[cluster]", "ports = \"7000-7002\""),
        ("[[reserved]]", "port = 6379\nexternal = \"notice\""),
    ] {
        if !example.contains(header) {
            text.push_str(&format!("{header}\n{rest}\n"));
        }
    }
    text + example + "\n"
}

fn raised(example: &str) -> BTreeSet<&'static str> {
    let problems = match parsed("example.toml", whole(example)) {
        Ok((_, problems)) | Err(problems) => problems,
    };
    problems.problems.iter().map(|problem| problem.check.name()).collect()
}

#[test]
fn every_wrong_example_breaks_its_check_alone_and_the_right_one_none() {
    for told in EXPLANATIONS {
        let name = told.check.name();
        assert_eq!(raised(told.wrong), BTreeSet::from([name]), "the wrong example of {name}");
        assert_eq!(raised(told.right), BTreeSet::new(), "the right example of {name}");
    }
}

#[test]
fn every_check_is_explained_in_whole_sentences_at_its_own_place() {
    assert_eq!(EXPLANATIONS.len(), Check::ALL.len());
    for check in Check::ALL {
        let told = check.explanation();
        assert_eq!(told.check, *check);
        assert_eq!(Check::named(check.name()), Some(*check));
        for text in [told.meaning, told.why, check.rule()] {
            assert!(text.ends_with('.') && !text.contains("  "), "{text:?}");
        }
        for example in [told.wrong, told.right] {
            assert!(example.lines().all(|line| line.len() <= 76), "{example}");
        }
    }
}
