//! `--root` reads and writes nothing outside of the tree, whose absolute links lead into it.

use super::exit_status;
use crate::support::{INSTALL, transcript};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

#[test]
fn an_offline_tree_gets_files_and_enablement_and_nothing_else() {
    let tree = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output =
            Command::new(INSTALL).arg("--root").arg(tree.path()).args(arguments).output().unwrap();
        (exit_status(&output), transcript(&output))
    };
    assert_eq!(run(&["plan"]).0, 1);
    let (code, said) = run(&["apply"]);
    assert_eq!(code, 0, "{said}");
    assert!(!said.contains("rules ") && !said.contains("unit "), "{said}");
    let enabled =
        tree.path().join("etc/systemd/system/sysinit.target.wants/redis-ports-block.service");
    let target = std::fs::read_link(&enabled).unwrap();
    assert_eq!(target, Path::new("/etc/systemd/system/redis-ports-block.service"));
    assert!(tree.path().join("usr/local/sbin/redisguard-install").exists());
    assert_eq!(run(&["status"]).0, 0);
    assert_eq!(run(&["apply"]).0, 0);
    std::fs::write(tree.path().join("etc/redisguard/rules.v4"), "x").unwrap();
    assert_eq!(run(&["status"]).0, 1);
    assert_eq!(run(&["rules", "load"]).0, 2);
    let (code, said) = run(&["remove"]);
    assert_eq!(code, 0, "{said}");
    let left: Vec<_> = std::fs::read_dir(tree.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_link_that_leads_out_of_an_offline_tree_is_refused() {
    let (tree, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in ["etc", "usr/local", "var/lib", "var"] {
        let link = tree.path().join(folder);
        std::fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), &link).unwrap();
        let output =
            Command::new(INSTALL).arg("--root").arg(tree.path()).arg("apply").output().unwrap();
        assert_eq!(exit_status(&output), 2, "{folder}: {}", transcript(&output));
        assert!(
            transcript(&output).contains("out of the tree"),
            "{folder}: {}",
            transcript(&output)
        );
        assert!(std::fs::read_dir(elsewhere.path()).unwrap().next().is_none(), "{folder}");
        std::fs::remove_file(&link).unwrap();
        let _ = std::fs::remove_dir(tree.path().join("var"));
    }
}

#[test]
fn an_absolute_link_of_a_tree_is_followed_inside_of_it() {
    for (link, target, is_there) in [
        ("usr/local", "/var/usrlocal", true),
        ("usr/local", "/var/usrlocal", false),
        ("etc/systemd/system", "/usr/etc/units", true),
        ("etc", "/usr/etc", true),
        ("var/lib", "/data/lib", true),
        ("etc/redisguard", "/data/settings", true),
        ("var/lib/redisguard", "/data/redisguard", true),
        ("var/log", "/data/log", false),
        ("var", "/data/./../data/var", true),
        ("run", "/no/such-directory", false),
    ] {
        let tree = tempfile::tempdir().unwrap();
        let place = tree.path().join(link);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        if is_there {
            fs::create_dir_all(tree.path().join(&target[1..])).unwrap();
        }
        symlink(target, &place).unwrap();
        let run = |verb: &str, code: i32| {
            let output =
                Command::new(INSTALL).arg("--root").arg(tree.path()).arg(verb).output().unwrap();
            assert_eq!(exit_status(&output), code, "{link} {verb}: {}", transcript(&output));
        };
        run("plan", 1);
        run("apply", 0);
        assert_eq!(fs::read_link(&place).unwrap(), Path::new(target));
        // What the tree's own system will find by that link.
        let program = if link == "usr/local" { target } else { "/usr/local" };
        let program = tree.path().join(&program[1..]).join("sbin/redisguard-install");
        assert!(program.is_file(), "{link}");
        run("status", 0);
        run("apply", 0);
        run("remove", 0);
        assert_eq!(fs::read_link(&place).unwrap(), Path::new(target));
        let left = redisguard::files::read_tree(tree.path()).unwrap_err().to_string();
        assert!(left.contains(link), "only the link is left: {left}");
        fs::remove_file(&place).unwrap();
        let left = redisguard::files::read_tree(tree.path()).unwrap();
        assert!(left.is_empty(), "{link}: {left:?}");
    }
}

#[test]
fn a_link_in_a_circle_is_refused() {
    let tree = tempfile::tempdir().unwrap();
    fs::create_dir(tree.path().join("usr")).unwrap();
    symlink("/usr/local", tree.path().join("usr/local")).unwrap();
    let output =
        Command::new(INSTALL).arg("--root").arg(tree.path()).arg("apply").output().unwrap();
    assert_eq!(exit_status(&output), 2, "{}", transcript(&output));
    assert!(transcript(&output).contains("lead in a circle"), "{}", transcript(&output));
    assert_eq!(fs::read_dir(tree.path()).unwrap().count(), 1);
}

