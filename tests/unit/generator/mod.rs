//! `redisguard-gen` writes the bundle and documents, finds stale files and refuses faulty input.

mod all_or_nothing;
mod authoring;

use crate::support::repository::{GUIDE, generate, repository, tree};
use crate::support::{GEN, need, transcript};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

#[test]
fn a_second_run_writes_nothing() {
    let folder = repository();
    let (said, status) = generate(folder.path(), &[]);
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("wrote generated/host/etc/redisguard/rules.v4"), "{said}");
    assert!(said.contains(&format!("changed {GUIDE}")), "{said}");
    let before = tree(folder.path());
    assert_eq!(generate(folder.path(), &["--check"]).1, 0);
    let (said, status) = generate(folder.path(), &[]);
    assert!(status == 0 && said.contains("up to date"), "{said}");
    assert_eq!(tree(folder.path()), before);
    assert!(fs::read_to_string(folder.path().join(GUIDE)).unwrap().ends_with("\nmine\n"));
}

#[test]
fn check_shows_every_stale_missing_and_stray_file_and_writes_nothing() {
    let folder = repository();
    generate(folder.path(), &[]);
    let at = |path: &str| folder.path().join(path);
    fs::write(at("generated/host/etc/redisguard/rules.v4"), "edited\n").unwrap();
    fs::remove_file(at("generated/grafana/redisguard.json")).unwrap();
    fs::write(at("generated/stray file"), "x\n").unwrap();
    fs::write(at("docs/redis/REDIS_PORT_RESERVATIONS.md"), "old\n").unwrap();
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(at("generated/host/etc/redisguard/notice.toml"), executable).unwrap();
    let before = tree(folder.path());
    let (said, status) = generate(folder.path(), &["--check"]);
    assert_eq!(status, 1, "{said}");
    for wanted in [
        "--- a/generated/host/etc/redisguard/rules.v4\n",
        "-edited\n",
        "edited by hand: generated/host/etc/redisguard/rules.v4",
        "executable: generated/host/etc/redisguard/notice.toml",
        "missing: generated/grafana/redisguard.json",
        "stray: generated/stray file",
        "stale: docs/redis/REDIS_PORT_RESERVATIONS.md",
        "mend with: redisguard-gen && rm 'generated/stray file'",
    ] {
        assert!(said.contains(wanted), "no {wanted:?} in\n{said}");
    }
    assert_eq!(tree(folder.path()), before);

    let fix = said.lines().find_map(|line| line.strip_prefix("mend with: ")).unwrap();
    let fix = fix.replace("redisguard-gen", GEN);
    let fixed = Command::new("sh").args(["-c", &fix]).current_dir(folder.path()).output().unwrap();
    assert!(fixed.status.success(), "{}", transcript(&fixed));
    assert_eq!(generate(folder.path(), &["--check"]).1, 0);
}

#[test]
fn a_changed_toml_makes_the_bundle_and_the_documents_stale() {
    let folder = repository();
    generate(folder.path(), &[]);
    let toml = folder.path().join("redisguard.toml");
    let text = fs::read_to_string(&toml).unwrap();
    fs::write(&toml, text.replace("Default Redis Port", "Old Port")).unwrap();
    let (said, status) = generate(folder.path(), &["--check"]);
    assert_eq!(status, 1);
    for stale in ["rules.v6", "redisguard.nft", "notice.toml", "REDIS_PORT_RESERVATIONS.md", GUIDE]
    {
        assert!(
            said.lines().any(|line| line.starts_with("stale: ") && line.ends_with(stale)),
            "{stale}"
        );
    }
    assert!(said.contains("mend with: redisguard-gen\n"), "{said}");
}

#[test]
fn an_obsolete_artifact_is_removed_but_a_foreign_file_stays() {
    let folder = repository();
    generate(folder.path(), &[]);
    let sums = folder.path().join("generated/SHA256SUMS");
    let text = fs::read_to_string(&sums).unwrap();
    fs::write(&sums, format!("{text}{}  host/etc/old\n", "0".repeat(64))).unwrap();
    fs::write(folder.path().join("generated/host/etc/old"), "x").unwrap();
    fs::write(folder.path().join("generated/theirs"), "x").unwrap();
    let (said, status) = generate(folder.path(), &[]);
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("removed generated/host/etc/old"), "{said}");
    assert!(said.contains("generated/theirs is not ours and was left alone"), "{said}");
    assert!(folder.path().join("generated/theirs").exists());
    assert!(!folder.path().join("generated/host/etc/old").exists());
}

