//! docs/testing.md lists every module that has tests, with the behaviour that its head names.

use crate::support::root;
use std::fs;
use std::path::Path;

/// The lines that make tests: the attribute, and the macro in `net::listener::clients::libraries`.
const MAKE_TESTS: [&str; 2] = ["#[test]", "libraries! {"];

/// A row of the table for each file below `tests` that has tests: the first paragraph of its head,
/// and the path of its module.
fn rows(directory: &Path, module: &str, rows: &mut Vec<String>) {
    let mut entries: Vec<_> = fs::read_dir(directory).unwrap().map(|one| one.unwrap()).collect();
    // A module stands before those within it.
    entries.sort_by_key(|one| {
        (one.file_name() != "main.rs" && one.file_name() != "mod.rs", one.file_name())
    });
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        let inner = |name: &str| match module {
            "" => name.to_owned(),
            module => format!("{module}::{name}"),
        };
        match name.strip_suffix(".rs") {
            None if path.join("mod.rs").exists() || path.join("main.rs").exists() => {
                self::rows(&path, &inner(&name), rows);
            }
            Some(name) => {
                let text = fs::read_to_string(&path).unwrap();
                if text.lines().any(|line| MAKE_TESTS.contains(&line.trim())) {
                    let head = text.lines().map_while(|line| line.strip_prefix("//! "));
                    let behaviour = head.collect::<Vec<_>>().join(" ");
                    let is_whole = ["mod", "main"].contains(&name);
                    let module = if is_whole { module.to_owned() } else { inner(name) };
                    rows.push(format!("| {behaviour} | `{module}` |"));
                }
            }
            None => {}
        }
    }
}

#[test]
fn the_table_has_a_row_for_each_module_with_tests() {
    let page = fs::read_to_string(root().join("docs/testing.md")).unwrap();
    let mut wanted = Vec::new();
    rows(&root().join("tests"), "", &mut wanted);
    assert!(wanted.len() > 80, "only {} modules were found", wanted.len());
    let table = page.lines().skip_while(|line| !line.starts_with("| Behaviour |")).skip(2);
    let table: Vec<&str> = table.take_while(|line| line.starts_with('|')).collect();
    assert!(table == wanted, "the rows in docs/testing.md must be:\n{}", wanted.join("\n"));
}
