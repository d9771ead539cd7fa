//! A hostile text in the TOML is refused by a named check, or stays text in everything rendered.
//!
//! Every artifact and document is read back and compared with what a harmless text gives.

use super::read_back::read_back;
use crate::support::cases;
use crate::support::hostile_texts::{TEXTS, Text, attack, hostile, parsed};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestCaseError;
use redisguard::spec::{Check, Problems, Severity, Source, Spec};
use std::cell::Cell;

/// The checks that may refuse one.
const REFUSING: [Check; 5] =
    [Check::Text, Check::Contact, Check::Path, Check::PathTwice, Check::NoticeLength];

/// A text with the hostile ones in the place of the harmless.
fn attacked(text: &str, attack: &[(usize, String)]) -> String {
    let mut text = text.to_owned();
    for (number, Text { harmless, .. }) in TEXTS.iter().enumerate() {
        if let Some((_, hostile)) = attack.iter().rev().find(|(index, _)| *index == number) {
            text = text.replace(harmless, hostile);
        }
    }
    text
}

/// Paths in folders are the corpus' business: what is rendered from one is not the text alone.
fn is_one_part(attack: &[(usize, String)]) -> bool {
    attack.iter().all(|(number, text)| TEXTS[*number].form == "@" || !text.contains('/'))
}

/// Says what else was refused, and how, than what is wrong by its name.
fn refused_well(problems: &Problems, refusing: &[Check]) -> Result<(), String> {
    let said = problems.render(false);
    let faults = problems.problems.iter().filter(|one| one.severity == Severity::Error);
    let by_name = faults.map(|fault| fault.check).all(|check| refusing.contains(&check));
    // A terminal would obey it.
    let plain = !said.contains(|shown: char| shown.is_control() && shown != '\n');
    if by_name && plain { Ok(()) } else { Err(format!("{said:?}")) }
}

/// Whether the texts were taken; says what else became of them than it should.
fn judged(attack: &[(usize, String)], harmless: &[String]) -> Result<bool, String> {
    let spec = match parsed(attack) {
        Ok(spec) => spec,
        Err(problems) => return refused_well(&problems, &REFUSING).map(|()| false),
    };
    let seen = read_back(&spec)?;
    for (seen, harmless) in seen.iter().zip(harmless) {
        let wanted = attacked(harmless, attack);
        if *seen != wanted {
            return Err(format!("{seen:?} is read, and not {wanted:?}"));
        }
    }
    let counts = (seen.len(), harmless.len());
    if counts.0 == counts.1 { Ok(true) } else { Err(format!("{counts:?} things are read")) }
}

#[test]
fn a_hostile_text_is_refused_by_a_check_or_changes_only_its_own_place() {
    let harmless = read_back(&parsed(&[]).unwrap()).unwrap();
    for Text { harmless: text, .. } in TEXTS {
        assert!(harmless.iter().any(|line| line.contains(text)), "{text}");
    }
    let (refused, taken) = (Cell::new(0), Cell::new(0));
    proptest!(cases(600), |(attack in attack().prop_filter("paths", |attack| is_one_part(attack)))| {
        let outcome = judged(&attack, &harmless).map_err(TestCaseError::fail)?;
        let count = if outcome { &taken } else { &refused };
        count.set(count.get() + 1);
    });
    assert!(refused.get() > 50 && taken.get() > 150, "{refused:?} refused, {taken:?} taken");
}

#[test]
fn hostile_ports_choices_and_networks_are_refused_by_their_check() {
    let keys = select(&[
        ("cluster", "ports = @", Check::Port),
        ("[reserved]", "port = @", Check::Port),
        ("[reserved]", "external = @", Check::Choice),
        ("[reserved]", "listen = @", Check::Choice),
        ("firewall", "backend = @", Check::Choice),
        ("firewall", "existing = @", Check::Choice),
        ("firewall", "allow = [@]", Check::Network),
        ("notice", "port = @", Check::Port),
        ("notice", "log-format = @", Check::Choice),
    ]);
    proptest!(cases(1000), |((table, line, check) in keys, text in hostile())| {
        let line = line.replacen('@', &toml::Value::from(text.as_str()).to_string(), 1);
        let toml = format!("[{table}]\n{line}\n");
        let source = Source::from_bytes("x.toml", toml.into_bytes()).unwrap();
        // What is missing beside it has names of its own.
        let refused = Spec::parse(source).unwrap_err();
        let refusing = [check, Check::MissingKey, Check::Ssh, Check::PrivilegedListen, Check::NoticePort];
        refused_well(&refused, &refusing).map_err(TestCaseError::fail)?;
        let taken = refused.problems.iter().all(|problem| problem.check != check);
        prop_assert!(!taken || text.chars().all(|plain| plain.is_ascii_digit() || "-, ".contains(plain)), "{text:?}");
    });
}
