//! Table, CSV and JSON of the report agree, and hostile names from logs stay text.

use crate::support::report_logs::{HOSTILE, Tree, everything, line};
use crate::support::{exit_status, transcript};
use serde_json::{Value, json};

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
    assert!(csv.contains(",'=1+1,"), "{csv}");
}

#[test]
fn every_format_names_local_clients_proxies_and_unknown_arrivals() {
    let tree = everything();
    let (json, _) = tree.json(&[]);
    let knocks = json["knocks"].as_array().unwrap();
    let row = |key: &str, value: &str, port: Value| {
        let mut rows = knocks.iter().filter(|row| row[key] == value && row["port"] == port);
        rows.next().unwrap_or_else(|| panic!("{key} {value}"))
    };
    let unit = row("unit", "billing.service", 6379.into());
    assert_eq!((&unit["source"], &unit["answers"]["told"]), (&"127.0.0.1".into(), &6.into()));
    assert_eq!(unit["refused"], json!([{ "command": "GET", "attempts": 6 }]));
    assert_eq!(unit["uids"], json!([{ "uid": 998, "attempts": 6 }]));
    assert_eq!(row("unit", "billing.service", Value::Null)["answers"]["folded"], 12);
    let container = row("container", "1a2b3c4d5e6f", 6379.into());
    assert_eq!(
        (&container["answers"]["unknown"], &container["answers"]["told"]),
        (&6.into(), &0.into())
    );
    assert!(container.get("unit").is_none() && container.get("cgroup").is_none());
    assert!(row("source", "192.0.2.80", 6379.into()).get("unit").is_none());
    let proxy = row("source", "192.0.2.80", 6379.into());
    assert_eq!(proxy["stated_peers"][0], json!({ "address": "198.51.100.4", "attempts": 3 }));
    assert_eq!(
        (proxy["stated_peers"].as_array().unwrap().len(), &proxy["protocols"]),
        (4, &json!(["unknown"]))
    );
    let names = proxy["client_names"].as_array().unwrap();
    assert!(names.iter().any(|used| used["name"] == HOSTILE[0].trim_matches('"')), "{names:?}");

    // Each attempt has one answer, in all, of each source, of each port and in the timeline.
    let sum = |answers: &Value| {
        answers.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!(
        (sum(&json["answers"]), &json["answers"]["unknown"]),
        (json["attempts"].as_u64().unwrap(), &12.into())
    );
    for counted in knocks.iter().chain(json["ports"].as_array().unwrap()) {
        assert_eq!(sum(&counted["answers"]), counted["attempts"].as_u64().unwrap(), "{counted}");
    }
    let steps = json["timeline"].as_array().unwrap().iter();
    assert_eq!(
        steps.map(|step| sum(&step["answers"])).sum::<u64>(),
        json["attempts"].as_u64().unwrap()
    );

    let csv = String::from_utf8(tree.report(&["--csv"]).stdout).unwrap();
    // The columns of version 0.1 keep their places.
    let head = "source,name,port,attempts,first,last,told,closed,broken,folded,dropped,reset,protocols,libraries,";
    assert!(csv.starts_with(&format!("{head}unknown,unit,container,cgroup,uids,client_names,refused,unverified_stated_peers\n")), "{csv}");
    assert!(csv.contains(",6,0,0,0,0,0,resp,,0,billing.service,,,998,,GET,\n"), "{csv}");
    assert!(csv.contains(",0,0,0,0,0,0,resp,jedis,6,,1a2b3c4d5e6f,,,,GET,\n"), "{csv}");
    assert!(csv.contains(",GET,198.51.100.4 198.51.100.1 198.51.100.2 198.51.100.3\n"), "{csv}");

    let page = String::from_utf8(tree.report(&["--html", "-"]).stdout).unwrap();
    for text in [
        "127.0.0.1<span class=\"name\">billing.service</span>",
        "127.0.0.1<span class=\"name\">container 1a2b3c4d5e6f</span>",
        // In the data of the page's script.
        "\"container 1a2b3c4d5e6f\"",
        "127.0.0.1 billing.service at 6379",
        "<span class=\"answer unknown\">unknown 6</span>",
        "fill=\"#BF3989\"/></svg><span><strong>unknown</strong>: was sent the notice, then reset: arrival unknown</span></li>",
        "<option>unknown</option>",
        "<span class=\"name\">states: 198.51.100.4 and 3 more (from a PROXY header, unverified)</span>",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("<script>alert"), "a client's name is text");
}

#[test]
fn every_line_is_counted_or_skipped() {
    let (json, _) = everything().json(&[]);
    let lines = json["lines"].as_object().unwrap();
    let of = |name: &str| lines[name].as_u64().unwrap();
    let parts = [
        "counted",
        "outside",
        "foreign",
        "torn",
        "malformed",
        "misdated",
        "future",
        "unattributed",
        "repeated",
    ];
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
    assert_eq!((code, &none["attempts"], &none["first"]), (0, &0.into(), &Value::Null));
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
