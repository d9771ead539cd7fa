//! `redisguard-gen --summary` tells a reviewer what a changed TOML means.

use crate::support::repository::{generate, repository, tree};
use crate::support::{GEN, tools, transcript};
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// A repository of Git with the shipped TOML committed.
fn committed() -> Option<TempDir> {
    if !tools(&["git"]) {
        return None;
    }
    let folder = repository();
    for arguments in [
        &["init", "--quiet"][..],
        &["add", "redisguard.toml"],
        &["-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", "a"],
    ] {
        let mut git = Command::new("git");
        assert!(git.args(arguments).current_dir(folder.path()).status().unwrap().success());
    }
    Some(folder)
}

fn edit(folder: &Path, from: &str, to: &str) {
    let toml = folder.join("redisguard.toml");
    let text = fs::read_to_string(&toml).unwrap();
    assert!(text.contains(from));
    fs::write(&toml, text.replace(from, to)).unwrap();
}

/// Standard output alone, as it goes into a pull request.
fn summary(folder: &Path, base: &str) -> String {
    let output = Command::new(GEN).args(["--summary", base]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", transcript(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_summary_says_what_a_change_means_and_writes_nothing() {
    let Some(folder) = committed() else { return };
    assert!(summary(folder.path(), "HEAD").contains("\nNothing: "));
    let before = tree(folder.path());
    edit(folder.path(), "external = \"drop\"          ", "external = \"notice\"        ");
    edit(
        folder.path(),
        "[firewall]",
        "[[reserved]]\nport = 6381\nexternal = \"reject\"\n\n[firewall]",
    );
    insta::assert_snapshot!("summary", summary(folder.path(), "HEAD"));
    let toml = folder.path().join("redisguard.toml");
    let text = fs::read_to_string(&toml).unwrap();
    fs::write(folder.path().join("older.toml"), &text).unwrap();
    assert!(summary(folder.path(), "older.toml").contains("\nNothing: "));
    let untouched = |(path, ..): &(String, u64, Vec<u8>)| !path.ends_with(".toml");
    let now: Vec<_> = tree(folder.path()).into_iter().filter(untouched).collect();
    assert_eq!(now, before.into_iter().filter(untouched).collect::<Vec<_>>());
}

#[test]
fn a_missing_base_is_refused_and_one_without_a_toml_counts_as_empty() {
    let Some(folder) = committed() else { return };
    let (said, status) = generate(folder.path(), &["--summary", "no-such-branch"]);
    assert!(status == 2 && said.contains("neither such a file nor such a revision"), "{said}");
    fs::rename(folder.path().join("redisguard.toml"), folder.path().join("new.toml")).unwrap();
    let (said, status) = generate(folder.path(), &["--config", "new.toml", "--summary", "HEAD"]);
    assert!(status == 0 && said.contains("Port **6379** becomes reserved"), "{said}");
}
