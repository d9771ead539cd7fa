//! Repositories of a site, as `redisguard-gen` finds them.

use super::{GEN, root, transcript};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// The guide of such a repository.
pub const GUIDE: &str = "docs/redis/redis-streams/redis_cluster_guide.md";

/// A repository of its own with the shipped TOML and a guide.
pub fn repository() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(root().join("redisguard.toml"), folder.path().join("redisguard.toml")).unwrap();
    let guide = folder.path().join(GUIDE);
    fs::create_dir_all(guide.parent().unwrap()).unwrap();
    fs::write(
        guide,
        "# Guide\n\n<!-- redisguard:begin port-warning -->\n<!-- redisguard:end port-warning -->\nmine\n",
    )
    .unwrap();
    folder
}

/// What the command said (without the warnings about the shipped spec) and its exit status.
pub fn generate(folder: &Path, arguments: &[&str]) -> (String, i32) {
    let output = Command::new(GEN).args(arguments).current_dir(folder).output().unwrap();
    (transcript(&output), output.status.code().unwrap())
}

/// Every file with its bytes and inode: a rewritten file has another one.
pub fn tree(folder: &Path) -> Vec<(String, u64, Vec<u8>)> {
    let mut files: Vec<_> = redisguard::files::read_tree(folder)
        .unwrap()
        .into_iter()
        .map(|(path, bytes)| {
            let inode = fs::metadata(folder.join(&path)).unwrap().ino();
            (path, inode, bytes)
        })
        .collect();
    files.sort();
    files
}

/// Files by path.
pub type Contents = Vec<(String, Vec<u8>)>;

/// Every file with its bytes.
pub fn contents(folder: &Path) -> Contents {
    tree(folder).into_iter().map(|(path, _, bytes)| (path, bytes)).collect()
}

/// A copy of a folder.
pub fn copy(folder: &Path) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    let mut command = Command::new("cp");
    command.arg("-r").arg(folder.join(".")).arg(place.path());
    assert!(command.status().unwrap().success());
    place
}

/// A repository that was rendered, and its TOML changed so that most files will change.
pub fn changed() -> (TempDir, Contents, Contents) {
    let folder = repository();
    generate(folder.path(), &[]);
    let toml = folder.path().join("redisguard.toml");
    let text = fs::read_to_string(&toml).unwrap();
    fs::write(&toml, text.replace("Default Redis Port", "Old Port")).unwrap();
    let before = contents(folder.path());
    let other = copy(folder.path());
    assert_eq!(generate(other.path(), &[]).1, 0);
    let after = contents(other.path());
    assert_ne!(before, after);
    (folder, before, after)
}
