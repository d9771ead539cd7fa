//! Owns doing single effects on a host so that each can be taken back, last first. Taking back needs
//! no space on a disk: what was there is kept under a second name until the change is settled.

use crate::error::Error;
use crate::files;
use crate::host::{Host, local_reserved_ports, observe};
use crate::spec::PortSet;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// How to take back one effect.
enum Undo {
    /// Put back what stood at a path, under whatever name it was kept; or nothing.
    Path { path: PathBuf, kept: Option<PathBuf> },
    /// Move a file back to where it stood.
    Moved { from: PathBuf, to: PathBuf },
    /// Remove directories that we made, if they are empty.
    Directories(Vec<PathBuf>),
    /// Remove a directory that we made, with all that is in it.
    Tree(PathBuf),
    /// Have two directories change places again.
    Exchanged(PathBuf, PathBuf),
    /// Write the kernel's list as it was.
    KeptFree(PortSet),
}

/// The effects so far.
#[derive(Default)]
pub(in crate::host) struct Journal {
    undo: Vec<Undo>,
}

impl Journal {
    /// How many effects there were.
    pub(in crate::host) fn length(&self) -> usize {
        self.undo.len()
    }

    /// Puts bytes in a file's place, whatever stands there. Missing directories are made.
    pub(in crate::host) fn replace(
        &mut self,
        path: &Path,
        bytes: &[u8],
        mode: u32,
    ) -> Result<(), Error> {
        self.keep(path)?;
        files::replace(path, bytes, mode).map(drop)
    }

    /// Puts a symbolic link in a path's place. Missing directories are made.
    pub(in crate::host) fn link(&mut self, path: &Path, target: &str) -> Result<(), Error> {
        self.keep(path)?;
        files::link(path, target)
    }

    /// Removes a file or a link.
    pub(in crate::host) fn remove(&mut self, path: &Path) -> Result<(), Error> {
        self.keep(path)?;
        files::remove(path)
    }

    /// Moves a file to a free name.
    pub(in crate::host) fn move_aside(&mut self, from: &Path, to: &Path) -> Result<(), Error> {
        fs::rename(from, to).map_err(|error| {
            Error::new(format!("move {} to {}", from.display(), to.display()), error)
        })?;
        self.undo.push(Undo::Moved { from: from.to_path_buf(), to: to.to_path_buf() });
        Ok(())
    }

    /// Writes a tree of files into a directory that is not there. Those that lie below `known` already,
    /// with the same bytes, only get a second name: that takes no room on a full disk, and leaves
    /// them there for one who is killed meanwhile.
    pub(in crate::host) fn write_tree<'a>(
        &mut self,
        directory: &Path,
        files: impl Iterator<Item = (&'a str, &'a [u8])>,
        known: &Path,
    ) -> Result<(), Error> {
        self.make_room(directory)?;
        self.undo.push(Undo::Tree(directory.to_path_buf()));
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

    /// Gives a directory the place of another in one step, which has the first one's then. Where
    /// there is no other, it is moved.
    pub(in crate::host) fn exchange(&mut self, fresh: &Path, place: &Path) -> Result<(), Error> {
        let failed = |error: io::Error| Error::new(format!("write {}", place.display()), error);
        if observe::is_there(place) {
            renameat2(AT_FDCWD, fresh, AT_FDCWD, place, RenameFlags::RENAME_EXCHANGE)
                .map_err(|error| failed(error.into()))?;
            self.undo.push(Undo::Exchanged(fresh.to_path_buf(), place.to_path_buf()));
        } else {
            fs::rename(fresh, place).map_err(failed)?;
            self.undo.push(Undo::Tree(place.to_path_buf()));
        }
        Ok(())
    }

    /// Adds to the kernel's list of ports that outgoing connections keep off.
    pub(in crate::host) fn keep_free(&mut self, host: &Host, more: &PortSet) -> Result<(), Error> {
        let before = local_reserved_ports::live(host)?.unwrap_or_default();
        self.undo.push(Undo::KeptFree(before));
        local_reserved_ports::add(host, more).map(drop)
    }

    /// Takes out of the kernel's list what no file assigns any more.
    pub(in crate::host) fn let_go(&mut self, host: &Host, ports: &PortSet) -> Result<(), Error> {
        let before = local_reserved_ports::live(host)?.unwrap_or_default();
        self.undo.push(Undo::KeptFree(before));
        local_reserved_ports::take_out(host, ports)
    }

    fn keep(&mut self, path: &Path) -> Result<(), Error> {
        self.make_room(path)?;
        let kept = files::back_up(path)?;
        self.undo.push(Undo::Path { path: path.to_path_buf(), kept });
        Ok(())
    }

    /// Makes the directories above a path.
    fn make_room(&mut self, path: &Path) -> Result<(), Error> {
        let Some(directory) = path.parent() else { return Ok(()) };
        let made = files::make_directories(directory)?;
        if !made.is_empty() {
            self.undo.push(Undo::Directories(made));
        }
        Ok(())
    }

    /// Takes back all effects but the first `length`, the last one first; what could not be.
    pub(in crate::host) fn take_back(&mut self, length: usize, host: &Host) -> Vec<Error> {
        let undo = self.undo.drain(length.min(self.undo.len())..).rev();
        undo.filter_map(|undo| undo.take_back(host).err()).collect()
    }

    /// The effects stay: forgets what was there before. What cannot be removed now the next change
    /// sweeps away.
    pub(in crate::host) fn settle(self) {
        for undo in self.undo {
            match undo {
                Undo::Path { kept: Some(kept), .. } => drop(files::remove(&kept)),
                Undo::Exchanged(former, _) => drop(fs::remove_dir_all(former)),
                _ => {}
            }
        }
    }
}

impl Undo {
    fn take_back(self, host: &Host) -> Result<(), Error> {
        match self {
            Self::Path { path, kept } => files::restore(&path, kept.as_deref()),
            Self::Moved { from, to } => {
                files::remove(&from)?;
                fs::rename(&to, &from)
                    .map_err(|error| Error::new(format!("move {} back", to.display()), error))
            }
            Self::Directories(made) => {
                files::remove_directories(&made);
                Ok(())
            }
            Self::Tree(directory) => files::remove_tree(&directory),
            Self::Exchanged(one, other) => {
                renameat2(AT_FDCWD, &one, AT_FDCWD, &other, RenameFlags::RENAME_EXCHANGE)
                    .map_err(|error| Error::new(format!("put {} back", other.display()), error))
            }
            // A list that could not be written is as it was, and could not be written now either.
            Self::KeptFree(ports) if local_reserved_ports::live(host)? == Some(ports.clone()) => {
                Ok(())
            }
            Self::KeptFree(ports) => local_reserved_ports::write(host, &ports),
        }
    }
}
