//! Owns all effects on a host: files, rules, services, the receipt. What to do is decided above, in
//! `plan`; here it is observed, done, and undone where a step fails.

pub mod apply;
pub mod files;
pub mod firewall;
pub mod lock;
pub mod observe;
pub mod receipt;
pub mod remove;
pub mod rules;
pub mod services;
pub mod source;

use crate::error::Trouble;
use std::path::{Path, PathBuf};

/// The host, or the offline tree of one.
#[derive(Clone, Debug)]
pub struct Host {
    root: PathBuf,
}

impl Host {
    /// The host whose files lie below `root`.
    ///
    /// # Errors
    /// A root that is not a directory.
    pub fn at(root: &Path) -> Result<Self, Trouble> {
        let failed = |cause: String| {
            Trouble::new(format!("use {} as the root", root.display()), cause)
                .cure("--root names the directory of an offline tree")
        };
        let root = root.canonicalize().map_err(|error| failed(error.to_string()))?;
        if root.is_dir() { Ok(Self { root }) } else { Err(failed("it is no directory".into())) }
    }

    /// Whether this is the running host and not an offline tree.
    pub fn is_live(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Whether systemd manages this host right now (sd_booted(3)).
    pub fn has_systemd(&self) -> bool {
        self.is_live() && Path::new("/run/systemd/system").is_dir()
    }

    /// Where an absolute path of the host lies.
    pub fn path(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }
}
