//! Owns the host of the bench: network and mount namespaces of this process, with a writable copy of
//! this machine's files on top, and the bundles that are tried there.

use nix::sched::{CloneFlags, unshare};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;

pub const GEN: &str = env!("CARGO_BIN_EXE_redisguard-gen");

/// Directories that a measured command may write to.
const COPIED: [&str; 3] = ["etc", "var/lib", "usr/local"];

/// Enters the namespaces; `false`, said aloud, where that cannot be.
pub fn enter() -> bool {
    let able = nix::unistd::geteuid().is_root()
        && unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).is_ok();
    if !able {
        let required = std::env::var_os("REDISGUARD_REQUIRE_ALL").is_some_and(|value| value == "1");
        assert!(!required, "root is needed, and REDISGUARD_REQUIRE_ALL=1");
        eprintln!("skipped: root with the right to make namespaces is needed");
        return false;
    }
    let mut script = String::from(
        "set -e\nmount --make-rprivate /\nmount -t tmpfs tmpfs /run\nmount -t tmpfs tmpfs /mnt\n\
         ip link set lo up\n",
    );
    for folder in COPIED {
        let upper = format!("/mnt/{}", folder.replace('/', "-"));
        let _ = writeln!(
            script,
            "mkdir -p {upper}/up {upper}/work\nmount -t overlay overlay \
             -o lowerdir=/{folder},upperdir={upper}/up,workdir={upper}/work /{folder}"
        );
    }
    shell(&script);
    true
}

/// Our program in a file that was copied, as a package's is. A linker's own output lies in memory in
/// smaller pieces, and takes longer to start.
pub fn program() -> &'static str {
    const COPY: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/redisguard-install");
    static COPIED: Once = Once::new();
    COPIED.call_once(|| {
        std::fs::copy(env!("CARGO_BIN_EXE_redisguard-install"), COPY).unwrap();
    });
    COPY
}

/// Runs a script that must succeed.
pub fn shell(script: &str) {
    let status = Command::new("sh").args(["-c", script]).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{script}");
}

/// A bundle, as rendered into a folder of its own.
pub struct Bundle {
    folder: tempfile::TempDir,
}

impl Bundle {
    /// Two reserved ports with the shipped policy.
    pub fn small(backend: &str) -> Self {
        Self::rendered(backend, &[6379, 6380], "drop")
    }

    /// Scattered ports: every fifth from 1024 on.
    pub fn scattered(backend: &str, ports: u16) -> Self {
        let ports: Vec<u16> = (0..ports).map(|index| 1024 + 5 * index).collect();
        Self::rendered(backend, &ports, "reject")
    }

    fn rendered(backend: &str, ports: &[u16], external: &str) -> Self {
        let mut toml = format!(
            "[contact]\nteam = \"Ops\"\nemail = \"ops@example.org\"\n[cluster]\nports = \"700-702\"\n\
             [firewall]\nbackend = \"{backend}\"\n"
        );
        for port in ports {
            let _ = writeln!(
                toml,
                "[[reserved]]\nport = {port}\nexternal = \"{external}\"\nlisten = \"never\""
            );
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("redisguard.toml"), toml).unwrap();
        let output = Command::new(GEN).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self { folder }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("generated")
    }

    /// Its artifact on the host.
    pub fn artifact(&self, path: &str) -> PathBuf {
        self.path().join("host").join(Path::new(path).strip_prefix("/").unwrap())
    }
}
