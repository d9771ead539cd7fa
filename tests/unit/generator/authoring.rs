//! `init`, `--explain`, `--deny`, `--allow` and `--json` of `redisguard-gen` help an author.

use crate::support::{GEN, root, transcript};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(GEN).args(arguments).current_dir(folder).output().unwrap()
}

/// A folder with the TOML that `init` writes.
fn started() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["init"]);
    assert!(output.status.success(), "{}", transcript(&output));
    folder
}

#[test]
fn init_writes_a_starter_and_names_the_next_step() {
    let folder = started();
    let written = folder.path().join("redisguard.toml");
    let starter = fs::read(root().join("templates/init/redisguard.toml")).unwrap();
    assert!(fs::read(&written).unwrap() == starter);
    assert_eq!(fs::metadata(&written).unwrap().permissions().mode() & 0o777, 0o644);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something else was left");
    assert_eq!(run(folder.path(), &[]).status.code(), Some(0));
    assert_eq!(run(folder.path(), &["--check"]).status.code(), Some(0));

    let elsewhere = run(folder.path(), &["--config", "sites/berlin.toml", "init"]);
    insta::assert_snapshot!("init", transcript(&elsewhere));
    assert!(fs::read(folder.path().join("sites/berlin.toml")).unwrap() == starter);
}

