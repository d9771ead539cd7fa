//! The programs as a release has them: linked statically.
//!
//! They are linked from the library that was built for the tests, without the time that optimising
//! takes.

use super::{INSTALL, root, tools};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

/// Links both programs into a folder, as `tests/tools/dist` has them linked; `mark` makes them others
/// than those with another one. Says so and returns false where a tool is missing.
pub fn link(folder: &Path, mark: &str) -> bool {
    if !tools(&["rustc", "cargo", "cc", "dpkg-deb", "strip", "readelf", "python3", "git"]) {
        return false;
    }
    let libraries = Path::new(INSTALL).parent().unwrap().join("deps");
    let redisguard = built(&libraries, "libredisguard-").remove(0);
    for program in ["redisguard-install", "redisguard-gen"] {
        // Of several that earlier builds have left, only the one that the library uses will do.
        let linked = built(&libraries, "libclap-").iter().any(|clap| {
            let linked = Command::new("rustc")
                .args(["--edition=2024", "-Ctarget-feature=+crt-static", "-L"])
                .arg(format!("dependency={}", libraries.display()))
                .arg(format!("--extern=redisguard={}", redisguard.display()))
                .arg(format!("--extern=clap={}", clap.display()))
                .arg(format!("-Clink-arg=-Wl,--build-id=0x{mark}"))
                .arg("-o")
                .args([&folder.join(program), &root().join(format!("src/bin/{program}.rs"))])
                .output()
                .unwrap();
            linked.status.success()
        });
        assert!(linked, "{program} could not be linked statically");
    }
    true
}

/// Makes a package of the programs in a folder, as `tests/tools/dist` has it made but packed in no time.
pub fn package(programs: &Path, out: &Path, version: &str) -> Output {
    Command::new(root().join("tests/tools/package"))
        .args([programs, out])
        .env("REDISGUARD_VERSION", version)
        .env("REDISGUARD_XZ", "0")
        .output()
        .unwrap()
}

/// The libraries of a name that cargo has built, the newest first.
fn built(libraries: &Path, name: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(libraries).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<(SystemTime, PathBuf)> = files
        .filter(|file| {
            let file = file.file_name().to_string_lossy().into_owned();
            file.starts_with(name) && file.ends_with(".rlib")
        })
        .map(|file| (file.metadata().unwrap().modified().unwrap(), file.path()))
        .collect();
    files.sort();
    files.into_iter().rev().map(|(_, path)| path).collect()
}
