//! The JSON Schema accepts and refuses what the checks do, as far as a schema can.

use super::parsed;
use crate::support::{GEN, case, root, specs};
use redisguard::bundle::Bundle;
use redisguard::spec::Check;
use redisguard::spec::reference::TABLES;
use serde_json::Value;
use std::process::Command;

const SHIPPED: &str = "docs/redisguard.schema.json";
const FIX: &str = "mend with: redisguard-gen schema > docs/redisguard.schema.json";

/// The checks that look at one value at a time, as a schema does.
const OF_ONE_VALUE: &[Check] = &[
    Check::UnknownKey,
    Check::MissingKey,
    Check::WrongType,
    Check::Choice,
    Check::Number,
    Check::Port,
    Check::Text,
    Check::Contact,
    Check::Network,
    Check::Path,
];

/// Bad cases of those checks that a schema takes all the same, and why.
const BEYOND_A_SCHEMA: &[(&str, &[&str])] = &[
    ("JSON has no dates", &["dates-as-text-or-with-a-time", "time-for-a-date"]),
    ("colons and digits make an address", &["host-that-is-half-an-address", "host-with-a-port"]),
    ("it is not told every character that is none", &["labels-that-are-no-text"]),
    ("these directories are systemd's", &["log-of-systemd", "log-too-deep"]),
    (
        "it does not reckon",
        &[
            "networks-of-no-outsider",
            "networks-that-are-everyone-in-halves",
            "networks-that-are-half-of-ipv6",
            "networks-that-are-too-wide",
            "networks-with-host-bits",
            "ranges-that-run-backwards",
            "wide-open",
        ],
    ),
    ("others' TOML ends at 64 bits", &["numbers-that-are-huge", "ports-negative-and-huge"]),
];

fn schema() -> Value {
    serde_json::from_str(&std::fs::read_to_string(root().join(SHIPPED)).unwrap()).unwrap()
}

/// A TOML as editors show it to a schema: dates are text.
fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::Table(table) => {
            table.into_iter().map(|(key, value)| (key, json(value))).collect()
        }
        toml::Value::Array(array) => array.into_iter().map(json).collect(),
        toml::Value::Datetime(date) => date.to_string().into(),
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(flag) => flag.into(),
    }
}

/// What the schema has against a TOML; `None` where it is none.
fn objections(text: &str) -> Option<Vec<String>> {
    let toml: toml::Table = toml::from_str(text).ok()?;
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let value = json(toml::Value::Table(toml));
    Some(validator.iter_errors(&value).map(|error| error.to_string()).collect())
}

#[test]
fn the_shipped_schema_is_what_the_program_prints() {
    let output = Command::new(GEN).arg("schema").output().unwrap();
    assert!(output.status.success());
    let shipped = std::fs::read(root().join(SHIPPED)).unwrap_or_default();
    assert!(shipped == output.stdout, "{SHIPPED} is stale; {FIX}");
}

#[test]
fn the_first_line_leads_editors_to_the_schema() {
    let hint = format!("#:schema {SHIPPED}\n");
    for path in ["redisguard.toml", "templates/init/redisguard.toml"] {
        let text = std::fs::read_to_string(root().join(path)).unwrap();
        let bare = text.strip_prefix(&hint).unwrap_or_else(|| panic!("{path} has no {hint}"));
        let rendered = |text: &str| Bundle::render(&parsed(path, text).unwrap().0).unwrap();
        assert!(rendered(&text) == rendered(bare), "{path}");
    }
}

#[test]
fn the_schema_conforms_to_its_draft() {
    assert!(jsonschema::meta::is_valid(&schema()));
}

