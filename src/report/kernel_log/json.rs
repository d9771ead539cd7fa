//! Log entries as JSON objects: journalctl's, dmesg's, rsyslog's, and those of collectors such as Vector, Fluent
//! Bit, Filebeat and Graylog.
//!
//! Guarantees: an entry is the kernel's only where a field that its writer sets says so.

use super::header::{Author, Header};
use super::packet;
use crate::report::record::{SkipReason, UnixMillis};
use crate::report::timestamp::{TimestampParser, When};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The fields that may hold the message, or a line of syslog with it.
const MESSAGES: [&str; 8] =
    ["MESSAGE", "message", "msg", "short_message", "log", "line", "full_message", "event.original"];
/// The fields that hold syslog's facility, which is 0 or `kern` for the kernel.
const FACILITIES: [&str; 11] = [
    "facility",
    "_facility",
    "syslogfacility",
    "syslogfacility-text",
    "syslog_facility",
    "SYSLOG_FACILITY",
    "facility_label",
    "log.syslog.facility.code",
    "log.syslog.facility.name",
    "fac",
    "FACILITY",
];
/// The fields that hold syslog's facility and severity in one number.
const PRIORITIES: [&str; 4] = ["pri", "PRI", "log.syslog.priority", "syslog_pri"];
/// The fields that hold the name of the program, which the program chose. Not SYSLOG_IDENTIFIER: journald has
/// `_TRANSPORT` for who it was.
const PROGRAMS: [&str; 14] = [
    "appname",
    "app_name",
    "app-name",
    "application",
    "program",
    "programname",
    "PROGRAM",
    "ident",
    "identifier",
    "syslogtag",
    "process.name",
    "log.syslog.appname",
    "syslog_program",
    "_appname",
];
/// The fields that hold the time, the most precise first.
const TIMES: [&str; 9] = [
    "__REALTIME_TIMESTAMP",
    "_SOURCE_REALTIME_TIMESTAMP",
    "@timestamp",
    "timestamp",
    "timereported",
    "time",
    "date",
    "ts",
    "ISODATE",
];
/// How deep objects are looked into: `log.syslog.facility.code`.
const MAX_DEPTH: usize = 4;

/// The fields of an entry by their names; those of an object in it have names with dots.
pub type Fields = BTreeMap<String, String>;

/// The header and the message of an entry, if it has one of redisguard's; whether the message is one with a
/// header of its own.
pub enum Content {
    Message(Header, String),
    /// A line that is to be parsed as one, and the time of the entry that holds it.
    Line(String, Option<When>),
    None,
}

/// Parses one JSON object.
///
/// # Errors
/// It is none.
pub fn fields(text: &[u8]) -> Result<Fields, SkipReason> {
    let object: Map<String, Value> =
        serde_json::from_slice(text).map_err(|error| match error.is_eof() {
            true => SkipReason::Torn,
            false => SkipReason::Malformed,
        })?;
    let mut fields = Fields::new();
    flatten(object, "", MAX_DEPTH, &mut fields);
    Ok(fields)
}

fn flatten(object: Map<String, Value>, before: &str, depth: usize, fields: &mut Fields) {
    for (name, value) in object {
        let name = format!("{before}{name}");
        match value {
            Value::Object(inner) if depth > 1 => {
                flatten(inner, &format!("{name}."), depth - 1, fields)
            }
            Value::String(text) => drop(fields.insert(name, text)),
            Value::Number(number) => drop(fields.insert(name, number.to_string())),
            _ => {}
        }
    }
}

/// What an entry says.
pub fn content(fields: &Fields, timestamps: &mut TimestampParser) -> Content {
    let holds = |text: &&String| memchr::memmem::find(text.as_bytes(), packet::PREFIX).is_some();
    let Some(text) = MESSAGES.iter().filter_map(|name| fields.get(*name)).find(holds) else {
        return Content::None;
    };
    let when = time(fields, timestamps);
    let author = author(fields);
    if author == Author::Other {
        return Content::None;
    }
    let text = text.trim();
    match (author, packet::begins(text.as_bytes())) {
        (author, true) => Content::Message(Header { author, when, repeated: 1 }, text.to_owned()),
        (Author::Kernel, false) if text.starts_with('[') => {
            Content::Line(format!("kernel: {text}"), when)
        }
        (_, false) => Content::Line(text.to_owned(), when),
    }
}

fn author(fields: &Fields) -> Author {
    // journald sets it itself; every other field may be forged (systemd.journal-fields(7)).
    if let Some(transport) = fields.get("_TRANSPORT") {
        return if transport == "kernel" { Author::Kernel } else { Author::Other };
    }
    let get =
        |names: &[&str]| names.iter().find_map(|name| fields.get(*name)).map(|text| text.trim());
    let is_facility = get(&FACILITIES).map(|name| matches!(name, "0" | "kern" | "kernel"));
    // `dmesg --json --decode` has the name of the severity there.
    let priority = get(&PRIORITIES).and_then(|number| number.parse().ok());
    let is_priority = priority.map(|number: u32| number < 8);
    let is_program = get(&PROGRAMS).map(|name| {
        let name = name.trim_end_matches(':');
        name == "kernel" || name == "kernel[0]"
    });
    let said = [is_facility, is_priority, is_program];
    if said.contains(&Some(false)) {
        Author::Other
    } else if said.contains(&Some(true)) {
        Author::Kernel
    } else {
        Author::Unknown
    }
}

fn time(fields: &Fields, timestamps: &mut TimestampParser) -> Option<When> {
    let (name, text) = TIMES.iter().find_map(|name| Some((*name, fields.get(*name)?.trim())))?;
    if let Ok(number) = text.parse::<f64>() {
        return since_1970(name, text, number);
    }
    Some(match timestamps.split_from(text.as_bytes()) {
        Some((when, [])) => when,
        _ => When::Impossible,
    })
}

/// A number in the unit that its size tells; `None` for the seconds since boot that dmesg writes.
fn since_1970(name: &str, text: &str, number: f64) -> Option<When> {
    let at = match (text.parse::<i64>(), number) {
        (Ok(whole), _) if name.ends_with("REALTIME_TIMESTAMP") => whole / 1000,
        (Ok(whole), 1e17..) => whole / 1_000_000,
        (Ok(whole), 1e14..) => whole / 1000,
        (Ok(whole), 1e11..) => whole,
        (_, 1e8..1e11) => (number * 1000.0) as UnixMillis,
        (_, 0.0..1e8) => return None,
        _ => return Some(When::Impossible),
    };
    Some(When::At(at))
}
