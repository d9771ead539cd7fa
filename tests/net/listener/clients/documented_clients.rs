//! docs/clients.md lists each client that the tests run, and no other.

use std::fs;

use super::libraries;
use super::{network_tools as tools, redis_cli};
use crate::support::root;

fn page() -> String {
    fs::read_to_string(root().join("docs/clients.md")).unwrap()
}

/// The section that begins with this heading.
fn section(heading: &str) -> String {
    let page = page();
    let (_, rest) = page.split_once(&format!("## {heading}\n")).unwrap();
    rest.split("\n## ").next().unwrap().to_owned()
}

/// The words between backquotes in the rows of a section's table, where they stand first.
fn calls(heading: &str) -> Vec<String> {
    let section = section(heading);
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.filter_map(|row| row.split(" | ").next());
    cells.flat_map(|cell| cell.trim_matches('`').split("`, `")).map(str::to_owned).collect()
}

/// How the page writes a call.
fn written(call: &str) -> String {
    call.replace("PORT", "6379").replace('~', " ")
}

#[test]
fn the_page_lists_every_library_and_manner() {
    let rows: Vec<String> = section("Libraries")
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains('`'))
        .map(str::to_owned)
        .collect();
    let tested: Vec<String> = libraries::all()
        .map(|library| {
            let manners: Vec<&str> = library.manners.iter().map(|(manner, _)| *manner).collect();
            let (name, language) = (library.name, library.language);
            format!("| {name} | {language} | {} | `{}` |", manners.join(", "), library.raises)
        })
        .collect();
    assert!(rows == tested, "the rows must be:\n{}", tested.join("\n"));
}

#[test]
fn the_page_lists_every_call_of_redis_cli_and_of_the_benchmark() {
    let of = |program: &str, calls: &[(&str, usize)]| -> Vec<String> {
        calls.iter().map(|(call, _)| format!("{program} {}", written(call))).collect()
    };
    let tested = [of("redis-cli", redis_cli::CALLS), of("redis-benchmark", redis_cli::BENCHMARKS)];
    assert_eq!(calls("redis-cli"), tested.concat());
}

#[test]
fn the_page_lists_every_call_of_curl_and_every_client_of_tls() {
    let curls = tools::CURLS.iter().map(|(call, _)| format!("curl {}", written(call)));
    let tls = tools::TLS_CLIENTS.iter().map(|(call, _)| written(call));
    let listed = calls("Everything else");
    for call in curls.chain(tls) {
        assert!(listed.contains(&call), "{call} is missing in {listed:?}");
    }
}