#[test]
fn a_fault_writes_nothing_and_exits_with_2() {
    for (what, break_it) in [
        (
            "toml",
            Box::new(|folder: &Path| {
                fs::write(folder.join("redisguard.toml"), "[contact]\nteam = 3\n").unwrap();
            }) as Box<dyn Fn(&Path)>,
        ),
        ("no toml", Box::new(|folder| fs::remove_file(folder.join("redisguard.toml")).unwrap())),
        (
            "a toml that is a folder",
            Box::new(|folder| {
                fs::remove_file(folder.join("redisguard.toml")).unwrap();
                fs::create_dir(folder.join("redisguard.toml")).unwrap();
            }),
        ),
        ("no guide", Box::new(|folder| fs::remove_file(folder.join(GUIDE)).unwrap())),
        ("no markers", Box::new(|folder| fs::write(folder.join(GUIDE), "# Guide\n").unwrap())),
        (
            "a linked guide",
            Box::new(|folder| {
                fs::rename(folder.join(GUIDE), folder.join("real.md")).unwrap();
                symlink(folder.join("real.md"), folder.join(GUIDE)).unwrap();
            }),
        ),
    ] {
        let folder = repository();
        break_it(folder.path());
        let (said, status) = generate(folder.path(), &[]);
        assert_eq!(status, 2, "{what}: {said}");
        assert!(!folder.path().join("generated").exists(), "{what}: {said}");
        assert!(said.contains("error"), "{what}: {said}");
    }
}

#[test]
fn a_foreign_folder_is_not_taken_for_a_bundle() {
    let folder = repository();
    let (said, status) = generate(folder.path(), &["--out", "."]);
    assert!(status == 2 && said.contains("could not use . for the bundle"), "{said}");
    assert!(!folder.path().join("SHA256SUMS").exists());
}

#[test]
fn marker_faults_of_all_guides_are_reported_with_their_lines() {
    let folder = repository();
    fs::write(
        folder.path().join(GUIDE),
        "# Guide\n<!-- redisguard:end port-warning -->\n<!-- redisguard:begin port-warning -->\n",
    )
    .unwrap();
    let (said, _) = generate(folder.path(), &[]);
    let said: String =
        said.lines().skip_while(|line| !line.starts_with("error: ")).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(said);
}

#[test]
fn denied_warnings_and_wrong_usage_exit_with_2() {
    let folder = repository();
    let (said, status) = generate(folder.path(), &["--deny-warnings"]);
    assert!(status == 2 && said.contains("error[drop-hides-notice]"), "{said}");
    assert!(said.contains("2 faults; nothing was written"), "{said}");
    assert_eq!(generate(folder.path(), &["--no-such-option"]).1, 2);
    assert!(!folder.path().join("generated").exists());
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error() {
    if !need("an ordinary user's rights", Command::new("setpriv").arg("--version").output().is_ok())
    {
        return;
    }
    let folder = repository();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let mut command = Command::new("setpriv");
    if nix::unistd::Uid::effective().is_root() {
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    }
    // The program may lie where nobody else can reach it.
    let program = tempfile::tempdir().unwrap();
    fs::set_permissions(program.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy(GEN, program.path().join("redisguard-gen")).unwrap();
    let output = command
        .arg(program.path().join("redisguard-gen"))
        .current_dir(folder.path())
        .output()
        .unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let said = transcript(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("could not make generated") && said.contains("run it as a user"),
        "{said}"
    );
}

#[test]
fn help_matches_its_snapshot() {
    let output = Command::new(GEN).arg("--help").output().unwrap();
    insta::assert_snapshot!("help", String::from_utf8(output.stdout).unwrap());
}

#[test]
fn an_unwritable_standard_output_stops_no_writing_but_fails_a_check() {
    let folder = repository();
    let run = |arguments: &str| {
        let script = format!("exec {GEN} {arguments}");
        let output =
            Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
        (transcript(&output), output.status.code().unwrap())
    };
    let (said, status) = run(">/dev/full 2>/dev/full");
    assert_eq!(status, 0, "{said}");
    let before = tree(folder.path());
    assert_eq!(generate(folder.path(), &["--check"]).1, 0);
    let (said, status) = run(">/dev/full");
    assert!(status == 0 && said.contains("warning: could not write to standard output"), "{said}");
    let (said, status) = run("--json >/dev/full");
    assert!(status == 0 && said.contains("warning: could not write to standard output"), "{said}");
    for question in ["--check", "--check --json", "--summary redisguard.toml"] {
        let (said, status) = run(&format!("{question} >/dev/full"));
        assert!(
            status == 2 && said.contains("error: could not write to standard output"),
            "{said}"
        );
    }
    assert_eq!(tree(folder.path()), before);
}
