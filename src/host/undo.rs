//! Owns taking back single effects: what an apply that fails leaves to do.

use super::{Host, files, kept_free};
use crate::error::Trouble;
use crate::plan::FileState;
use crate::spec::PortSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// How to take back one effect.
pub(super) enum Undo {
    /// Put a file back, or remove one that was not there.
    File { path: PathBuf, old: Option<FileState> },
    /// Put a link back, or remove one that was not there.
    Link { path: PathBuf, old: Option<String> },
    /// Move a file back to where it stood.
    Moved { from: PathBuf, to: PathBuf },
    /// Remove directories that we made, if they are empty.
    Directories(Vec<PathBuf>),
    /// Write the kernel's list as it was.
    KeptFree(PortSet),
}

impl Undo {
    /// Takes the effect back.
    ///
    /// # Errors
    /// What could not be taken back.
    pub(super) fn take_back(self, host: &Host) -> Result<(), Trouble> {
        match self {
            Self::File { path, old: Some(old) } => {
                files::replace_for(&path, &old.bytes, old.mode, Some(old.owner)).map(drop)
            }
            Self::File { path, old: None } => files::remove(&path),
            Self::Link { path, old } => {
                files::remove(&path)?;
                old.map_or(Ok(()), |target| relink(&path, &target))
            }
            Self::Moved { from, to } => {
                files::remove(&from)?;
                fs::rename(&to, &from)
                    .map_err(|error| Trouble::new(format!("move {} back", to.display()), error))
            }
            Self::Directories(made) => {
                files::remove_directories(&made);
                Ok(())
            }
            Self::KeptFree(ports) => kept_free::write(host, &ports),
        }
    }
}

fn relink(path: &Path, target: &str) -> Result<(), Trouble> {
    symlink(target, path)
        .map_err(|error| Trouble::new(format!("link {} to {target}", path.display()), error))
}