#[test]
fn the_schema_accepts_every_good_spec_and_the_starter() {
    let starter = root().join("templates/init/redisguard.toml");
    for path in specs("good").into_iter().chain([starter]) {
        let objections = objections(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert!(objections.is_empty(), "{}: {objections:#?}", path.display());
    }
}

#[test]
fn the_schema_refuses_every_bad_case_with_a_single_wrong_value() {
    let mut taken = Vec::new();
    for path in specs("bad") {
        let bytes = std::fs::read(&path).unwrap();
        let Err(refused) = parsed("x.toml", bytes.clone()) else { continue };
        if refused.problems.iter().all(|problem| !OF_ONE_VALUE.contains(&problem.check)) {
            continue;
        }
        let objections = objections(str::from_utf8(&bytes).unwrap());
        if objections.is_none_or(|objections| objections.is_empty()) {
            taken.push(case(&path).to_owned());
        }
    }
    let mut beyond: Vec<&str> =
        BEYOND_A_SCHEMA.iter().flat_map(|(_, cases)| *cases).copied().collect();
    beyond.sort_unstable();
    assert_eq!(taken, beyond);
}

/// A TOML that is right but for one line.
fn around(table: &str, line: &str) -> String {
    let mut text = String::new();
    let mut written = false;
    for (header, keys) in [
        ("contact", &["team = \"O\"", "email = \"o@example.org\""][..]),
        ("cluster", &["ports = 7000"]),
        ("[reserved]", &["port = 6379", "external = \"notice\"", "listen = \"never\""]),
        ("firewall", &[]),
        ("notice", &[]),
        ("notice.tls", &["cert = \"/a/cert.pem\"", "key = \"/a/key.pem\""]),
        ("docs", &[]),
        ("site", &[]),
    ] {
        text.push_str(&format!("[{header}]\n"));
        let key = line.split(" = ").next().unwrap_or_default();
        let ours = header == table;
        for other in keys.iter().filter(|other| !ours || other.split(" = ").next() != Some(key)) {
            text.push_str(&format!("{other}\n"));
        }
        if ours {
            written = true;
            text.push_str(&format!("{line}\n"));
        }
    }
    assert!(written, "there is no table {table}");
    text
}

#[test]
fn the_schema_and_the_checks_agree_on_single_values() {
    for (table, line, right) in [
        ("contact", "team = \"Ключи — Bob's & Co. (old) #1 100%\"", true),
        ("contact", "team = \"x\"", true),
        ("contact", "team = \"\"", false),
        ("contact", "team = \" x\"", false),
        ("contact", "team = \"a\\tb\"", false),
        ("contact", "team = \"a$b\"", false),
        ("contact", "email = \"a.b+c%d_e-f@x.example.org\"", true),
        ("contact", "email = \"a b@example.org\"", false),
        ("cluster", "host = \"2001:db8::1\"", true),
        ("cluster", "host = \"redis.example.org:7000\"", true), // colons are an address's
        ("cluster", "host = \"-x\"", false),
        ("cluster", "ports = [7000, \"7001-7005, 7010\"]", true),
        ("cluster", "ports = \"7000 - 7002 , 7005\"", true),
        ("cluster", "ports = []", false),
        ("cluster", "ports = 0", false),
        ("cluster", "ports = \"seven\"", false),
        ("[reserved]", "port = \"6370-6380\"", true),
        ("[reserved]", "port = 22", false),
        ("[reserved]", "port = 1023", true),
        ("[reserved]", "port = 65536", false),
        ("[reserved]", "external = \"notise\"", false),
        ("[reserved]", "allow-ssh = 1", false),
        ("firewall", "allow = [\"10.0.0.0/8\", \"2001:db8::/32\", \"::ffff:1:0/112\"]", true),
        ("firewall", "allow = [\"10.0.0.0\"]", false),
        ("firewall", "allow = [\"0.0.0.0/0\"]", false),
        ("firewall", "allow = [\"10.0.0.0/8\", \"10.0.0.0/8\"]", false),
        ("notice", "idle = 86400", true),
        ("notice", "idle = 86401", false),
        ("notice", "idle = 4", false),
        ("notice", "port = 1023", false),
        ("notice", "port = 26379", false),
        ("notice", "log = \"/var/log/a/..b/.c/d-e_f.log\"", true),
        ("notice", "log = \"/var/log/../x\"", false),
        ("notice", "log = \"/var/log/./x\"", false),
        ("notice", "log = \"/var/log/-x\"", false),
        ("notice", "log = \"/var/log/\"", false),
        ("notice", "log = \"/var/logs/x\"", false),
        ("notice.tls", "cert = \"cert.pem\"", false),
        ("docs", "overview = \"a.md\"", true),
        ("docs", "overview = \"docs/.git/a.md\"", false),
        ("docs", "overview = \"a.txt\"", false),
        ("docs", "guides = [\"docs/b.md\", \"docs/b.md\"]", false),
        ("site", "date = 2025-05-09", true),
        ("site", "titel = \"x\"", false),
    ] {
        let text = around(table, line);
        let objections = objections(&text).unwrap();
        assert_eq!(objections.is_empty(), right, "[{table}] {line}: {objections:#?}");
        // Never stricter than the checks.
        if !right {
            assert!(parsed("x.toml", text).is_err(), "only the schema refuses [{table}] {line}");
        }
    }
}

#[test]
fn the_schema_restricts_privileged_ports_as_the_checks_do() {
    let reserved = |lines: &str| around("cluster", "ports = 7000").replace("port = 6379\n", lines);
    for (lines, right) in [
        ("port = 22\nallow-ssh = true\n", true),
        ("port = 22\nallow-ssh = false\n", false),
        ("port = 22\n", false),
        ("port = 1023\n", true),
    ] {
        let text = reserved(lines);
        assert_eq!(objections(&text).unwrap().is_empty(), right, "{lines}");
        assert_eq!(parsed("x.toml", text).is_ok(), right, "{lines}");
        let listened = reserved(lines).replace("listen = \"never\"", "listen = \"always\"");
        assert!(!objections(&listened).unwrap().is_empty(), "{listened}");
    }
}

#[test]
fn every_key_is_described_in_the_words_of_the_reference() {
    let schema = schema();
    for table in TABLES {
        let mut place = &schema;
        for name in table.name.split('.') {
            place = &place["properties"][name];
        }
        let place = if place["type"] == "array" { &place["items"] } else { place };
        for key in table.keys {
            let described = place["properties"][key.name]["description"].as_str();
            assert_eq!(described, Some(key.description().as_str()), "{}.{}", table.name, key.name);
        }
    }
}
