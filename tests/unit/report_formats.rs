//! Table, CSV and JSON of the report agree, and hostile names from logs stay text.

use crate::support::report_logs::{HOSTILE, Tree, everything, line};
use crate::support::{exit_status, transcript};

#[test]
fn the_table_matches_its_snapshot_and_fits_80_columns() {
    let tree = everything();
    let output = tree.report(&[]);
    assert_eq!(exit_status(&output), 0, "{}", transcript(&output));
    assert!(output.stderr.is_empty(), "{}", transcript(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.chars().all(|character| character == '\n' || !character.is_control()), "{text}");
    let root = tree.path("");
    let text = text.replace(root.to_str().unwrap(), "/ROOT/");
    insta::assert_snapshot!("table", text);
    // Where blocks cannot be shown it is ASCII through and through.
    let plain = tree.command(&[]).env("LC_ALL", "C").output().unwrap();
    assert!(plain.stdout.is_ascii(), "{}", transcript(&plain));
}

#[test]
fn csv_and_json_agree_and_hostile_names_stay_text() {
    let tree = everything();
    let (json, code) = tree.json(&[]);
    assert_eq!(code, 0);
    let csv = String::from_utf8(tree.report(&["--csv"]).stdout).unwrap();
    let rows: Vec<&str> = csv.lines().skip(1).collect();
    let knocks = json["knocks"].as_array().unwrap();
    assert_eq!(rows.len(), knocks.len());
    for (row, knocks) in rows.iter().zip(knocks) {
        let begin = format!("{},", knocks["source"].as_str().unwrap());
        assert!(row.starts_with(&begin), "{row}");
        assert!(row.contains(&format!(",{},", knocks["attempts"])), "{row}");
    }
    let sum: u64 = knocks.iter().map(|knocks| knocks["attempts"].as_u64().unwrap()).sum();
    assert_eq!(sum, json["attempts"].as_u64().unwrap());
    assert_eq!(json["lost"]["attempts"], 9);

    // One cell may hold several libraries; none begins a formula.
    assert!(!csv.contains('\u{1b}') && !csv.contains(",=") && !csv.contains(",\"="), "{csv}");
    let names: Vec<&str> = json["libraries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    for name in HOSTILE {
        let name = name.trim_matches('"');
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    let formula = Tree::with_log(&line(1, "192.0.2.1", 6379, r#""=1+1""#, "told"));
    let csv = String::from_utf8(formula.report(&["--csv"]).stdout).unwrap();
    assert!(csv.trim_end().ends_with(",'=1+1"), "{csv}");
}

#[test]
fn every_line_is_counted_or_skipped() {
    let (json, _) = everything().json(&[]);
    let lines = json["lines"].as_object().unwrap();
    let of = |name: &str| lines[name].as_u64().unwrap();
    let parts = ["counted", "outside", "foreign", "torn", "malformed", "misdated"];
    assert_eq!(parts.iter().map(|name| of(name)).sum::<u64>(), of("read"));
    assert_eq!((of("foreign"), of("torn"), of("malformed")), (2, 1, 1));
}

#[test]
fn since_port_and_top_narrow_the_report() {
    let tree = everything();
    let (since, _) = tree.json(&["--since", "2026-11-20"]);
    assert_eq!(since["first"], "2026-11-20T05:45:00Z");
    let (port, _) = tree.json(&["--port", "6380"]);
    assert_eq!(port["ports"].as_array().unwrap().len(), 1);
    assert_eq!((&port["attempts"], &port["ports"][0]["port"]), (&21.into(), &6380.into()));
    let (top, _) = tree.json(&["--top", "1"]);
    assert_eq!(top["knocks"].as_array().unwrap().len(), 1);
    let left = top["attempts"].as_u64().unwrap() - top["knocks"][0]["attempts"].as_u64().unwrap();
    assert_eq!(top["others"]["attempts"], left);
    let (none, code) = tree.json(&["--since", "1m"]);
    assert_eq!((code, &none["attempts"], &none["first"]), (0, &0.into(), &serde_json::Value::Null));
    assert!(transcript(&tree.report(&["--since", "1m"])).starts_with("nobody knocks\n"));
    for wrong in [
        vec!["--since", "yesterday"],
        vec!["--port", "0"],
        vec!["--csv", "--json"],
        vec!["--html", "x", "--json"],
    ] {
        assert_eq!(exit_status(&tree.report(&wrong)), 2, "{wrong:?}");
    }
}
