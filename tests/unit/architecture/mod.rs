//! Modules of src/ import only what stands above them, and files form no circles and stay small.
//!
//! The order of the modules is said once, at the head of src/lib.rs, and for a module with an order
//! of its own at the head of its mod.rs. Code below `#[cfg(test)]` is left out.

mod checker_tests;
mod references;
mod rules;
mod source_tree;

use crate::support::root;
use references::arrows;
use rules::{circles, layers, oversized};
use source_tree::SourceTree;
use std::fs;

fn sources() -> SourceTree {
    SourceTree::read(root())
}

#[track_caller]
fn assert_none(what: &str, violations: &[String]) {
    assert!(violations.is_empty(), "{} {what}:\n{}", violations.len(), violations.join("\n"));
}

/// Without this a checker that finds no import at all would find no violation either.
#[test]
fn the_imports_of_this_crate_are_found() {
    let found = arrows(&sources()).len();
    assert!(found > 400, "only {found}");
}

#[test]
fn modules_import_only_what_stands_above_them_in_lib_rs() {
    assert_none("imports against the order of src/lib.rs", &layers(&sources(), "src/lib.rs"));
}

#[test]
fn the_listener_imports_only_what_stands_before_in_its_mod_rs() {
    let file = "src/listener/mod.rs";
    assert_none("imports against the order of src/listener/mod.rs", &layers(&sources(), file));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    assert_none("imports in circles of files", &circles(&sources()));
}

#[test]
fn directories_and_files_are_small() {
    assert_none("directories or files that are too large", &oversized(&sources()));
}

#[test]
fn the_architecture_page_lists_the_modules_in_the_order_of_lib_rs() {
    let page = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let rows = page.lines().skip_while(|line| !line.starts_with("| Module |")).skip(2);
    let names = rows.map_while(|row| row.strip_prefix("| `")?.split('`').next());
    let listed = rules::order(&sources(), "src/lib.rs").concat();
    assert_eq!(names.collect::<Vec<_>>(), listed, "the table of modules in docs/architecture.md");
}
