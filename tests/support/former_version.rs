//! Version 0.1 as its release had it, to upgrade hosts from.

use super::{need, root, tools};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The directory of `tests/tools/former-version`, or `None` after saying why there is none.
fn directory() -> Option<&'static PathBuf> {
    static MADE: OnceLock<Option<PathBuf>> = OnceLock::new();
    MADE.get_or_init(|| {
        if !tools(&["git", "cargo", "cc", "dpkg-deb", "strip", "readelf", "python3", "flock"]) {
            return None;
        }
        let said = Command::new(root().join("tests/tools/former-version")).output().unwrap();
        if said.status.success() {
            return Some(String::from_utf8_lossy(&said.stdout).trim().into());
        }
        let why = String::from_utf8_lossy(&said.stderr);
        let why = why.lines().last().unwrap_or("no reason given");
        need(&format!("version 0.1 ({why})"), false);
        None
    })
    .as_ref()
}

/// What of version 0.1 tests use.
pub struct FormerVersion {
    /// Its installer, linked statically.
    pub install: PathBuf,
    /// Its generator.
    pub generate: PathBuf,
    /// Its Debian package.
    pub package: PathBuf,
    /// Its repository.
    pub tree: PathBuf,
}

/// Version 0.1, built if it was not; `None` after saying why it cannot be.
pub fn former_version() -> Option<FormerVersion> {
    let directory = directory()?;
    Some(FormerVersion {
        install: directory.join("programs/redisguard-install"),
        generate: directory.join("programs/redisguard-gen"),
        package: directory.join("redisguard.deb"),
        tree: directory.join("tree"),
    })
}
