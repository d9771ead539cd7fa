//! docs/clients.md tells what the other tests assert, no more and no less.

use std::fs;

use crate::libraries;
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

#[test]
fn the_page_lists_every_library_and_manner() {
    let rows: Vec<String> = section("Libraries")
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains('`'))
        .map(str::to_owned)
        .collect();
    let tested: Vec<String> = libraries::ALL
        .iter()
        .map(|library| {
            let manners: Vec<&str> = library.manners.iter().map(|(manner, _)| *manner).collect();
            let (name, language) = (library.name, library.language);
            format!("| {name} | {language} | {} | `{}` |", manners.join(", "), library.raises)
        })
        .collect();
    assert!(rows == tested, "the rows must be:\n{}", tested.join("\n"));
}
