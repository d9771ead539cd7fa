//! A host by the root of its files: the running one, or an offline tree.
//!
//! Guarantees: a path that was confined does not lead out of an offline tree.

use super::tree_path::{self, Fault};
use crate::error::Error;
use crate::files;
use crate::os::ForeignKernel;
use crate::plan::STATE;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// The directory of the installed rules and settings.
pub const SETTINGS: &str = "/etc/redisguard";
/// The directories of redisguard's own.
const OWN: [&str; 2] = [SETTINGS, STATE];

/// The running host, or the offline tree of one.
#[derive(Clone, Debug)]
pub struct Host {
    root: PathBuf,
    live: bool,
}

impl Host {
    /// The running host, or the tree that `--root` names. Where the kernel is not that of the files at `/`
    /// ([`ForeignKernel`]), `--root /` names those files alone.
    ///
    /// # Errors
    /// A root that is not a directory.
    pub fn named(root: Option<&Path>) -> Result<Self, Error> {
        let Some(root) = root else { return Self::at(Path::new("/")) };
        let host = Self::at(root)?;
        let live = host.live && ForeignKernel::detect().is_none();
        Ok(Self { live, ..host })
    }

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
        if !root.is_dir() {
            return Err(failed("it is no directory".into()));
        }
        Ok(Self { live: root == Path::new("/"), root })
    }

    /// Whether this is the running host and not an offline tree.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// Whether systemd manages this host right now (sd_booted(3)).
    pub fn has_systemd(&self) -> bool {
        self.live && Path::new("/run/systemd/system").is_dir()
    }

    /// What an operator types behind `redisguard-install` for this host.
    pub fn root_option(&self) -> String {
        match self.live {
            true => String::new(),
            false => format!(" --root {}", self.root.display()),
        }
    }

    /// The systemctl command for this host's units, as an operator types it.
    pub fn systemctl(&self) -> String {
        match self.live {
            true => "systemctl".to_owned(),
            false => format!("systemctl --root={}", self.root.display()),
        }
    }

    /// The path of this process for an absolute path of the host. In an offline tree, links of directories
    /// are resolved inside of it.
    pub fn path(&self, absolute: &str) -> PathBuf {
        let relative = absolute.trim_start_matches('/');
        if self.live {
            return self.root.join(relative);
        }
        // What cannot be resolved must not be reached either: nothing can be read or written below a file.
        tree_path::resolve(&self.root, Path::new(absolute))
            .unwrap_or_else(|_| Path::new("/dev/null").join(relative))
    }

    /// The bytes of a small file of the operating system, every link followed; `None` where it cannot be
    /// read.
    pub fn read_system_file(&self, absolute: &str) -> Option<Vec<u8>> {
        let path = match self.live {
            true => self.path(absolute),
            false => tree_path::follow(&self.root, Path::new(absolute)).ok()?,
        };
        fs::read(path).ok()
    }

    /// Whether an absolute path of the host exists; a dangling link does.
    pub fn exists(&self, absolute: &str) -> bool {
        self.path(absolute).symlink_metadata().is_ok()
    }

    /// Refuses a path that leads out of an offline tree: an image must not change files of the machine that
    /// runs this program.
    ///
    /// # Errors
    /// Names the link and where it leads.
    pub fn confine(&self, absolute: &str) -> Result<(), Error> {
        if self.live {
            return Ok(());
        }
        let path = self.root.join(absolute.trim_start_matches('/'));
        let failed = |cause: String| Error::new(format!("use {}", path.display()), cause);
        if path.components().any(|part| part == Component::ParentDir) {
            return Err(failed("it leads up, and may lead out of the tree".to_owned())
                .help("restore the receipt that redisguard wrote"));
        }
        match tree_path::resolve(&self.root, Path::new(absolute)) {
            Ok(_) => self.refuse_dangling(absolute),
            Err(Fault::Circle) => Err(failed("its links lead in a circle".to_owned())
                .help("remove one of these links from the tree")),
            Err(Fault::LeadsOut { link, elsewhere, missing }) => {
                let (link, elsewhere) = (link.display(), elsewhere.display());
                let error = failed(format!("{link} leads to {elsewhere}, out of the tree"));
                let missing = missing.display();
                Err(error.help(format!(
                    "`mkdir -p {missing}` if the link is meant within the tree; otherwise remove it"
                )))
            }
        }
    }

    /// Refuses a link in the place of redisguard's own directory that leads nowhere. A distribution has links
    /// to directories that only its boot makes (`/usr/local`), but not there.
    fn refuse_dangling(&self, absolute: &str) -> Result<(), Error> {
        let own = OWN.iter().filter(|own| absolute.starts_with(*own)).map(|own| self.path(own));
        let Some(link) = own.into_iter().find(|own| own.is_symlink()) else { return Ok(()) };
        let cause = format!("{} cannot be followed: it leads nowhere", link.display());
        let path = self.root.join(absolute.trim_start_matches('/'));
        Err(Error::new(format!("use {}", path.display()), cause)
            .help("remove that link, or make the directory that it leads to in the tree"))
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
        if !self.live && path.is_symlink() {
            let cause = "it is a link, which may lead out of the tree";
            let error = Error::new(format!("use {}", path.display()), cause);
            return Err(error.help("put the file itself there, or remove that link"));
        }
        Ok(())
    }
}
