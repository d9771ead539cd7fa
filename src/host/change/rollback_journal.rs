//! An undo log: single effects on a host, each with what undoes it.
//!
//! Guarantees: undoing a file needs no space on the disk, since its former file is kept under a second name
//! (a hard link) until the change is committed.

use crate::error::Error;
use crate::files;
use crate::host::{Host, local_reserved_ports};
use crate::spec::PortSet;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// How to undo one effect.
enum Undo {
    /// Put back what was at a path, from the name under which it was kept. `None`: nothing was there.
    Replaced { path: PathBuf, kept: Option<PathBuf> },
    /// Move a file back.
    Moved { from: PathBuf, to: PathBuf },
    /// Remove directories that were made, if they are empty.
    MadeDirectories(Vec<PathBuf>),
    /// Remove a directory that was made, with everything in it.
    MadeTree(PathBuf),
    /// Exchange two directories again.
    Exchanged(PathBuf, PathBuf),
    /// Write the kernel's list of local reserved ports as it was.
    LocalPorts(PortSet),
}

/// The effects so far.
#[derive(Default)]
pub(super) struct Journal {
    undo: Vec<Undo>,
}

impl Journal {
    /// How many effects there were.
    pub(super) fn len(&self) -> usize {
        self.undo.len()
    }

    /// Writes a file, whatever is at its path. Missing directories are made.
    pub(super) fn replace(&mut self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
        self.keep(path)?;
        files::replace(path, bytes, mode).map(drop)
    }

    /// Makes a symbolic link, whatever is at its path. Missing directories are made.
    pub(super) fn link(&mut self, path: &Path, target: &str) -> Result<(), Error> {
        self.keep(path)?;
        files::link(path, target)
    }

    /// Removes a file or a link.
    pub(super) fn remove(&mut self, path: &Path) -> Result<(), Error> {
        self.keep(path)?;
        files::remove(path)
    }

    /// Moves a file to a free path.
    pub(super) fn move_aside(&mut self, from: &Path, to: &Path) -> Result<(), Error> {
        fs::rename(from, to).map_err(|error| {
            Error::new(format!("move {} to {}", from.display(), to.display()), error)
        })?;
        self.undo.push(Undo::Moved { from: from.to_path_buf(), to: to.to_path_buf() });
        Ok(())
    }

    /// Writes a tree of files into a directory that does not exist. A file that is below `known` with the
    /// same bytes is linked, which takes no space on a full disk.
    pub(super) fn write_tree<'a>(
        &mut self,
        directory: &Path,
        files: impl Iterator<Item = (&'a str, &'a [u8])>,
        known: &Path,
    ) -> Result<(), Error> {
        self.make_parents(directory)?;
        self.undo.push(Undo::MadeTree(directory.to_path_buf()));
        for (path, bytes) in files {
            let (here, there) = (directory.join(path), known.join(path));
            if fs::read(&there).is_ok_and(|known| known == bytes) {
                files::make_directories(here.parent().unwrap_or(directory))?;
                if fs::hard_link(&there, &here).is_ok() {
                    continue;
                }
            }
            files::replace(&here, bytes, 0o644)?;
        }
        Ok(())
    }

    /// Exchanges two directories in one step (renameat2(2)). Where there is no second one, the first is
    /// moved.
    pub(super) fn exchange(&mut self, fresh: &Path, place: &Path) -> Result<(), Error> {
        let failed = |error: io::Error| Error::new(format!("write {}", place.display()), error);
        if place.symlink_metadata().is_ok() {
            renameat2(AT_FDCWD, fresh, AT_FDCWD, place, RenameFlags::RENAME_EXCHANGE)
                .map_err(|error| failed(error.into()))?;
            self.undo.push(Undo::Exchanged(fresh.to_path_buf(), place.to_path_buf()));
        } else {
            fs::rename(fresh, place).map_err(failed)?;
            self.undo.push(Undo::MadeTree(place.to_path_buf()));
        }
        Ok(())
    }

    /// Adds ports to the kernel's list of local reserved ports.
    pub(super) fn add_local_ports(&mut self, host: &Host, ports: &PortSet) -> Result<(), Error> {
        self.keep_local_ports(host)?;
        local_reserved_ports::add(host, ports)
    }

    /// Takes ports out of the kernel's list of local reserved ports, but for those that a file assigns.
    pub(super) fn remove_local_ports(&mut self, host: &Host, ports: &PortSet) -> Result<(), Error> {
        self.keep_local_ports(host)?;
        local_reserved_ports::remove(host, ports)
    }

    fn keep_local_ports(&mut self, host: &Host) -> Result<(), Error> {
        let before = local_reserved_ports::read(host)?.unwrap_or_default();
        self.undo.push(Undo::LocalPorts(before));
        Ok(())
    }

    fn keep(&mut self, path: &Path) -> Result<(), Error> {
        self.make_parents(path)?;
        let kept = files::back_up(path)?;
        self.undo.push(Undo::Replaced { path: path.to_path_buf(), kept });
        Ok(())
    }

    /// Makes the directories above a path.
    fn make_parents(&mut self, path: &Path) -> Result<(), Error> {
        let Some(directory) = path.parent() else { return Ok(()) };
        let made = files::make_directories(directory)?;
        if !made.is_empty() {
            self.undo.push(Undo::MadeDirectories(made));
        }
        Ok(())
    }

    /// Undoes all effects but the first `length`, the last one first; the errors.
    pub(super) fn undo_after(&mut self, length: usize, host: &Host) -> Vec<Error> {
        let undo = self.undo.drain(length.min(self.undo.len())..).rev();
        undo.filter_map(|undo| undo.run(host).err()).collect()
    }

    /// Keeps the effects: removes what was kept for undoing. The next change sweeps what cannot be
    /// removed now.
    pub(super) fn commit(self) {
        for undo in self.undo {
            match undo {
                Undo::Replaced { kept: Some(kept), .. } => drop(files::remove(&kept)),
                Undo::Exchanged(former, _) => drop(fs::remove_dir_all(former)),
                _ => {}
            }
        }
    }
}

impl Undo {
    fn run(self, host: &Host) -> Result<(), Error> {
        match self {
            Self::Replaced { path, kept } => files::restore(&path, kept.as_deref()),
            Self::Moved { from, to } => {
                files::remove(&from)?;
                fs::rename(&to, &from)
                    .map_err(|error| Error::new(format!("move {} back", to.display()), error))
            }
            Self::MadeDirectories(made) => {
                files::remove_directories(&made);
                Ok(())
            }
            Self::MadeTree(directory) => files::remove_tree(&directory),
            Self::Exchanged(one, other) => {
                renameat2(AT_FDCWD, &one, AT_FDCWD, &other, RenameFlags::RENAME_EXCHANGE)
                    .map_err(|error| Error::new(format!("put {} back", other.display()), error))
            }
            // Where the step failed because the list cannot be written, it cannot be written now either.
            Self::LocalPorts(ports)
                if local_reserved_ports::read(host)?.as_ref() == Some(&ports) =>
            {
                Ok(())
            }
            Self::LocalPorts(ports) => local_reserved_ports::write(host, &ports),
        }
    }
}
