//! The receipt: what redisguard has on a host, and what was there before.
//!
//! Guarantees: it is written before the first change and again after the last, so that a change that was
//! killed can be removed too.

use super::root::Host;
use crate::bundle::{BINARY, sha256_hex};
use crate::error::{Error, ErrorKind};
use crate::files;
use crate::firewall::Tables;
use crate::plan::Step;
use crate::spec::{Expected, PortSet};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use crate::plan::{RECEIPT as PATH, STATE};

/// The last good bundle.
pub const BUNDLE: &str = "/var/lib/redisguard/bundle";
/// The bundle that is about to replace the last good one.
pub const NEXT_BUNDLE: &str = "/var/lib/redisguard/bundle.new";
/// Copies of what redisguard replaced, below the paths that they had.
pub const ORIGINALS: &str = "/var/lib/redisguard/original";
/// Copies of redisguard's files that somebody had edited before they were replaced, below their paths.
pub const EDITED: &str = "/var/lib/redisguard/edited";
/// The mode of the receipt's file.
pub const MODE: u32 = 0o644;
/// The form of the receipt that this version writes.
const VERSION: u32 = 1;

/// How far the last change got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// A change began and has not ended: it runs, or was killed.
    #[default]
    Changing,
    /// The host is as the bundle says.
    Applied,
}

/// Where a bundle came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A directory that was named: a program with another bundle built in is not newer than that.
    #[default]
    Directory,
    /// The program that applied it.
    Program,
}

/// A file that redisguard wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Its permission bits.
    pub mode: u32,
}

/// What was at the path of a file or link before redisguard's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Original {
    /// A file; its bytes are kept below [`ORIGINALS`].
    File {
        /// Its permission bits.
        mode: u32,
        /// Its user and group.
        owner: (u32, u32),
    },
    /// A symbolic link, by its target.
    Link(String),
}

/// What was applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    version: u32,
    /// How far the last change got.
    pub state: State,
    /// The digest that the rules carry.
    pub bundle: String,
    /// SHA-256 of the bundle's SHA256SUMS.
    pub sum: String,
    /// Where the bundle came from.
    #[serde(default)]
    pub origin: Origin,
    /// The parts that this host declared (`apply --expect`). `None`: those of the bundle count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expected>,
    /// When it was applied: UTC, RFC 3339.
    pub applied: String,
    /// redisguard's files by their path on the host.
    pub files: BTreeMap<String, FileEntry>,
    /// redisguard's symbolic links: path to target.
    pub links: BTreeMap<String, String>,
    /// Directories that redisguard made, outermost first.
    pub directories: Vec<String>,
    /// What was at the paths of these files and links before, by path.
    pub originals: BTreeMap<String, Original>,
    /// Files that were at the paths of these links: path to where they were moved.
    pub moved: BTreeMap<String, String>,
    /// The ports that redisguard added to net.ipv4.ip_local_reserved_ports. `None`: an offline tree,
    /// where the boot adds what the file says.
    #[serde(rename = "kept_free", default, with = "port_list")]
    pub local_ports: Option<PortSet>,
    /// The tables that existed before iptables made some for redisguard's rules. `None`: it made none,
    /// or that is unknown; then none is removed.
    #[serde(default)]
    pub tables: Option<Tables>,
}

impl Receipt {
    /// The receipt of a host, or `None` where nothing was applied.
    ///
    /// # Errors
    /// One that cannot be read or was damaged.
    pub fn read(host: &Host) -> Result<Option<Self>, Error> {
        let failed = |cause: String| {
            Error::new(format!("use the receipt {}", host.path(PATH).display()), cause)
        };
        let damaged = |cause: String| {
            failed(cause)
                .of_kind(ErrorKind::Damaged)
                .help("redisguard-install status prints the command that repairs it")
        };
        host.confine_file(PATH)?;
        host.confine(&format!("{BUNDLE}/host"))?;
        if host.path(PATH).is_dir() {
            return Err(damaged("it is a directory".to_owned()));
        }
        let Some(bytes) = host.read(PATH)? else { return Ok(None) };
        let receipt: Self =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if receipt.version > VERSION {
            let cause = format!("it has version {}, this program knows {VERSION}", receipt.version);
            return Err(failed(cause).help("use the newer redisguard-install that wrote it"));
        }
        receipt.confine(host)?;
        Ok(Some(receipt))
    }

    /// Refuses a receipt that names a path out of an offline tree: the receipt came with an image.
    fn confine(&self, host: &Host) -> Result<(), Error> {
        let paths = self.files.keys().chain(self.links.keys()).chain(self.moved.values());
        paths.chain(&self.directories).try_for_each(|path| host.confine(path))?;
        self.originals.keys().try_for_each(|path| host.confine_file(&format!("{ORIGINALS}{path}")))
    }