#[test]
fn the_fix_of_a_link_that_leads_out_is_the_directory_that_the_tree_lacks() {
    let (tree, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::create_dir(tree.path().join("usr")).unwrap();
    symlink(elsewhere.path(), tree.path().join("usr/local")).unwrap();
    let run =
        || Command::new(INSTALL).arg("--root").arg(tree.path()).arg("apply").output().unwrap();
    let refused = transcript(&run());
    let fix = refused.split('`').find(|text| text.starts_with("mkdir")).expect(&refused);
    assert!(Command::new("sh").args(["-c", fix]).status().unwrap().success());
    assert_eq!(exit_status(&run()), 0, "{}", transcript(&run()));
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

/// A tree in which a foreign file is at the path of a file of redisguard's.
struct Tree {
    tree: tempfile::TempDir,
    elsewhere: tempfile::TempDir,
}

const THEIRS: &str = "etc/logrotate.d/redis-port-notice";

impl Tree {
    fn new() -> Self {
        let (tree, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(tree.path().join("etc/logrotate.d")).unwrap();
        fs::write(tree.path().join(THEIRS), "theirs").unwrap();
        Self { tree, elsewhere }
    }

    fn run(&self, verb: &str) -> Output {
        let command = ["--root", self.tree.path().to_str().unwrap(), verb];
        Command::new(INSTALL).args(command).output().unwrap()
    }

    /// Has a part of our state lead out of the tree.
    fn lead_out(&self, part: &str) {
        let part = self.tree.path().join("var/lib/redisguard").join(part);
        let _ = fs::remove_dir_all(&part);
        fs::create_dir_all(part.parent().unwrap()).unwrap();
        symlink(self.elsewhere.path(), part).unwrap();
    }

    fn is_refused(&self, verb: &str) {
        let output = self.run(verb);
        assert_eq!(exit_status(&output), 2, "{verb}: {}", transcript(&output));
        assert!(transcript(&output).contains("out of the tree"), "{verb}: {}", transcript(&output));
    }

    fn wrote_nothing_elsewhere(&self) {
        assert_eq!(fs::read_dir(self.elsewhere.path()).unwrap().count(), 0);
    }
}

#[test]
fn replaced_files_are_kept_inside_the_tree() {
    for part in ["original", "original/etc"] {
        let tree = Tree::new();
        tree.lead_out(part);
        tree.is_refused("apply");
        tree.wrote_nothing_elsewhere();
        assert!(!tree.tree.path().join("etc/redisguard").exists());
    }
}

#[test]
fn copies_of_edited_files_are_kept_inside_the_tree() {
    for part in ["edited", "edited/etc"] {
        let tree = Tree::new();
        assert_eq!(exit_status(&tree.run("apply")), 0);
        fs::write(tree.tree.path().join("etc/redisguard/notice.toml"), "edited").unwrap();
        tree.lead_out(part);
        tree.is_refused("apply");
        tree.wrote_nothing_elsewhere();
    }
}

#[test]
fn nothing_is_restored_from_outside_the_tree() {
    for part in ["original", "original/etc", "bundle"] {
        let tree = Tree::new();
        assert_eq!(exit_status(&tree.run("apply")), 0);
        let copy = tree.elsewhere.path().join(THEIRS);
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::write(copy, "secret").unwrap();
        tree.lead_out(part);
        tree.is_refused("remove");
        assert!(tree.tree.path().join("etc/redisguard/rules.v4").exists(), "{part}");
    }
    let tree = Tree::new();
    assert_eq!(exit_status(&tree.run("apply")), 0);
    let copy = tree.tree.path().join("var/lib/redisguard/original").join(THEIRS);
    fs::remove_file(&copy).unwrap();
    symlink("/etc/hostname", copy).unwrap();
    tree.is_refused("remove");
}

#[test]
fn a_receipt_names_nothing_outside_the_tree() {
    for (from, to) in [
        ("\"directories\": [", "\"directories\": [\"/../out\","),
        ("\"/etc/redisguard/rules.v4\": {", "\"/../out/file\": {"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        fs::create_dir_all(&tree).unwrap();
        let run =
            |verb: &str| Command::new(INSTALL).arg("--root").arg(&tree).arg(verb).output().unwrap();
        assert_eq!(exit_status(&run("apply")), 0);
        let receipt = tree.join("var/lib/redisguard/receipt.json");
        let text = fs::read_to_string(&receipt).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(&receipt, text.replace(from, to)).unwrap();
        fs::create_dir(folder.path().join("out")).unwrap();
        let output = run("remove");
        assert_eq!(exit_status(&output), 2, "{}", transcript(&output));
        assert!(folder.path().join("out").exists(), "{}", transcript(&output));
    }
}

#[test]
fn no_unconfirmed_change_is_deleted_outside_the_tree() {
    let tree = Tree::new();
    assert_eq!(exit_status(&tree.run("apply")), 0);
    let record = tree.elsewhere.path().join("record.json");
    fs::write(&record, "{}").unwrap();
    tree.lead_out("unconfirmed");
    for verb in ["apply", "status", "remove"] {
        tree.is_refused(verb);
    }
    fs::remove_file(tree.tree.path().join("var/lib/redisguard/unconfirmed")).unwrap();
    // A mark of this machine's own: what is in a tree's /run says nothing of a tree.
    fs::write(tree.elsewhere.path().join("redisguard.unconfirmed"), "").unwrap();
    fs::write(tree.elsewhere.path().join("redisguard.meanwhile"), "").unwrap();
    symlink(tree.elsewhere.path(), tree.tree.path().join("run")).unwrap();
    let output = tree.run("remove");
    assert_eq!(exit_status(&output), 0, "{}", transcript(&output));
    assert_eq!(fs::read_dir(tree.elsewhere.path()).unwrap().count(), 3);
}
