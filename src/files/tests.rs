//! Tests of replacing files, of backups, and of what killed runs leave.
#![allow(clippy::unwrap_used)]

use super::*;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

#[test]
fn a_replaced_file_has_the_bytes_the_mode_and_no_litter() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a/b/file");
    let made = replace(&path, b"one", 0o644).unwrap();
    assert_eq!(made, [root.path().join("a"), root.path().join("a/b")]);
    assert!(replace(&path, b"two", 0o600).unwrap().is_empty());
    assert_eq!((read(&path).unwrap().unwrap(), mode(&path)), (b"two".to_vec(), Some(0o600)));
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_link_in_the_files_place_is_replaced_not_followed() {
    let root = tempfile::tempdir().unwrap();
    let (target, link) = (root.path().join("target"), root.path().join("link"));
    fs::write(&target, "kept").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    replace(&link, b"new", 0o644).unwrap();
    assert_eq!(fs::read_to_string(&target).unwrap(), "kept");
    assert_eq!(fs::read_to_string(&link).unwrap(), "new");
}

#[test]
fn a_write_that_fails_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("new/file/in-the-way")).unwrap();
    let error = replace(&root.path().join("new/file"), b"x", 0o644).unwrap_err().to_string();
    assert!(error.starts_with("could not write"), "{error}");
    assert_eq!(fs::read_dir(root.path().join("new")).unwrap().count(), 1);
}

#[test]
fn what_a_killed_run_left_is_swept_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    for name in [".a.x1.redisguard~", ".b.x1.redisguard~", "a.redisguard~", ".a.x1"] {
        fs::write(root.path().join(name), "").unwrap();
    }
    remove_unfinished(&[root.path().join("a")]);
    let mut left: Vec<_> =
        fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, [".a.x1", ".b.x1.redisguard~", "a.redisguard~"]);
}

#[test]
fn what_was_kept_comes_back_whole_and_leaves_no_second_name() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a");
    let names = || fs::read_dir(root.path()).unwrap().count();
    let nothing = back_up(&path).unwrap();
    assert!(nothing.is_none());
    fs::write(&path, "old").unwrap();
    let before = fs::metadata(&path).unwrap();
    // Untouched, replaced, replaced by a link, removed.
    let changes: [fn(&Path); 4] = [
        |_| {},
        |path| drop(replace(path, b"new", 0o600).unwrap()),
        |path| link(path, "/elsewhere").unwrap(),
        |path| remove(path).unwrap(),
    ];
    for change in changes {
        let (first, second) = (back_up(&path).unwrap(), back_up(&path).unwrap());
        change(&path);
        restore(&path, second.as_deref()).unwrap();
        restore(&path, first.as_deref()).unwrap();
        let after = fs::symlink_metadata(&path).unwrap();
        assert_eq!((after.ino(), after.mtime_nsec()), (before.ino(), before.mtime_nsec()));
        assert_eq!(names(), 1);
    }
    restore(&path, None).unwrap();
    assert_eq!(names(), 0);
}

#[test]
fn a_tree_with_a_link_is_refused() {
    let root = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/etc/passwd", root.path().join("x")).unwrap();
    assert!(read_tree(root.path()).unwrap_err().to_string().contains("neither a file"));
    assert!(read_tree(&root.path().join("absent")).unwrap().is_empty());
}
