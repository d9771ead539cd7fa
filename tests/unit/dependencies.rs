//! Each given crate is in real use, and the generator alone is built of portable crates and code.

use crate::support::{root, transcript};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every crate that the generator alone is built from on any system. Each was looked at before it came
/// in here: it is made of `std` alone, or keeps what is one system's behind a `cfg`.
const PORTABLE: &[&str] = &[
    "annotate-snippets",
    "anstream",
    "anstyle",
    "anstyle-parse",
    "anstyle-query",
    "askama",
    "askama_derive",
    "askama_macros",
    "askama_parser",
    "basic-toml",
    "bitflags",
    "block-buffer",
    "cfg-if",
    "clap",
    "clap_builder",
    "clap_complete",
    "clap_derive",
    "clap_lex",
    "clap_mangen",
    "colorchoice",
    "const-oid",
    "cpufeatures",
    "crypto-common",
    "digest",
    "fastrand",
    "getrandom",
    "glob",
    "heck",
    "hybrid-array",
    "ipnet",
    "is_terminal_polyfill",
    "itoa",
    "jiff",
    "jiff-core",
    "memchr",
    "once_cell",
    "proc-macro2",
    "pulldown-cmark",
    "quote",
    "redisguard",
    "roff",
    "rustc-hash",
    "serde",
    "serde_core",
    "serde_derive",
    "serde_json",
    "serde_spanned",
    "sha2",
    "similar",
    "strsim",
    "syn",
    "tempfile",
    "terminal_size",
    "textwrap",
    "toml",
    "toml_datetime",
    "toml_parser",
    "toml_writer",
    "typenum",
    "unicase",
    "unicode-ident",
    "unicode-width",
    "utf8parse",
    "winnow",
    "zmij",
];

/// What tempfile and clap call the system through.
const MACOS: &[&str] = &["errno", "libc", "rustix"];
const WINDOWS: &[&str] = &["anstyle-wincon", "once_cell_polyfill", "windows-link", "windows-sys"];

/// The crates that the generator alone is built from for a target, its build script's among them.
fn crates_of_the_generator(target: &str) -> BTreeSet<String> {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--locked", "--no-default-features", "--features", "generator"]);
    tree.args(["--target", target, "--edges", "normal,build", "--prefix", "none"]);
    let output = tree.current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", transcript(&output));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn the_generator_alone_is_built_from_portable_crates_on_macos_and_windows() {
    for (target, system) in [
        ("x86_64-apple-darwin", MACOS),
        ("aarch64-apple-darwin", MACOS),
        ("x86_64-pc-windows-msvc", WINDOWS),
    ] {
        let crates = crates_of_the_generator(target);
        let known = |name: &str| PORTABLE.contains(&name) || system.contains(&name);
        let unknown: Vec<_> = crates.iter().filter(|name| !known(name)).collect();
        assert!(unknown.is_empty(), "{target}: {unknown:?}");
        assert!(crates.contains("askama") && crates.contains("redisguard"), "{crates:?}");
    }
}

/// The source files of a module and of those below it, without the installer's and the tests'.
fn files_of_the_generator(file: PathBuf, folder: &Path, found: &mut Vec<PathBuf>) {
    let text = fs::read_to_string(&file).unwrap();
    found.push(file);
    let mut attributes = String::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('#') {
            attributes.push_str(line);
            continue;
        }
        let module = line.strip_suffix(';').and_then(|line| line.split_once("mod "));
        let module = module.filter(|(before, _)| before.is_empty() || before.starts_with("pub"));
        let other = ["\"installer\"", "test", "path"];
        if let Some((_, name)) =
            module.filter(|_| !other.iter().any(|one| attributes.contains(one)))
        {
            let nested = folder.join(name).join("mod.rs");
            let file = if nested.exists() { nested } else { folder.join(format!("{name}.rs")) };
            files_of_the_generator(file, &folder.join(name), found);
        }
        attributes.clear();
    }
}

#[test]
fn one_file_of_the_generator_is_for_unix_and_it_has_a_twin_for_other_systems() {
    let mut files = Vec::new();
    files_of_the_generator(root().join("src/lib.rs"), &root().join("src"), &mut files);
    files.push(root().join("src/bin/redisguard-gen.rs"));
    assert!(files.len() > 40 && files.contains(&root().join("src/cli/generator/write.rs")));
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains("std::os::"), "{} is for one system", file.display());
    }
    // What `cfg` chooses between has the same functions.
    let functions = |name: &str| -> BTreeSet<String> {
        let text = fs::read_to_string(root().join("src/files").join(name)).unwrap();
        let portable: Vec<&str> =
            text.split("\n\n").filter(|item| !item.contains("\"installer\"")).collect();
        let names = portable.join("\n\n");
        let names = names.lines().filter_map(|line| line.split_once("fn ")?.1.split('(').next());
        names.map(str::to_owned).collect()
    };
    assert_eq!(functions("unix.rs"), functions("without_modes.rs"));
}

/// The packages that the project is asked to be built on.
const GIVEN: [&str; 10] =
    ["askama", "clap", "insta", "iptables", "nix", "serde", "tempfile", "tokio", "toml", "tracing"];

/// All lines of code below a folder, without comments.
fn code_below(folder: &Path) -> String {
    let mut code = String::new();
    for (path, bytes) in redisguard::files::read_tree(folder).unwrap() {
        if path.ends_with(".rs") {
            let text = String::from_utf8(bytes).unwrap();
            let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
            lines.for_each(|line| code.extend([line, "\n"]));
        }
    }
    code
}

/// Whether code has a path that begins with this crate's name.
fn uses(code: &str, name: &str) -> bool {
    let part_of_a_word = |letter: char| letter.is_alphanumeric() || "_:\".".contains(letter);
    code.match_indices(&format!("{name}::")).any(|(at, _)| !code[..at].ends_with(part_of_a_word))
}

#[test]
fn each_of_the_given_packages_is_in_real_use() {
    let (code, tests) = (code_below(&root().join("src")), code_below(&root().join("tests")));
    for name in GIVEN {
        let code = if name == "insta" { &tests } else { &code };
        assert!(uses(code, name), "{name} is listed only");
    }
    // A name in a comment, in a string or within another one is no use of it.
    for other in ["", "supernix::a", "a::nix::b", "\"nix::a\"", "nix"] {
        assert!(!uses(other, "nix"), "{other}");
    }
    assert!(uses("use nix::a;", "nix") && uses("b(nix::a())", "nix"));
}
