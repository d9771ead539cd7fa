//! Owns the receipt: what of this host is ours, and what was there before. It is written before the
//! first change and again after the last, so that a run that was killed can be taken away too.

use super::Host;
use crate::error::Error;
use crate::files;
use crate::firewall::Tables;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The directory of all that redisguard remembers.
pub const STATE: &str = "/var/lib/redisguard";
/// The receipt.
pub const PATH: &str = "/var/lib/redisguard/receipt.json";
/// The last good bundle.
pub const BUNDLE: &str = "/var/lib/redisguard/bundle";
/// The bundle that is about to take the place of the last good one.
pub const NEXT_BUNDLE: &str = "/var/lib/redisguard/bundle.new";
/// What stood where our files stand now, below their own paths.
pub const ORIGINALS: &str = "/var/lib/redisguard/original";
/// What files of ours were edited into before they were mended, below their own paths.
pub const EDITED: &str = "/var/lib/redisguard/edited";
/// Where the copy of a path's file is kept: below [`ORIGINALS`] or [`EDITED`].
pub fn copy(below: &str, path: &str) -> String {
    format!("{below}{path}")
}

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

/// A file of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Its permission bits.
    pub mode: u32,
}

/// What stood in the place of a file or link of ours.
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
    /// A symbolic link, and where it led.
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
    /// When it was applied: UTC, RFC 3339.
    pub applied: String,
    /// Our files by their path on the host.
    pub files: BTreeMap<String, FileEntry>,
    /// Our symbolic links: path to target.
    pub links: BTreeMap<String, String>,
    /// Directories that we made, outermost first.
    pub directories: Vec<String>,
    /// What stood where our files and links stand now, by path.
    pub originals: BTreeMap<String, Original>,
    /// Files that stood where our links are: path to where they were moved.
    pub moved: BTreeMap<String, String>,
    /// The ports that we added to net.ipv4.ip_local_reserved_ports, as the kernel writes them; none may
    /// have been missing. `None`: an offline tree, where the boot adds what the file says.
    #[serde(default)]
    pub kept_free: Option<String>,
    /// What stood in the places of iptables' tables before it made some for our rules. `None`: it made
    /// none, or nobody could tell; then none is taken away.
    #[serde(default)]
    pub tables: Option<Tables>,
}

impl Receipt {
    /// The receipt of a host, or `None` where nothing was applied.
    ///
    /// # Errors
    /// One that cannot be read or was damaged.
    pub fn read(host: &Host) -> Result<Option<Self>, Error> {
        host.confine_file(PATH)?;
        host.confine(&format!("{BUNDLE}/host"))?;
        let path = host.path(PATH);
        let Some(bytes) = files::read(&path)? else { return Ok(None) };
        let failed = |cause: String| {
            Error::new(format!("use the receipt {}", path.display()), cause).help(
                "move it away and apply again; what stood in our files' places before is then \
                     only below /var/lib/redisguard/original",
            )
        };
        let receipt: Self =
            serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))?;
        if receipt.version > VERSION {
            let cause = format!("it has version {}, this program knows {VERSION}", receipt.version);
            return Err(failed(cause).help("use the newer redisguard-install that wrote it"));
        }
        receipt.confine(host)?;
        Ok(Some(receipt))
    }

    /// Refuses a receipt that names anything out of an offline tree: it came with an image.
    fn confine(&self, host: &Host) -> Result<(), Error> {
        let ours = self.files.keys().chain(self.links.keys()).chain(self.moved.values());
        ours.chain(&self.directories).try_for_each(|path| host.confine(path))?;
        self.originals.keys().try_for_each(|path| host.confine_file(&copy(ORIGINALS, path)))
    }

    /// The bytes of its file.
    ///
    /// # Errors
    /// None that can be provoked; the serialiser's signature has one.
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

    /// Remembers a directory that we make; those of our own state go with it anyway.
    pub fn makes(&mut self, host: &Host, directory: &std::path::Path) {
        let relative = directory.strip_prefix(host.path("/")).unwrap_or(directory);
        let path = format!("/{}", relative.display());
        if !path.starts_with(STATE) && !self.directories.contains(&path) {
            self.directories.push(path);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_from_before_it_knew_of_tables_is_read() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path()).unwrap();
        let text = r#"{"version": 1, "state": "applied", "bundle": "b", "sum": "s", "applied": "",
            "files": {}, "links": {}, "directories": [], "originals": {}, "moved": {},
            "kept_free": "6379"}"#;
        files::replace(&host.path(PATH), text.as_bytes(), MODE).unwrap();
        let mut read = Receipt::read(&host).unwrap().unwrap();
        assert_eq!((read.kept_free.as_deref(), &read.tables), (Some("6379"), &None));
        read.tables = Some(Tables::from(["ip filter".to_owned()]));
        read.write(&host).unwrap();
        assert_eq!(Receipt::read(&host).unwrap(), Some(read));
    }
}
