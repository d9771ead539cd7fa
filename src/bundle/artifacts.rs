//! A bundle as plain data: artifacts by path, and the check against SHA256SUMS.

use super::guard_config::{GuardConfig, PATH as GUARD_CONFIG};
use super::sha256sums::{self, SUMS, sha256_hex};
use std::collections::BTreeMap;

/// Artifacts by their path in the bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    pub(super) artifacts: BTreeMap<String, Vec<u8>>,
}

impl Bundle {
    /// A bundle of these files, if they are what their SHA256SUMS says.
    ///
    /// # Errors
    /// Names every file that is missing, altered or not listed in SHA256SUMS.
    pub fn verified(artifacts: BTreeMap<String, Vec<u8>>) -> Result<Self, String> {
        Self::part_verified(artifacts, "")
    }

    /// As [`Self::verified`], of the artifacts whose paths begin with `part`; SHA256SUMS may list more.
    ///
    /// # Errors
    /// As [`Self::verified`].
    pub fn part_verified(artifacts: BTreeMap<String, Vec<u8>>, part: &str) -> Result<Self, String> {
        let listed = artifacts.get(SUMS).ok_or(format!("it has no {SUMS}"))?;
        let mut listed = sha256sums::parse(listed)?;
        listed.retain(|path, _| path.starts_with(part));
        let mut wrong = Vec::new();
        for (path, sum) in &listed {
            match artifacts.get(path) {
                None => wrong.push(format!("{path} is missing")),
                Some(bytes) if sha256_hex(bytes) != *sum => {
                    wrong.push(format!("{path} was altered"))
                }
                Some(_) => {}
            }
        }
        let stray = artifacts.keys().filter(|path| *path != SUMS && !listed.contains_key(*path));
        wrong.extend(stray.map(|path| format!("{path} is not listed in {SUMS}")));
        if wrong.is_empty() { Ok(Self { artifacts }) } else { Err(wrong.join(", ")) }
    }

    /// A bundle of files that were compared with a receipt already: what a host has installed.
    pub fn installed(artifacts: BTreeMap<String, Vec<u8>>) -> Self {
        Self { artifacts }
    }

    /// Every artifact with its path.
    pub fn artifacts(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.artifacts.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    /// One artifact's bytes.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.artifacts.get(path).map(Vec::as_slice)
    }

    /// The files of the host, as (absolute path there, bytes).
    pub fn host_files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.artifacts().filter_map(|(path, bytes)| Some((path.strip_prefix("host")?, bytes)))
    }

    /// The guard's configuration.
    ///
    /// # Errors
    /// The reason why guard.toml is absent or cannot be read.
    pub fn guard_config(&self) -> Result<GuardConfig, String> {
        let bytes = self.get(GUARD_CONFIG).ok_or(format!("it has no {GUARD_CONFIG}"))?;
        GuardConfig::parse(&String::from_utf8_lossy(bytes))
    }

    /// The SHA-256 of SHA256SUMS, and so of everything, as 64 hexadecimal digits.
    pub fn sum(&self) -> String {
        sha256_hex(self.get(SUMS).unwrap_or_default())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn bundle() -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::from([("host/etc/a".to_owned(), b"a\n".to_vec())]);
        files.insert(SUMS.to_owned(), sha256sums::written(&files).into_bytes());
        files
    }

    #[test]
    fn an_unaltered_bundle_is_taken() {
        let bundle = Bundle::verified(bundle()).unwrap();
        assert_eq!(bundle.host_files().collect::<Vec<_>>(), [("/etc/a", b"a\n".as_slice())]);
    }

    #[test]
    fn an_altered_bundle_is_refused_by_name() {
        let refused = |change: fn(&mut BTreeMap<String, Vec<u8>>)| {
            let mut files = bundle();
            change(&mut files);
            Bundle::verified(files).unwrap_err()
        };
        let edit = refused(|files| files.get_mut("host/etc/a").unwrap().push(b'x'));
        assert_eq!(edit, "host/etc/a was altered");
        let lost = refused(|files| drop(files.remove("host/etc/a")));
        assert_eq!(lost, "host/etc/a is missing");
        let stray = refused(|files| drop(files.insert("host/etc/b".into(), Vec::new())));
        assert_eq!(stray, "host/etc/b is not listed in SHA256SUMS");
        assert_eq!(refused(|files| drop(files.remove(SUMS))), "it has no SHA256SUMS");
        let climb = refused(|files| {
            let line = format!("{}  host/../../etc/passwd\n", "0".repeat(64));
            files.insert(SUMS.into(), line.into_bytes());
        });
        assert!(climb.contains("line 1"), "{climb}");
    }
}
