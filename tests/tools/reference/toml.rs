//! The page about the TOML: every table and key, from the same reference that the checks read.

use super::markdown::{code, fenced, prose, table};
use redisguard::spec::reference::{Default, Key, Kind, Occurrence, TABLES, Table};

pub fn page() -> String {
    let row = |known: &Table| {
        let name = known.header();
        vec![format!("[`{name}`](#{})", anchor(known)), given(known).to_owned(), prose(known.about)]
    };
    let contents = table(&["Table", "Given", "What it says"], TABLES.iter().map(row));
    let tables: String = TABLES.iter().map(section).collect();
    format!(
        "# redisguard.toml\n\n\
         Every table and key. What is not named here is refused. `redisguard-gen init` writes\n\
         [a TOML with all of them](../../templates/init/redisguard.toml), and editors that read JSON\n\
         Schema take [redisguard.schema.json](../redisguard.schema.json). What else is checked is in\n\
         [checks.md](checks.md).\n\n{contents}\n{tables}"
    )
}

/// GitHub's anchor of the table's heading: no punctuation.
fn anchor(known: &Table) -> String {
    known.name.replace('.', "")
}

fn given(known: &Table) -> &'static str {
    match known.occurrence {
        Occurrence::Once => "once",
        Occurrence::Optional => "once or not at all",
        Occurrence::Repeated => "once or more",
    }
}

fn section(known: &Table) -> String {
    let plain = || known.keys.iter().filter(|key| !is_table(key));
    let lines: Vec<String> = plain().map(|key| format!("{} = {}", key.name, key.example)).collect();
    let example = fenced("toml", &format!("{}\n{}", known.header(), lines.join("\n")));
    let keys: String = plain().map(|one| key(known, one)).collect();
    let tables: String =
        known.keys.iter().filter(|key| is_table(key)).map(table_within(known)).collect();
    format!("## `{}`\n\n{}\n\n{example}\n{tables}{keys}", known.header(), prose(known.about))
}

fn is_table(key: &Key) -> bool {
    matches!(key.kind, Kind::Table)
}

/// A key that is a table has a section of its own.
fn table_within(known: &Table) -> impl Fn(&Key) -> String {
    let of = known.name;
    move |key| {
        let without = match key.default {
            Default::Without(what) => format!(" Without it, {}.", prose(what)),
            _ => String::new(),
        };
        let name = key.name;
        format!("And [`[{of}.{name}]`](#{of}{name}): {}{without}\n\n", prose(key.about))
    }
}

/// What TOML calls what a key takes.
fn of_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Line(_) | Kind::Email | Kind::Host | Kind::Choice(_) => "string",
        Kind::Log | Kind::Pem | Kind::Textfile | Kind::Document => "string",
        Kind::WebAddress | Kind::TargetLabel => "string",
        Kind::Date => "local date",
        Kind::Port | Kind::Number(..) => "integer",
        Kind::Range => "integer or string",
        Kind::Ports => "integer, string or array of both",
        Kind::Flag => "boolean",
        Kind::Networks | Kind::Documents | Kind::Choices(_) => "array of strings",
        Kind::Table => "table",
    }
}

fn key(of: &Table, key: &Key) -> String {
    let takes = match key.kind {
        Kind::Choice(choices) | Kind::Choices(choices) => {
            let begin = if matches!(key.kind, Kind::Choices(_)) { "an array of" } else { "one of" };
            let choice = |(name, why): &(&str, &str)| format!("\n  - `\"{name}\"`: {}", prose(why));
            format!("{begin}{}", choices.iter().map(choice).collect::<String>())
        }
        kind => prose(&kind.to_string()),
    };
    let default = match key.default {
        Default::Required => "none, it must be given".to_owned(),
        Default::Without(what) => format!("none; without it, {}", prose(what)),
        default => code(&default.toml().unwrap_or_default()),
    };
    format!(
        "### `{}.{}`\n\n{}\n\n- Type: {}\n- Takes: {takes}\n- Default: {default}\n\n",
        of.name,
        key.name,
        prose(key.about),
        of_type(key.kind),
    )
}
