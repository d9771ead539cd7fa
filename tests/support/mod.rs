//! What the test binaries share. Each uses its own part of it.
#![allow(dead_code, clippy::unwrap_used, clippy::print_stderr)]

pub mod corpus;
pub mod former_version;
pub mod hostile_texts;
pub mod machine;
pub mod namespace;
#[path = "../fuzz/property.rs"]
pub mod property;
pub mod readers;
pub mod redis;
pub mod release;
pub mod report_logs;
pub mod repository;
pub mod resp_commands;
pub mod sites;

use proptest::test_runner::Config as ProptestConfig;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The programs under test.
pub const GEN: &str = env!("CARGO_BIN_EXE_redisguard-gen");
/// The programs under test.
pub const INSTALL: &str = env!("CARGO_BIN_EXE_redisguard-install");

/// How many cases a property test tries: as many as it asks for, times what
/// REDISGUARD_PROPERTY_FACTOR says. What is found becomes a test of its own, so nothing is stored.
pub fn cases(cases: u32) -> ProptestConfig {
    let factor = std::env::var("REDISGUARD_PROPERTY_FACTOR");
    let factor: u32 = factor.map_or(1, |factor| factor.parse().unwrap());
    ProptestConfig { cases: cases * factor, failure_persistence: None, ..ProptestConfig::default() }
}

/// Whether a test may go on. Without a tool or a right it says aloud why it does not, and fails
/// where everything is required.
pub fn need(what: &str, there: bool) -> bool {
    if !there {
        let required = std::env::var_os("REDISGUARD_REQUIRE_ALL").is_some_and(|value| value == "1");
        assert!(!required, "{what} is needed, and REDISGUARD_REQUIRE_ALL=1");
        // Past the test harness, which shows only what failing tests print.
        let _ = writeln!(std::io::stderr(), "skipped: {what} is needed");
    }
    there
}

/// Whether the programs are installed.
pub fn tools(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    programs.iter().all(|program| {
        let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
        need(program, found)
    })
}

/// Where the programs of a list in tests/tools are, installed if they were not.
pub fn python_tools(name: &str) -> Option<PathBuf> {
    let said = Command::new(root().join("tests/tools/python-tools")).arg(name).output().unwrap();
    if said.status.success() {
        return Some(String::from_utf8_lossy(&said.stdout).trim().into());
    }
    let why = String::from_utf8_lossy(&said.stderr).trim().to_owned();
    need(&format!("{name} ({why})"), false);
    None
}

/// Whether this is root with the right to make namespaces.
pub fn can_make_namespaces() -> bool {
    let able = Command::new("unshare").args(["--net", "--mount", "true"]).status();
    let able = able.is_ok_and(|status| status.success());
    need("root with the right to make namespaces", nix::unistd::Uid::effective().is_root() && able)
}

/// Waits until a condition holds that is bound to: longer than any busy machine takes.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    const STUCK: Duration = Duration::from_secs(90);
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < STUCK, "it never happened: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The exit status of a command; -1 if a signal ended it.
pub fn exit_status(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

/// What a command printed and how it ended, for messages and snapshots.
pub fn transcript(output: &Output) -> String {
    format!(
        "{}{}exit {}\n",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        output.status.code().map_or("by signal".to_owned(), |code| code.to_string())
    )
}

/// Two looks at a host, which must show the same; a failure shows only what differs.
#[track_caller]
pub fn assert_same<T: PartialEq + std::fmt::Debug>(now: &T, before: &T, what: &str) {
    if now != before {
        // What a look holds of listings is text of many lines.
        let text = |look: &T| format!("{look:#?}").replace("\\n", "\n");
        let (before, now) = (text(before), text(now));
        let diff = similar::TextDiff::from_lines(&before, &now);
        let diff = diff.unified_diff().context_radius(0).header("before", "now").to_string();
        panic!("it is not as it was, {what}:\n{diff}");
    }
}

/// The TOML of every case of the corpus, `good` or `bad`, by name.
pub fn specs(kind: &str) -> Vec<PathBuf> {
    let folder = root().join("tests/specs").join(kind);
    let cases = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut specs: Vec<PathBuf> = cases.map(|case| case.join("redisguard.toml")).collect();
    specs.sort();
    assert!(!specs.is_empty());
    specs
}

/// What the case of a TOML of the corpus is called: its folder.
pub fn case(spec: &Path) -> &str {
    spec.parent().unwrap().file_name().unwrap().to_str().unwrap()
}
