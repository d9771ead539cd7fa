//! A host by the root of its files: the running one, or an offline tree.
//!
//! Guarantees: a path that was confined does not lead out of an offline tree.

use crate::error::Error;
use crate::files;
use std::path::{Path, PathBuf};

/// The running host, or the offline tree of one.
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

    /// The systemctl command for this host's units, as an operator types it.
    pub fn systemctl(&self) -> String {
        match self.is_live() {
            true => "systemctl".to_owned(),
            false => format!("systemctl --root={}", self.root.display()),
        }
    }

    /// The path of this process for an absolute path of the host.
    pub fn path(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }

    /// Whether an absolute path of the host exists; a dangling link does.
    pub fn exists(&self, absolute: &str) -> bool {
        self.path(absolute).symlink_metadata().is_ok()
    }

    /// Refuses a path that leads out of an offline tree: a link in an image must not change files of the
    /// machine that runs this program.
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

    /// A file's bytes; `None` where there is none.
    ///
    /// # Errors
    /// A file that cannot be read, or that [`Self::confine_file`] refuses.
    pub fn read(&self, absolute: &str) -> Result<Option<Vec<u8>>, Error> {
        self.confine_file(absolute)?;
        files::read(&self.path(absolute))
    }

    /// [`Self::confine`] for a file that is about to be read: the file is not a link either.
    ///
    /// # Errors
    /// Names the file.
    pub fn confine_file(&self, absolute: &str) -> Result<(), Error> {
        self.confine(absolute)?;
        let path = self.path(absolute);
        if !self.is_live() && path.is_symlink() {
            let cause = "it is a link, which may lead out of the tree";
            let error = Error::new(format!("use {}", path.display()), cause);
            return Err(error.help("put the file itself there, or remove that link"));
        }
        Ok(())
    }
}
