//! A TOML is checked: limits, lint levels, positions of problems, and the choices of each key.

mod corpus;
mod explanations;
mod json_schema;
mod starter_toml;

use crate::support::{self, specs};
use redisguard::spec::{
    Backend, Check, Choice, Existing, External, LintLevel, Listen, LogFormat, Problems, Severity,
    Source, Spec, reference,
};
use std::collections::{HashMap, HashSet};

fn parsed(name: &str, text: impl Into<Vec<u8>>) -> Result<(Spec, Problems), Problems> {
    Source::from_bytes(name, text.into()).and_then(Spec::parse)
}

#[test]
fn the_shipped_toml_is_a_case_of_the_corpus() {
    let shipped = std::fs::read(support::root().join("redisguard.toml")).unwrap();
    let case = support::root().join("tests/specs/good/shipped/redisguard.toml");
    assert!(shipped == std::fs::read(case).unwrap(), "copy redisguard.toml there");
}

#[test]
fn ten_thousand_ports_are_accepted_and_a_duplicate_is_found() {
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

/// The shipped TOML's problems, after the lint levels.
fn ruled(levels: &[LintLevel]) -> Problems {
    let text = std::fs::read(support::root().join("redisguard.toml")).unwrap();
    let (_, mut problems) = parsed("redisguard.toml", text).unwrap();
    problems.apply_lint_levels(levels);
    problems
}

#[test]
fn the_last_deny_or_allow_of_a_warning_wins() {
    use LintLevel::{Allow, Deny, DenyAll};
    let (drops, nobody) = (Check::DropHidesNotice, Check::NobodyTold);
    for (levels, errors, warnings) in [
        (vec![], 0, 2),
        (vec![DenyAll], 2, 0),
        (vec![Deny(drops)], 2, 0),
        (vec![Deny(nobody), Allow(nobody)], 0, 2),
        (vec![Allow(drops)], 0, 0),
        (vec![Deny(drops), Allow(drops)], 0, 0),
        (vec![Allow(drops), Deny(drops)], 2, 0),
        (vec![DenyAll, Allow(drops)], 0, 0),
        (vec![Allow(drops), DenyAll], 2, 0),
    ] {
        let problems = ruled(&levels);
        let counted = (problems.error_count(), problems.problems.len() - problems.error_count());
        assert_eq!(counted, (errors, warnings), "{levels:?}");
    }
}

#[test]
fn allow_never_silences_a_fault() {
    let mut refused = parsed("x.toml", "").unwrap_err();
    let before = refused.error_count();
    refused.apply_lint_levels(&[LintLevel::Allow(Check::MissingKey)]);
    assert!(before > 0 && refused.error_count() == before);
    assert!(refused.problems.iter().all(|problem| problem.severity == Severity::Error));
}

#[test]
fn many_problems_fill_one_screen_with_faults_first() {
    let mut text = String::from("[contact]\nteam = \"O\"\n[cluster]\nports = 7000\n");
    for port in 20_000..20_100 {
        text.push_str(&format!("[[reserved]]\nport = {port}\n"));
    }
    text.push_str("label = 3\n");
    let many = parsed("x.toml", text).unwrap_err();
    assert_eq!(many.count(), "2 faults, 100 warnings");
    let shown = many.render(false);
    assert!(shown.lines().count() <= 50, "{shown}");
    for wanted in ["error[missing-key]", "error[wrong-type]", "label = 3", "and 79 more"] {
        assert!(shown.contains(wanted), "no {wanted:?} in\n{shown}");
    }
}

#[test]
fn positions_of_problems_count_lines_and_characters() {
    let text = "[contact]\r\nteam = \"Ключи\" # Ключи\r\nemail = 3\n\
                [cluster]\nports = 7000\n[[reserved]]\npart = 1\n";
    let refused = parsed("x.toml", text).unwrap_err();
    let shown = refused.render(false);
    for problem in &refused.problems {
        let (begin, _) = refused.positions(problem);
        let place = format!("--> x.toml:{}:{}\n", begin.line, begin.column);
        assert!(shown.contains(&place), "no {place} in\n{shown}");
    }
    let text = "site = { title = \"Ключи\", date = \"x\" }\n";
    let refused = parsed("x.toml", text).unwrap_err();
    let date = refused.problems.iter().find(|one| one.check == Check::WrongType).unwrap();
    let (begin, end) = refused.positions(date);
    assert_eq!((begin.line, begin.column, end.line, end.column), (1, 34, 1, 37));
}

#[test]
fn the_reference_lists_the_choices_that_are_accepted() {
    let mut told = Vec::new();
    for table in reference::TABLES {
        for key in table.keys {
            if let reference::Kind::Choice(choices) = key.kind {
                told.push((format!("{}.{}", table.name, key.name), choices));
            }
        }
    }
    assert_eq!(
        told,
        [
            ("reserved.external".to_owned(), External::CHOICES),
            ("reserved.listen".to_owned(), Listen::CHOICES),
            ("firewall.backend".to_owned(), Backend::CHOICES),
            ("firewall.existing".to_owned(), Existing::CHOICES),
            ("notice.log-format".to_owned(), LogFormat::CHOICES),
        ]
    );
}

#[test]
fn every_check_has_a_name_of_its_own_and_two_cases_that_show_it() {
    let names: HashSet<&str> = Check::ALL.iter().map(|check| check.name()).collect();
    assert_eq!(names.len(), Check::ALL.len());
    let mut shown: HashMap<&str, usize> = names.iter().map(|name| (*name, 0)).collect();
    for path in specs("bad").into_iter().chain(specs("good")) {
        let problems = match parsed("x.toml", std::fs::read(path).unwrap()) {
            Ok((_, problems)) | Err(problems) => problems,
        };
        let checks: HashSet<&str> =
            problems.problems.iter().map(|problem| problem.check.name()).collect();
        checks.into_iter().for_each(|check| *shown.get_mut(check).unwrap() += 1);
    }
    shown.retain(|_, cases| *cases < 2);
    assert!(shown.is_empty(), "too few cases show {shown:?}");
}