    /// A file of the receipt that somebody has edited, and that a step will overwrite or remove: its path and
    /// bytes.
    pub fn edited<'a>(&self, step: &'a Step) -> Option<(&'a str, &'a [u8])> {
        let (Step::WriteFile { path, old: Some(old), .. } | Step::RemoveFile { path, old }) = step
        else {
            return None;
        };
        let applied = self.files.get(path).filter(|_| path != BINARY)?;
        (applied.sha256 != sha256_hex(&old.bytes)).then_some((path, &old.bytes))
    }

    /// The bytes of its file.
    ///
    /// # Errors
    /// None that is known; the serialiser's signature has one.
    pub fn bytes(&mut self) -> Result<Vec<u8>, Error> {
        self.version = VERSION;
        let failed = |error| Error::new("write the receipt", error);
        let mut bytes = serde_json::to_vec_pretty(self).map_err(failed)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Writes the receipt, readable by all: it holds no secret.
    ///
    /// # Errors
    /// A full disk, a missing right.
    pub fn write(&mut self, host: &Host) -> Result<(), Error> {
        files::replace(&host.path(PATH), &self.bytes()?, MODE).map(drop)
    }

    /// Whether a change that was killed at its very end left temporary files.
    pub fn has_unfinished(&self, host: &Host) -> bool {
        host.exists(NEXT_BUNDLE) || !files::unfinished(&self.written_paths(host)).is_empty()
    }

    /// Removes temporary files that killed changes left. Only under the lock.
    pub fn remove_unfinished(&self, host: &Host) {
        files::remove_unfinished(&self.written_paths(host));
    }

    /// The paths of everything that the receipt lists, and of the receipt itself.
    fn written_paths(&self, host: &Host) -> Vec<PathBuf> {
        let paths = self.files.keys().chain(self.links.keys()).map(String::as_str);
        paths.chain([PATH]).map(|path| host.path(path)).collect()
    }

    /// Records a directory that is about to be made. Those below [`STATE`] are removed with it anyway.
    pub fn add_directory(&mut self, host: &Host, directory: &Path) {
        let relative = directory.strip_prefix(host.path("/")).unwrap_or(directory);
        let path = format!("/{}", relative.display());
        if !path.starts_with(STATE) && !self.directories.contains(&path) {
            self.directories.push(path);
        }
    }
}

/// Ports in the form of the kernel's list: `6379-6380,7000`, or nothing.
mod port_list {
    use crate::spec::PortSet;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub fn serialize<S: Serializer>(ports: &Option<PortSet>, to: S) -> Result<S::Ok, S::Error> {
        ports.as_ref().map(|ports| ports.joined(",")).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PortSet>, D::Error> {
        match Option::<String>::deserialize(from)? {
            None => Ok(None),
            Some(text) if text.is_empty() => Ok(Some(PortSet::default())),
            Some(text) => text.parse().map(Some).map_err(de::Error::custom),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn receipt(kept_free: &str) -> Result<Receipt, Error> {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path()).unwrap();
        let text = format!(
            r#"{{"version": 1, "state": "applied", "bundle": "b", "sum": "s", "applied": "",
                "files": {{}}, "links": {{}}, "directories": [], "originals": {{}}, "moved": {{}}
                {kept_free}}}"#
        );
        files::replace(&host.path(PATH), text.as_bytes(), MODE).unwrap();
        let mut read = Receipt::read(&host)?.unwrap();
        read.write(&host).unwrap();
        assert_eq!(Receipt::read(&host)?.as_ref(), Some(&read));
        Ok(read)
    }

    #[test]
    fn a_receipt_from_before_it_knew_of_tables_is_read() {
        let mut read = receipt(r#", "kept_free": "6379""#).unwrap();
        assert_eq!(
            (read.local_ports.as_ref(), &read.tables),
            (Some(&"6379".parse().unwrap()), &None)
        );
        read.tables = Some(Tables::from(["ip filter".to_owned()]));
        let written = serde_json::from_slice::<Receipt>(&read.bytes().unwrap()).unwrap();
        assert_eq!(written, read);
    }

    #[test]
    fn ports_are_kept_as_the_kernel_lists_them_and_none_is_not_unknown() {
        for (text, ports) in [
            ("", None),
            (r#", "kept_free": null"#, None),
            (r#", "kept_free": """#, Some(PortSet::default())),
            (r#", "kept_free": "6379-6380,7000""#, Some("6379-6380,7000".parse().unwrap())),
        ] {
            assert_eq!(receipt(text).unwrap().local_ports, ports, "{text}");
        }
        let mut read = receipt(r#", "kept_free": "6379-6380,7000""#).unwrap();
        let text = String::from_utf8(read.bytes().unwrap()).unwrap();
        assert!(text.contains(r#""kept_free": "6379-6380,7000""#), "{text}");
    }

    #[test]
    fn ports_that_cannot_be_read_are_an_error_and_not_no_ports() {
        let error = receipt(r#", "kept_free": "redis""#).unwrap_err().to_string();
        assert!(error.contains("use the receipt") && error.contains("redis"), "{error}");
    }
}
