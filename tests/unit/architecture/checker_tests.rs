//! The checker of the architecture finds a violation planted in a small tree.

use super::rules::{circles, layers, oversized};
use super::source_tree::SourceTree;

const LIB: &str = "//! - [`low`]: below.\n//! - [`high`]: above.\npub mod high;\npub mod low;\n";

fn tree(files: &[(&str, &str)]) -> SourceTree {
    SourceTree::new(files.iter().map(|(path, text)| (format!("src/{path}"), (*text).to_owned())))
}

/// The violations of the order where `low` has this text, and `high` an item in a file of its own.
fn with_low(text: &str) -> Vec<String> {
    let tree = tree(&[
        ("lib.rs", LIB),
        ("low.rs", text),
        ("high/mod.rs", "mod part;\npub use part::{Item, make};\n"),
        ("high/part.rs", "use crate::low::Base;\npub struct Item;\npub fn make(_: Base) {}\n"),
    ]);
    layers(&tree, "src/lib.rs")
}

#[test]
fn an_import_of_what_stands_above_is_allowed() {
    assert_eq!(with_low("pub struct Base;\n"), [""; 0]);
}

#[test]
fn an_import_against_the_order_is_found_with_its_line_and_the_file_that_defines_the_item() {
    for (text, line) in [
        ("pub struct Base;\nuse crate::high::Item;\n", 2),
        ("use super::{high as above};\nuse above::Item;\npub struct Base;\n", 2),
        ("pub struct Base;\n\nfn f() { crate::high::make(Base) }\n", 3),
        ("fn f(_: &super::high::Item) {}\npub struct Base;\n", 1),
        ("fn f() { println!(\"{:?}\", crate::high::make(Base)) }\npub struct Base;\n", 1),
        ("#[serde(with = \"crate::high::make\")]\npub struct Base;\n", 1),
        ("pub struct Base;\nmod inner { use super::super::high::*; }\n", 2),
    ] {
        let violations = with_low(text);
        let wanted = format!("src/low.rs:{line} needs src/high/");
        assert!(violations.iter().any(|one| one.starts_with(&wanted)), "{text}{violations:#?}");
        assert!(violations.iter().all(|one| one.ends_with("`low` is below `high`")), "{text}");
    }
}

#[test]
fn a_re_export_leads_to_the_file_that_defines_the_item() {
    let violations = with_low("pub struct Base;\nuse crate::high::Item;\n");
    let wanted = "src/low.rs:2 needs src/high/part.rs (crate::high::Item): `low` is below `high`";
    assert_eq!(violations, [wanted]);
}

#[test]
fn code_for_tests_and_other_crates_do_not_count() {
    for text in [
        "pub struct Base;\n#[cfg(test)]\nmod tests { use crate::high::Item; }\n",
        "pub struct Base;\n#[cfg(test)]\nuse crate::high::Item;\n",
        "pub struct Base;\nimpl Base { #[cfg(test)] fn f() { crate::high::make(Base) } }\n",
        "pub struct Base;\nuse high::Item;\n",
        "/// See [`crate::high::Item`].\npub struct Base;\n",
        "pub(in crate::high) struct Hidden;\npub struct Base;\n",
    ] {
        assert_eq!(with_low(text), [""; 0], "{text}");
    }
    let files = [
        ("lib.rs", LIB),
        ("low.rs", "#[cfg(test)]\n#[path = \"low_tests.rs\"]\nmod tests;\n"),
        ("low_tests.rs", "use crate::high::Item;\n"),
        ("high.rs", "pub struct Item;\n"),
    ];
    assert_eq!(layers(&tree(&files), "src/lib.rs"), [""; 0]);
}

#[test]
fn a_module_that_the_order_does_not_name_is_found_and_one_that_is_not_there() {
    let lib = "//! - [`low`]: below.\n//! - [`gone`]: is not there.\nmod low;\nmod other;\n";
    let tree = tree(&[("lib.rs", lib), ("low.rs", ""), ("other.rs", "")]);
    assert_eq!(
        layers(&tree, "src/lib.rs"),
        ["src/lib.rs: `other` is not in the order", "src/lib.rs: there is no module `gone`"]
    );
}

#[test]
fn an_order_in_a_sentence_has_ranks() {
    let head = "//! A part.\n//!\n//! From the bottom up: `a`; `b`, which is pure, and\n\
                //! `c`. Nothing else.\nmod a;\nmod b;\nmod c;\n";
    let of = |a: &str, b: &str, c: &str| {
        let files = [("x/mod.rs", head), ("x/a.rs", a), ("x/b.rs", b), ("x/c.rs", c)];
        let lib = [("lib.rs", "mod x;\n")];
        layers(&tree(&[&lib[..], &files[..]].concat()), "src/x/mod.rs").len()
    };
    let (a, b, c) = ("pub struct A;", "use super::a::A;\npub struct B;", "use super::b::B;");
    assert_eq!(of(a, b, c), 0);
    assert_eq!(of("use super::b::B;\npub struct A;", "pub struct B;", ""), 1);
}

#[test]
fn a_circle_of_files_is_found_with_every_import_in_it() {
    let files = [
        ("lib.rs", "mod a;\nmod b;\nmod c;\nmod d;\n"),
        ("a.rs", "use crate::b::B;\npub struct A;\n"),
        ("b.rs", "use crate::c::C;\npub struct B;\n"),
        ("c.rs", "\nuse crate::a::A;\npub struct C;\n"),
        ("d.rs", "use crate::a::A;\n"),
    ];
    assert_eq!(
        circles(&tree(&files)),
        [
            "src/a.rs:1 needs src/b.rs (crate::b::B)",
            "src/b.rs:1 needs src/c.rs (crate::c::C)",
            "src/c.rs:2 needs src/a.rs (crate::a::A)",
        ]
    );
}

#[test]
fn a_parent_that_uses_its_child_and_defines_what_the_child_uses_is_a_circle() {
    let of = |parent: &str| {
        let child = "use super::Shared;\npub fn f(_: Shared) {}\n";
        let types = "pub struct Shared;\n";
        let files = [("lib.rs", "mod x;\n"), ("x/mod.rs", parent), ("x/child.rs", child)];
        circles(&tree(&[&files[..], &[("x/types.rs", types)]].concat())).len()
    };
    assert_eq!(of("mod child;\npub struct Shared;\nfn g() { child::f(Shared) }\n"), 2);
    // Declared and re-exported, but defined in a file of its own.
    assert_eq!(of("mod child;\nmod types;\npub use child::f;\npub use types::Shared;\n"), 0);
}

#[test]
fn a_directory_of_many_files_and_a_file_of_many_lines_are_found() {
    let names: Vec<String> = (0..17).map(|number| format!("x/f{number:02}.rs")).collect();
    let mut files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    let long = "\n".repeat(401);
    files.push(("long.rs", &long));
    assert_eq!(
        oversized(&tree(&files)),
        ["src/long.rs: 401 lines, at most 400", "src/x: 17 files, at most 16"]
    );
}
