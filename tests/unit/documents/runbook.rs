//! The runbook has a section for each alert, and each alert leads to its section.

use super::links::anchor;
use crate::support::root;
use redisguard::bundle::Bundle;
use redisguard::spec::{Source, Spec};
use std::fs;

const RUNBOOK: &str = "docs/runbook.md";

fn alerts_of(toml: &str) -> String {
    let source = Source::from_bytes("redisguard.toml", toml.as_bytes().to_vec()).unwrap();
    let bundle = Bundle::render(&Spec::parse(source).unwrap().0).unwrap();
    String::from_utf8(bundle.get("prometheus/redisguard.rules.yml").unwrap().to_vec()).unwrap()
}

/// The values of a key, in the order of the alerts.
fn values<'a>(rules: &'a str, key: &str) -> Vec<&'a str> {
    let before = format!("{key}: \"");
    let lines = rules.lines().map(|line| line.trim().trim_start_matches("- "));
    lines.filter_map(|line| line.strip_prefix(&before)?.strip_suffix('"')).collect()
}

#[test]
fn every_alert_has_a_section_and_every_section_an_alert() {
    let page = fs::read_to_string(root().join(RUNBOOK)).unwrap();
    let sections: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let shipped = fs::read_to_string(root().join("redisguard.toml")).unwrap();
    let rules = alerts_of(&shipped);
    assert_eq!(values(&rules, "alert"), sections);
    let leads = |page: &str| -> Vec<String> {
        sections.iter().map(|section| format!("{page}#{}", anchor(section))).collect()
    };
    assert_eq!(values(&rules, "runbook"), leads(RUNBOOK));
    assert_eq!(values(&rules, "runbook_url"), [""; 0]);
    // Everybody who looks here finds what to do, and when it is done.
    for section in page.split("\n## ").skip(1) {
        assert!(section.contains("```bash\n") && section.contains("**Stop when**"), "{section}");
    }

    let address = "https://wiki.example.org:8443/ops/runbook?page=redis&v=1";
    let rules = alerts_of(&shipped.replace("[docs]", &format!("[docs]\nrunbook = \"{address}\"")));
    assert_eq!(values(&rules, "runbook_url"), leads(address));
    assert_eq!(values(&rules, "runbook"), [""; 0]);
}

#[test]
fn alerts_tell_environments_apart_by_the_label_of_the_site() {
    let shipped = fs::read_to_string(root().join("redisguard.toml")).unwrap();
    let rules = alerts_of(&format!("{shipped}\n[metrics]\nenvironment-label = \"stage\"\n"));
    assert_eq!(rules.matches("by (stage, bundle)").count(), 2, "expression and description");
    assert_eq!(rules.matches("$labels.stage ").count(), 2);
    assert!(!rules.contains("(env"), "{rules}");
}
