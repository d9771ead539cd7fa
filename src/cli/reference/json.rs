//! The page about JSON, from examples that are made of the printed types themselves: a field that nobody
//! has described, and a description of a field that is not there, is an error.

use super::fields::{FIELDS, Outputs};
use super::markdown::{fenced, prose, table};
use crate::cli::{generator, installer};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Examples of what one verb prints, or several: together they have every field, and lack every field
/// that may be absent.
pub(in crate::cli) struct Example {
    /// The verbs.
    verbs: &'static str,
    /// As they are printed.
    texts: Vec<String>,
}

impl Example {
    /// Takes answers as they are printed; the first one is shown.
    pub fn of(verbs: &'static str, answers: &[impl Serialize]) -> Self {
        let text = |answer| serde_json::to_string_pretty(answer).unwrap_or_default();
        Self { verbs, texts: answers.iter().map(text).collect() }
    }
}

/// What is known of one field from the examples.
#[derive(Default)]
struct Seen {
    types: Vec<&'static str>,
    nullable: bool,
    /// In how many places it is.
    present: usize,
    /// In how many places it could be.
    possible: usize,
}

/// The page.
///
/// # Errors
/// Names the verb and the field that lacks a description, or the description that lacks a field.
pub fn page() -> Result<String, String> {
    let mut sections = String::new();
    let examples = [generator::examples::example()].into_iter();
    for example in examples.chain(installer::examples::examples()) {
        let outputs = FIELDS.iter().find(|outputs| outputs.verbs == example.verbs);
        let outputs = outputs.ok_or(format!("nothing is said of {}", example.verbs))?;
        sections.push_str(&section(&example, outputs)?);
    }
    Ok(format!(
        "# JSON\n\n\
         `--json` prints one object on standard output, and everything else on standard error. With exit\n\
         status 2 there is none, and standard error says why; only `redisguard-gen` prints the problems of a\n\
         TOML then, too. Fields may be added later: pass over what you do not know. Moments are UTC in the\n\
         form of RFC 3339.\n\n{sections}"
    ))
}

fn section(example: &Example, outputs: &Outputs) -> Result<String, String> {
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    for text in &example.texts {
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        look("", &value, &mut seen);
    }
    // A field that an object lacks was not looked at there.
    for text in &example.texts {
        let value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        count_places("", &value, &mut seen);
    }
    let verbs = example.verbs;
    let unknown = seen.keys().find(|path| !outputs.fields.iter().any(|(known, _)| known == path));
    if let Some(path) = unknown {
        return Err(format!("nothing is said of `{path}` of {verbs}"));
    }
    let mut rows = Vec::new();
    for (path, meaning) in outputs.fields {
        let seen = seen.get(*path).ok_or(format!("{verbs} has no `{path}`"))?;
        rows.push(vec![format!("`{path}`"), of_type(seen), prose(meaning)]);
    }
    let names: Vec<String> = verbs.split(", ").map(|verb| format!("`{verb}`")).collect();
    Ok(format!(
        "## {}\n\n{}\n\n{}\n{}\n",
        names.join(", "),
        outputs.about,
        table(&["Field", "Type", "Meaning"], rows),
        fenced("json", example.texts.first().map_or("", String::as_str))
    ))
}

/// Notes the fields of a value, by their paths: `steps[].kind`.
fn look(path: &str, value: &Value, seen: &mut BTreeMap<String, Seen>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(object) => {
            object.iter().map(|(name, value)| (below(path, name), value)).collect()
        }
        Value::Array(array) => {
            array.iter().for_each(|value| look(&format!("{path}[]"), value, seen));
            return;
        }
        _ => return,
    };
    for (path, value) in children {
        let field = seen.entry(path.clone()).or_default();
        field.present += 1;
        field.nullable |= value.is_null();
        if let Some(name) = name(value).filter(|name| !field.types.contains(name)) {
            field.types.push(name);
        }
        look(&path, value, seen);
    }
}

/// Counts for each known field the objects that could have it.
fn count_places(path: &str, value: &Value, seen: &mut BTreeMap<String, Seen>) {
    match value {
        Value::Object(object) => {
            let prefix = below(path, "");
            let own = seen.iter_mut().filter(|(known, _)| {
                let name = known.strip_prefix(&prefix);
                name.is_some_and(|name| !name.contains(['.', '[']))
            });
            own.for_each(|(_, field)| field.possible += 1);
            for (name, value) in object {
                count_places(&below(path, name), value, seen);
            }
        }
        Value::Array(array) => {
            array.iter().for_each(|value| count_places(&format!("{path}[]"), value, seen));
        }
        _ => {}
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The type in words; `None` for null and for an array without elements, which say nothing of it.
fn name(value: &Value) -> Option<&'static str> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Object(_) => "object",
        Value::Array(array) => match array.first() {
            None => return None,
            Some(Value::Object(_)) => "array of objects",
            Some(Value::String(_)) => "array of strings",
            Some(_) => "array",
        },
    })
}

fn of_type(seen: &Seen) -> String {
    let null = seen.nullable.then_some("null");
    let types: Vec<&str> = seen.types.iter().copied().chain(null).collect();
    let mut text = types.join(" or ");
    if seen.present < seen.possible {
        text.push_str(", may be absent");
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn described(fields: &'static [(&'static str, &'static str)]) -> Result<String, String> {
        let full =
            json!({ "a": 1, "b": [{ "c": "x" }, { "c": "x", "d": null }], "e": { "f": ["x"] } });
        let example = Example::of("verb", &[full, json!({ "b": [], "e": { "f": [] } })]);
        section(&example, &Outputs { verbs: "verb", about: "It is.", fields })
    }

    #[test]
    fn types_are_read_from_the_examples_and_so_is_what_may_be_absent() {
        let page = described(&[
            ("a", "one"),
            ("b", "two"),
            ("b[].c", "three"),
            ("b[].d", "four"),
            ("e", "five"),
            ("e.f", "six"),
        ]);
        let page = page.unwrap();
        for row in [
            "| `a` | integer, may be absent | one |",
            "| `b` | array of objects | two |",
            "| `b[].c` | string | three |",
            "| `b[].d` | null, may be absent | four |",
            "| `e` | object | five |",
            "| `e.f` | array of strings | six |",
        ] {
            assert!(page.contains(row), "{row}\n{page}");
        }
    }

    #[test]
    fn a_field_without_a_description_and_a_description_without_a_field_are_errors() {
        assert_eq!(described(&[("a", "")]).unwrap_err(), "nothing is said of `b` of verb");
        let fields: &[_] = &[
            ("a", ""),
            ("b", ""),
            ("b[].c", ""),
            ("b[].d", ""),
            ("e", ""),
            ("e.f", ""),
            ("g", ""),
        ];
        assert_eq!(described(fields).unwrap_err(), "verb has no `g`");
    }
}
