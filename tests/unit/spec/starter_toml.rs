//! The TOML that `redisguard-gen init` writes has every key once, with its default.

use super::parsed;
use redisguard::spec::Check;
use redisguard::spec::reference::{Default, TABLES};

const STARTER: &str = include_str!("../../../templates/init/redisguard.toml");

/// What a key's line is without its `#`; keys are never behind a `# `, which is prose.
fn plain(line: &str) -> &str {
    match line.strip_prefix('#') {
        Some(rest)
            if rest.starts_with(|first: char| first.is_ascii_lowercase() || first == '[') =>
        {
            rest
        }
        _ => line,
    }
}

/// Every line of a key, as (its table's header, its name, whether it is commented out, its place).
fn keys() -> Vec<(String, String, bool, usize)> {
    let mut keys = Vec::new();
    let mut table = String::new();
    for (place, line) in STARTER.lines().enumerate() {
        let bare = plain(line);
        if bare.starts_with('[') {
            table = bare.to_owned();
        } else if let Some((name, _)) = bare.split_once(" = ").filter(|_| !bare.starts_with('#')) {
            keys.push((table.clone(), name.to_owned(), bare != line, place));
        }
    }
    keys
}

/// The starter with the lines at these places taken in.
fn with(places: &[usize]) -> String {
    let line = |(place, line)| if places.contains(&place) { plain(line) } else { line };
    STARTER.lines().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

fn spec_of(text: String) -> String {
    let (spec, _) = parsed("starter.toml", text).unwrap_or_else(|refused| {
        panic!("the starter is refused:\n{}", refused.render(false));
    });
    format!("{spec:#?}")
}

#[test]
fn the_starter_has_every_key_once_in_the_order_of_the_reference() {
    let shown: Vec<(String, String)> =
        keys().into_iter().map(|(table, name, ..)| (table, name)).collect();
    let mut known = Vec::new();
    for table in TABLES {
        let keys = table
            .keys
            .iter()
            .filter(|key| !matches!(key.kind, redisguard::spec::reference::Kind::Table));
        known.extend(keys.map(|key| (table.header(), key.name.to_owned())));
    }
    assert_eq!(shown, known);
    for table in TABLES {
        let lines = STARTER.lines().filter(|line| plain(line) == table.header());
        assert_eq!(lines.count(), 1, "{}", table.name);
    }
}

#[test]
fn optional_keys_are_commented_out_with_their_default_or_an_example() {
    for (table, name, commented, place) in keys() {
        let table = TABLES.iter().find(|known| known.header() == table).unwrap();
        let key = table.keys.iter().find(|key| key.name == name).unwrap();
        let line = STARTER.lines().nth(place).unwrap();
        let needed = matches!(key.default, Default::Required) && table.name != "notice.tls";
        assert_eq!(commented, !needed, "{line}");
        let value = key.default.toml().unwrap_or_else(|| key.example.to_owned());
        assert_eq!(plain(line), format!("{name} = {value}"));
        let before = STARTER.lines().nth(place - 1).unwrap();
        assert!(needed || before.starts_with("# "), "nothing says what `{name}` means");
        if let (Default::Without(_), true) = (key.default, commented) {
            assert!(before.ends_with("For example:"), "{before}");
        }
    }
}

#[test]
fn the_starter_is_valid_with_and_without_its_commented_lines() {
    let (_, problems) = parsed("starter.toml", STARTER).unwrap();
    let checks: Vec<Check> = problems.problems.iter().map(|problem| problem.check).collect();
    assert_eq!(checks, [Check::DropHidesNotice], "{}", problems.render(false));
    let all: Vec<usize> = (0..STARTER.lines().count()).collect();
    spec_of(with(&all));
}

#[test]
fn uncommenting_a_default_changes_nothing() {
    let bare = spec_of(STARTER.to_owned());
    let mut places = Vec::new();
    for (table, name, _, place) in keys() {
        let table = TABLES.iter().find(|known| known.header() == table).unwrap();
        let key = table.keys.iter().find(|key| key.name == name).unwrap();
        if key.default.toml().is_some() {
            assert_eq!(spec_of(with(&[place])), bare, "{}.{name}", table.name);
            places.push(place);
        }
    }
    assert!(places.len() > 10);
    assert_eq!(spec_of(with(&places)), bare);
}
