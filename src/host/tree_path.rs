//! Paths of an offline tree, resolved as its own system will resolve them: an absolute link starts again at
//! the root of the tree, and `..` does not lead above it (path_resolution(7) after chroot(2)).
//!
//! Guarantees: no directory of a resolved path is a link, so that no call follows one out of the tree.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// The most links in one path, as Linux has it (MAXSYMLINKS).
const MAX_LINKS: usize = 40;

/// Why a path of a tree cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Too many links: most likely a circle.
    Circle,
    /// The link leads to nothing in the tree, but to something on the machine that this program runs on.
    /// Which of both it means is unknown.
    LeadsOut {
        link: PathBuf,
        /// What is there on this machine.
        elsewhere: PathBuf,
        /// What is missing in the tree.
        missing: PathBuf,
    },
}

/// Resolves the links above the last part of an absolute path, and that part if it leads to a directory. Any
/// other last part may be a link that is to be read, replaced or removed.
///
/// # Errors
/// As [`Fault`].
pub(super) fn resolve(root: &Path, absolute: &Path) -> Result<PathBuf, Fault> {
    let mut walk = Walk { root, links: 0 };
    let parent = absolute.parent().unwrap_or(Path::new("/"));
    let Some(name) = absolute.file_name() else { return walk.all(Path::new("/"), absolute) };
    let place = walk.all(Path::new("/"), parent)?.join(name);
    if !place.is_symlink() {
        return Ok(place);
    }
    match walk.all(Path::new("/"), absolute) {
        Ok(followed) if followed.is_dir() => Ok(followed),
        Err(Fault::LeadsOut { link, elsewhere, missing }) if elsewhere.is_dir() => {
            Err(Fault::LeadsOut { link, elsewhere, missing })
        }
        _ => Ok(place),
    }
}

/// Resolves every link of an absolute path.
///
/// # Errors
/// As [`Fault`].
pub(super) fn follow(root: &Path, absolute: &Path) -> Result<PathBuf, Fault> {
    Walk { root, links: 0 }.all(Path::new("/"), absolute)
}

/// One resolution, and the links that it has followed.
struct Walk<'a> {
    root: &'a Path,
    links: usize,
}

impl Walk<'_> {
    /// Resolves a path that begins in a directory of the tree. Both `start` and the steps between are
    /// paths within the tree; the result is one of this process.
    fn all(&mut self, start: &Path, path: &Path) -> Result<PathBuf, Fault> {
        let mut here = start.to_path_buf();
        let mut rest: VecDeque<Component<'_>> = path.components().collect();
        while let Some(component) = rest.pop_front() {
            match component {
                Component::Prefix(_) | Component::CurDir => {}
                Component::RootDir => here = PathBuf::from("/"),
                Component::ParentDir => drop(here.pop()),
                Component::Normal(name) => here = self.step(&here, name.to_owned())?,
            }
        }
        Ok(self.outside(&here))
    }

    /// The path within the tree of an entry of a directory, its links followed.
    fn step(&mut self, directory: &Path, name: OsString) -> Result<PathBuf, Fault> {
        let entry = directory.join(name);
        let link = self.outside(&entry);
        let Ok(target) = link.read_link() else { return Ok(entry) };
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(Fault::Circle);
        }
        let place = self.all(directory, &target)?;
        if !place.exists()
            && let Ok(elsewhere) = link.canonicalize()
            && !elsewhere.starts_with(self.root)
        {
            return Err(Fault::LeadsOut { link, elsewhere, missing: place });
        }
        Ok(Path::new("/").join(place.strip_prefix(self.root).unwrap_or(&place)))
    }

    /// A path within the tree as a path of this process.
    fn outside(&self, within: &Path) -> PathBuf {
        self.root.join(within.strip_prefix("/").unwrap_or(within))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs::{create_dir_all, write};
    use std::os::unix::fs::symlink;

    /// A tree with a link at `from`, and what `path` is there.
    fn resolved(from: &str, target: &str, path: &str) -> Result<String, Fault> {
        let tree = tempfile::tempdir().unwrap();
        let root = tree.path().canonicalize().unwrap();
        for directory in ["var/usrlocal/sbin", "usr", "etc", "data/log"] {
            create_dir_all(root.join(directory)).unwrap();
        }
        write(root.join("data/file"), "").unwrap();
        symlink("data", root.join("relative")).unwrap();
        symlink(target, root.join(from)).unwrap();
        let resolved = resolve(&root, Path::new(path))?;
        let within = resolved.strip_prefix(&root).unwrap();
        Ok(format!("/{}", within.display()))
    }

    #[test]
    fn a_link_is_followed_as_the_tree_will_follow_it() {
        for (from, target, path, leads_to) in [
            ("usr/local", "/var/usrlocal", "/usr/local/sbin/x", "/var/usrlocal/sbin/x"),
            ("usr/local", "../var/usrlocal", "/usr/local/sbin/x", "/var/usrlocal/sbin/x"),
            ("usr/local", "../../../../var/usrlocal", "/usr/local/x", "/var/usrlocal/x"),
            ("usr/local", "/var/usrlocal", "/usr/local", "/var/usrlocal"),
            ("var/log", "/relative/log", "/var/log/a/b", "/data/log/a/b"),
            ("var/log", "/no/such-directory", "/var/log/a", "/no/such-directory/a"),
            ("var/log", "/etc/./../data//log/", "/var/log/a", "/data/log/a"),
            ("etc/x", "/data/file", "/etc/x", "/etc/x"),
            ("etc/x", "/no/such-file", "/etc/x", "/etc/x"),
            ("etc/x", "/etc", "/", "/"),
        ] {
            assert_eq!(resolved(from, target, path).unwrap(), leads_to, "{from} -> {target}");
        }
    }

    #[test]
    fn a_circle_and_a_link_to_this_machines_own_files_are_faults() {
        for target in ["/usr/local", "local", "/usr/local/x"] {
            let fault = resolved("usr/local", target, "/usr/local/sbin/x");
            assert_eq!(fault.unwrap_err(), Fault::Circle, "{target}");
        }
        let elsewhere = tempfile::tempdir().unwrap();
        let elsewhere = elsewhere.path().canonicalize().unwrap();
        let fault = resolved("usr/local", elsewhere.to_str().unwrap(), "/usr/local/sbin/x");
        let Err(Fault::LeadsOut { link, elsewhere: to, .. }) = fault else { panic!("{fault:?}") };
        assert!(link.ends_with("usr/local") && to == elsewhere, "{link:?} {to:?}");
    }
}
