//! `schema`: the reference as a JSON Schema, with which editors complete and check a TOML. It is never
//! stricter than the checks, and leaves to them what takes arithmetic or two tables to see.

use crate::spec::TargetLabel;
use crate::spec::reference::{self, Default, Key, Kind, Occurrence, Table};
use serde_json::{Map, Value, json};

/// One port or one range, as text.
const RANGE: &str = r"^\s*[0-9]+\s*(-\s*[0-9]+\s*)?$";
/// Ports and ranges, as text.
const RANGES: &str = r"^\s*[0-9]+\s*(-\s*[0-9]+\s*)?(,\s*[0-9]+\s*(-\s*[0-9]+\s*)?)*$";
/// What no line holds: control characters, and syntax of two or more formats.
const NO_LINE: &str = r#"\u0000-\u001f\u007f-\u009f"\\`$<>{}"#;
/// What follows the first character of a path's part.
const PART: &str = "[A-Za-z0-9._-]*";
/// How a part of a document's path begins: not with `.` or `-`.
const PLAIN: &str = "[A-Za-z0-9_]";
/// How a part of another path begins: as `PLAIN`, or with dots that are not all of it.
const DOTTED: &str = r"(\.{0,2}[A-Za-z0-9_]|\.{1,2}-|\.\.\.)";

/// The whole schema.
pub fn schema() -> Value {
    let outermost = || reference::TABLES.iter().filter(|table| !table.name.contains('.'));
    let properties: Map<String, Value> =
        outermost().map(|table| (table.name.to_owned(), whole(table))).collect();
    let required: Vec<&str> = outermost()
        .filter(|table| table.occurrence != Occurrence::Optional)
        .map(|table| table.name)
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "redisguard.toml",
        "description": "Which retired Redis ports are guarded, how, and what their users are told. \
                        redisguard-gen checks more than a schema can say.",
        "type": "object",
        "additionalProperties": false,
        "required": required,
        "properties": properties,
    })
}

/// A table as a property: the table itself, or the array that it is repeated in.
fn whole(known: &Table) -> Value {
    match known.occurrence {
        Occurrence::Repeated => json!({
            "description": known.about,
            "type": "array",
            "minItems": 1,
            "items": table(known),
        }),
        Occurrence::Once | Occurrence::Optional => table(known),
    }
}

fn table(known: &Table) -> Value {
    let property = |key: &Key| (key.name.to_owned(), property(known, key));
    let properties: Map<String, Value> = known.keys.iter().map(property).collect();
    let needed = known.keys.iter().filter(|key| matches!(key.default, Default::Required));
    let mut object = json!({
        "description": known.about,
        "type": "object",
        "additionalProperties": false,
        "required": needed.map(|key| key.name).collect::<Vec<_>>(),
        "properties": properties,
    });
    if known.name == "reserved" {
        object["allOf"] = json!([
            when_port("maximum", 1023, "listen", "never".into()),
            when_port("const", 22, "allow-ssh", true.into()),
        ]);
    }
    object
}

/// What else must have a value beside a port that is within a bound.
fn when_port(bound: &str, limit: u16, key: &str, value: Value) -> Value {
    let port = json!({ "type": "integer", bound: limit });
    json!({
        "if": { "required": ["port"], "properties": { "port": port } },
        "then": { "required": [key], "properties": { key: { "const": value } } },
    })
}

fn property(of: &Table, key: &Key) -> Value {
    let mut property = match key.kind {
        Kind::Table => {
            reference::table(&format!("{}.{}", of.name, key.name)).map_or(json!({}), table)
        }
        kind => taken(kind),
    };
    property["description"] = key.description().into();
    if let Some(default) = key.default.toml() {
        property["default"] = json(&default);
    }
    if let Kind::Line(_) | Kind::Email | Kind::Host | Kind::Ports | Kind::Range = key.kind {
        property["examples"] = json!([json(key.example)]);
    }
    property
}

/// A value of the reference: a TOML integer, flag or empty array is one in JSON too, and so is a string
/// without escapes.
fn json(toml: &str) -> Value {
    serde_json::from_str(toml).unwrap_or_default()
}

/// What a key of that kind takes.
fn taken(kind: Kind) -> Value {
    let port = || json!({ "type": "integer", "minimum": 1, "maximum": 65535 });
    let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    match kind {
        Kind::Line(most) => {
            let mut line = text(&format!(r"^[^\s{NO_LINE}]([^{NO_LINE}]*[^\s{NO_LINE}])?$"));
            // Characters here, bytes there; no line has more of the former.
            line["maxLength"] = most.into();
            line
        }
        // Editors hold a TOML date for text.
        Kind::Date => json!({ "type": "string", "format": "date" }),
        Kind::Email => text(r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$"),
        Kind::Host => text(r"^[A-Za-z0-9:]([A-Za-z0-9.:-]*[A-Za-z0-9:])?$"),
        Kind::Port => json!({
            "type": "integer",
            "minimum": 1024,
            "maximum": 65535,
            "not": { "const": 26379 },
        }),
        Kind::Range => json!({ "anyOf": [port(), text(RANGE)] }),
        Kind::Ports => {
            let one = json!({ "anyOf": [port(), text(RANGES)] });
            json!({ "anyOf": [port(), text(RANGES), { "type": "array", "minItems": 1, "items": one }] })
        }
        Kind::Choice(choices) => {
            json!({ "enum": choices.iter().map(|(name, _)| *name).collect::<Vec<_>>() })
        }
        Kind::Choices(choices) => {
            let names = choices.iter().map(|(name, _)| *name).collect::<Vec<_>>();
            // The first is the one that must be there.
            let needed = json!({ "const": names.first() });
            json!({
                "type": "array",
                "uniqueItems": true,
                "items": { "enum": names },
                "contains": needed,
            })
        }
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Number(least, most) => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        Kind::Networks => {
            let network = text(r"^([0-9.]+/([1-9]|[12][0-9]|3[0-2])|[0-9a-f:.]+/[1-9][0-9]{0,2})$");
            json!({ "type": "array", "uniqueItems": true, "items": network })
        }
        Kind::Log => path(&format!("^/var/log(/{DOTTED}{PART})+$")),
        Kind::Pem => path(&format!("^(/{DOTTED}{PART})+$")),
        Kind::Textfile => path(&format!(r"^(/{DOTTED}{PART})*/{PLAIN}{PART}\.prom$")),
        Kind::Document => document(),
        Kind::Documents => json!({ "type": "array", "uniqueItems": true, "items": document() }),
        Kind::WebAddress => {
            let mut address = path(
                r"^https?://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?([/?][A-Za-z0-9._~:/?@!&()*+,;=%-]*)?$",
            );
            address["format"] = "uri".into();
            address
        }
        Kind::TargetLabel => json!({
            "type": "string",
            "pattern": "^([A-Za-z]|_[A-Za-z0-9])[A-Za-z0-9_]*$|^_$",
            "maxLength": 60,
            "not": { "enum": TargetLabel::TAKEN },
        }),
        Kind::Table => json!({ "type": "object" }),
    }
}

fn document() -> Value {
    path(&format!(r"^({PLAIN}{PART}/)*{PLAIN}{PART}\.md$"))
}

fn path(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern, "maxLength": 200 })
}