#[test]
fn init_never_overwrites() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("file.toml"), "mine").unwrap();
    fs::create_dir(at("folder.toml")).unwrap();
    symlink("nowhere", at("link.toml")).unwrap();
    for name in ["file.toml", "folder.toml", "link.toml"] {
        let output = run(folder.path(), &["init", "--config", name]);
        let said = transcript(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!("could not write {name}: there is one already")), "{said}");
        assert!(said.contains("move it away, or name another with --config"), "{said}");
    }
    assert_eq!(fs::read_to_string(at("file.toml")).unwrap(), "mine");
    assert!(!at("nowhere").exists());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn of_concurrent_inits_one_writes_and_the_others_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let start = |_| {
        let mut command = Command::new(GEN);
        command.arg("init").current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let children: Vec<_> = (0..12).map(start).collect();
    let ended = children.into_iter().map(|mut child| child.wait().unwrap().code().unwrap());
    let mut ended: Vec<i32> = ended.collect();
    ended.sort_unstable();
    assert_eq!(ended, [&[0][..], &[2; 11]].concat());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_missing_toml_suggests_init() {
    let folder = tempfile::tempdir().unwrap();
    let said = transcript(&run(folder.path(), &[]));
    assert!(said.contains("`redisguard-gen init`") && said.ends_with("exit 2\n"), "{said}");
}

#[test]
fn explain_gives_the_meaning_the_reason_and_a_right_example() {
    let folder = tempfile::tempdir().unwrap();
    for (name, kind) in [("drop-hides-notice", "warning"), ("reserved-twice", "fault")] {
        let output = run(folder.path(), &["--explain", name]);
        assert!(output.stderr.is_empty());
        let said = transcript(&output);
        assert!(said.lines().all(|line| line.chars().count() <= 80), "{said}");
        insta::assert_snapshot!(format!("explain_{kind}"), said);
    }
}

#[test]
fn an_unknown_check_is_answered_with_the_known_ones() {
    let folder = started();
    let said = transcript(&run(folder.path(), &["--explain", "drop-hide-notice"]));
    for wanted in ["'drop-hides-notice'", "reserved-twice", "nobody-told", "exit 2"] {
        assert!(said.contains(wanted), "no {wanted} in\n{said}");
    }
    for option in ["--deny", "--allow"] {
        let said = transcript(&run(folder.path(), &[option, "nobody-tolt"]));
        assert!(said.contains("'nobody-told'") && said.ends_with("exit 2\n"), "{said}");
        assert!(!said.contains("reserved-twice"), "{said}");
        let said = transcript(&run(folder.path(), &[option, "reserved-twice"]));
        assert!(said.contains("only warnings can be") && said.ends_with("exit 2\n"), "{said}");
    }
    assert!(!folder.path().join("generated").exists());
}

#[test]
fn the_last_lint_level_on_the_command_line_wins() {
    let folder = started();
    let (name, others) = ("drop-hides-notice", "nobody-told");
    for (arguments, status, label) in [
        (vec![], 0, Some("warning[drop-hides-notice]")),
        (vec!["--allow", name], 0, None),
        (vec!["--deny", others, "--allow", others], 0, Some("warning[drop-hides-notice]")),
        (vec!["--deny", name], 2, Some("error[drop-hides-notice]")),
        (vec!["--allow", name, "--deny", name], 2, Some("error[")),
        (vec!["--deny", name, "--allow", name], 0, None),
        (vec!["--deny-warnings"], 2, Some("error[drop-hides-notice]")),
        (vec!["--deny-warnings", "--allow", name], 0, None),
        (vec!["--allow", name, "--deny-warnings"], 2, Some("error[")),
        (vec!["--deny-warnings", "--allow", name, "--deny-warnings"], 2, Some("error[")),
        (vec!["--deny-warnings", "--allow", others], 2, Some("error[")),
    ] {
        let output = run(folder.path(), &arguments);
        let said = String::from_utf8(output.stderr.clone()).unwrap();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
        match label {
            Some(label) => assert!(said.contains(label), "{arguments:?}: {said}"),
            None => assert!(!said.contains(name), "{arguments:?}: {said}"),
        }
    }
}

#[test]
fn json_has_every_problem_file_and_fix_and_nothing_else_is_printed() {
    let folder = started();
    let parsed = |output: &Output| -> Value { serde_json::from_slice(&output.stdout).unwrap() };
    let output = run(folder.path(), &["--json"]);
    assert_eq!(output.status.code(), Some(0));
    let answer = parsed(&output);
    assert_eq!(
        answer["problems"],
        json!([{
            "check": "drop-hides-notice",
            "severity": "warning",
            "file": "redisguard.toml",
            "line": 34,
            "column": 8,
            "end_line": 34,
            "end_column": 12,
            "message": "port 6379: outsiders are dropped and will never see the notice",
            "cure": "external = \"notice\" shows it",
        }])
    );
    let files = answer["files"].as_array().unwrap();
    assert!(files.len() > 20 && files.iter().all(|file| file["state"] == "missing"), "{files:#?}");
    assert_eq!((&answer["mend"], &output.stderr[..]), (&Value::Null, &b""[..]));

    let output = run(folder.path(), &["--check", "--json", "--allow", "drop-hides-notice"]);
    let nothing = json!({ "problems": [], "files": [], "mend": null });
    assert_eq!((output.status.code(), parsed(&output)), (Some(0), nothing));

    fs::write(folder.path().join("generated/stray"), "x\n").unwrap();
    fs::write(folder.path().join("generated/host/etc/redisguard/rules.v4"), "x\n").unwrap();
    let output = run(folder.path(), &["--check", "--json", "--allow", "drop-hides-notice"]);
    let answer = parsed(&output);
    assert_eq!(output.status.code(), Some(1));
    let states = answer["files"].as_array().unwrap().iter();
    let states = states.map(|file| format!("{} {}", file["state"], file["path"]));
    assert_eq!(
        states.collect::<Vec<_>>(),
        [
            "\"edited by hand\" \"generated/host/etc/redisguard/rules.v4\"",
            "\"stray\" \"generated/stray\""
        ]
    );
    assert_eq!(
        answer["files"][1]["diff"],
        "--- a/generated/stray\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"
    );
    assert_eq!(answer["mend"], "redisguard-gen && rm generated/stray");

    let bad = root().join("tests/specs/bad/everything-wrong/redisguard.toml");
    let output = run(folder.path(), &["--json", "--config", bad.to_str().unwrap()]);
    let answer = parsed(&output);
    assert_eq!((&answer["files"], &answer["mend"]), (&json!([]), &Value::Null));
    let problems = answer["problems"].as_array().unwrap();
    assert_eq!((output.status.code(), problems.len()), (Some(2), 23));
    let errors = problems.iter().filter(|problem| problem["severity"] == "error").count();
    assert_eq!(errors, 21);
    assert!(problems.iter().all(|problem| problem["cure"].is_string()), "{problems:#?}");
}

#[test]
fn verbs_refuse_the_options_of_generation() {
    let folder = tempfile::tempdir().unwrap();
    for option in ["--check", "--json", "--deny-warnings", "--summary=HEAD"] {
        let said = transcript(&run(folder.path(), &[option, "init"]));
        assert!(said.contains("two things at once") && said.ends_with("exit 2\n"), "{said}");
    }
    assert!(!folder.path().join("redisguard.toml").exists());
}
