//! The readers of the tests refuse a text that breaks out of its place in a unit, rule or string.
//!
//! With them, everything rendered is read back as a list of lines, to compare two specs.

use super::markdown;
use crate::support::corpus::{text, units};
use crate::support::readers::{nft, rule, unit};
use redisguard::bundle::{Bundle, Documents};
use redisguard::spec::Spec;

/// Everything that is rendered, read back: one line for each thing that a reader of its format sees.
/// The digests, which tell bundles and dashboards apart, are left out.
pub fn read_back(spec: &Spec) -> Result<Vec<String>, String> {
    let bundle = Bundle::render(spec)?;
    let mut seen = Vec::new();
    for (name, text) in units(&bundle) {
        let settings = unit(text).map_err(|why| format!("{name}: {why}"))?;
        let settings = settings.into_iter();
        seen.extend(
            settings.map(|(section, key, value)| format!("{name}: {section}: {key}={value}")),
        );
    }
    for path in ["rules.v4", "rules.v6"] {
        for line in text(&bundle, &format!("host/etc/redisguard/{path}")).lines() {
            seen.push(format!("{path}: {}", rule(line)?.join("\u{1f}")));
        }
    }
    let rules = nft(text(&bundle, "host/etc/redisguard/redisguard.nft"))?;
    seen.extend(rules.into_iter().map(|line| format!("nft: {}", line.join("\u{1f}"))));
    for path in ["guard.toml", "notice.toml"] {
        let text = text(&bundle, &format!("host/etc/redisguard/{path}"));
        let settings = toml::from_str(text).map_err(|why| why.to_string())?;
        leaves(path, &settings, &mut seen);
    }
    for path in [
        "logrotate.d/redis-port-notice",
        "tmpfiles.d/redisguard.conf",
        "sysctl.d/60-redisguard.conf",
    ] {
        let text = text(&bundle, &format!("host/etc/{path}"));
        seen.extend(text.split_whitespace().map(|word| format!("{path}: {word}")));
    }
    let dashboard = serde_json::from_str(text(&bundle, "grafana/redisguard.json"));
    let mut dashboard: serde_json::Value = dashboard.map_err(|why| why.to_string())?;
    // A digest of the title.
    dashboard["uid"].take();
    leaves("grafana", &dashboard, &mut seen);
    for line in text(&bundle, "prometheus/redisguard.rules.yml").lines() {
        // Every text in it is quoted, with escapes that YAML and JSON share.
        let (key, value) =
            line.split_once(": ").filter(|_| !line.starts_with('#')).unwrap_or((line, "\"\""));
        let value: String = serde_json::from_str(value).map_err(|why| format!("{line}: {why}"))?;
        seen.push(format!("alerts: {key}: {value}"));
    }
    let documents = Documents::render(spec, &bundle)?;
    let sections = documents.guides.into_iter().flat_map(|(_, sections)| sections);
    let files = documents.files.into_iter().map(|(_, text)| text);
    for text in files.chain(sections.map(|section| section.text)) {
        let faults = markdown::faults(&text);
        if !faults.is_empty() {
            return Err(format!("{faults:?}"));
        }
        seen.extend(markdown::outline(&text));
    }
    let digest = bundle.guard_config()?.bundle;
    Ok(seen.into_iter().map(|line| line.replace(&digest, "DIGEST")).collect())
}

fn leaves(place: &str, value: &serde_json::Value, seen: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(object) => {
            object.iter().for_each(|(key, value)| leaves(&format!("{place}.{key}"), value, seen))
        }
        serde_json::Value::Array(array) => {
            array.iter().for_each(|value| leaves(&format!("{place}[]"), value, seen));
        }
        serde_json::Value::String(text) => seen.push(format!("{place}: {text}")),
        other => seen.push(format!("{place}: {other}")),
    }
}

#[test]
fn text_that_breaks_out_of_its_place_is_refused() {
    assert!(unit("[Unit]\nDescription=a\nb").is_err());
    assert!(unit("[Unit]\nDescription=100%n").is_err());
    assert!(unit("[Unit]\nDescription=a\\\nExecStart=b").is_err());
    let read = unit("# x\n[Unit]\nDescription=100%% of %i\n").unwrap();
    assert_eq!(read, [("Unit".into(), "Description".into(), "100% of %i".into())]);
    assert_eq!(rule("-m \"a \\\" \\' \\\\b\" -j X").unwrap(), ["-m", "a \" ' \\b", "-j", "X"]);
    assert!(rule("--comment \"a").is_err() && rule("--comment \"a\"b").is_err());
    assert!(rule("--comment a\"b c\"").is_err());
    assert!(nft("comment \"a").is_err());
    assert_eq!(nft("# \"\nx \"a b\" y").unwrap(), [["x ", "a b", " y"]]);
}
