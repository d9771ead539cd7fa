//! Owns all effects on a host: files, rules, services, the receipt. What to do is decided above, in
//! `plan`; here it is observed, done, and undone where a step fails.

pub mod bundle_source;
pub mod change;
pub mod counters;
pub mod listener_health;
pub mod local_reserved_ports;
pub mod lock;
pub mod observe;
pub mod receipt;
pub mod rules_service;

use crate::error::Error;
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
    pub fn at(root: &Path) -> Result<Self, Error> {
        let failed = |cause: String| {
            Error::new(format!("use {} as the root", root.display()), cause)
                .help("--root names the directory of an offline tree")
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

    /// How systemctl is called for the units of this host, as an operator types it.
    pub fn systemctl(&self) -> String {
        match self.is_live() {
            true => "systemctl".to_owned(),
            false => format!("systemctl --root={}", self.root.display()),
        }
    }

    /// Where an absolute path of the host lies.
    pub fn path(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }

    /// Refuses a path of an offline tree that leads out of it: a link in an image must not have this
    /// machine's own files changed.
    ///
    /// # Errors
    /// Names the directory and where it leads.
    pub fn confine(&self, absolute: &str) -> Result<(), Error> {
        if self.is_live() {
            return Ok(());
        }
        let path = self.path(absolute);
        let above = path.ancestors().skip(1).find(|above| above.symlink_metadata().is_ok());
        let above = above.unwrap_or(&self.root);
        let failed = |cause: String| Error::new(format!("use {}", path.display()), cause);
        let real = above.canonicalize().map_err(|error| {
            failed(format!("{} cannot be followed: {error}", above.display()))
                .help("remove that link, or make what it leads to in the tree")
        })?;
        if real.starts_with(&self.root) {
            return Ok(());
        }
        let cause = format!("{} leads to {}, out of the tree", above.display(), real.display());
        Err(failed(cause).help("make that link relative, or work inside of the tree (chroot)"))
    }

    /// The same for a file of our own memory that is about to be read: it is no link either.
    ///
    /// # Errors
    /// Names the file.
    pub fn confine_file(&self, absolute: &str) -> Result<(), Error> {
        self.confine(absolute)?;
        let path = self.path(absolute);
        if !self.is_live() && path.is_symlink() {
            let cause = "it is a link, which may lead out of the tree";
            let trouble = Error::new(format!("use {}", path.display()), cause);
            return Err(trouble.help("put the file itself there, or remove that link"));
        }
        Ok(())
    }
}
