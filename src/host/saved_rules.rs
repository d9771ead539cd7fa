//! Files of others that hold a copy of redisguard's rules, such as `netfilter-persistent save` writes while they
//! are loaded, and that bring it back when they are loaded: at boot.
//!
//! Never: changes anything.

use super::root::{Host, SETTINGS};
use crate::bundle::GuardConfig;
use crate::firewall::SavedCopy;
use std::fs;
use std::path::Path;

/// What is loaded at boot by iptables-persistent, iptables-services, the services of Arch, Alpine and Gentoo, scripts
/// for ifupdown after Debian's manual, ufw and firewalld.
const FILES: [&str; 22] = [
    "/etc/iptables/rules.v4",
    "/etc/iptables/rules.v6",
    "/etc/iptables/iptables.rules",
    "/etc/iptables/ip6tables.rules",
    "/etc/iptables/rules-save",
    "/etc/iptables/rules6-save",
    "/etc/sysconfig/iptables",
    "/etc/sysconfig/ip6tables",
    "/etc/iptables.rules",
    "/etc/ip6tables.rules",
    "/etc/iptables.up.rules",
    "/etc/ip6tables.up.rules",
    "/var/lib/iptables/rules-save",
    "/var/lib/ip6tables/rules-save",
    "/var/lib/nftables/rules-save",
    "/etc/ufw/before.rules",
    "/etc/ufw/before6.rules",
    "/etc/ufw/user.rules",
    "/etc/ufw/user6.rules",
    "/etc/ufw/after.rules",
    "/etc/ufw/after6.rules",
    "/etc/firewalld/direct.xml",
];
/// What nftables.service loads at boot, with what that includes.
const NFT_FILES: [&str; 3] =
    ["/etc/nftables.conf", "/etc/sysconfig/nftables.conf", "/etc/nftables.nft"];
/// Where nft looks for an included file that is named without a directory (nft(8), include).
const INCLUDE_DIRECTORY: &str = "/etc";
/// How deep included files are followed: nft's own limit (`MAX_INCLUDE_DEPTH`).
const INCLUDE_DEPTH: usize = 16;

/// A file with a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedRules {
    /// Where the file is, from this process's root.
    pub path: String,
    copy: SavedCopy,
}

impl SavedRules {
    /// Whether nothing is wrong while this bundle is applied: loading the file changes nothing.
    pub fn is_note(&self, guard_config: Option<&GuardConfig>) -> bool {
        let is_of = |applied: &GuardConfig| self.copy.is_of(&applied.bundle, applied.backend);
        self.copy.is_include() || guard_config.is_some_and(is_of)
    }

    /// What it is, and the fix in a line of its own.
    pub fn described(&self, guard_config: Option<&GuardConfig>) -> String {
        format!("{} {}\nfix: {}", self.path, self.what(guard_config), self.copy.fix)
    }

    /// What puts it right: a command, or what a person must do.
    ///
    /// # Errors
    /// The latter.
    pub fn fix(&self) -> Result<&str, &str> {
        if self.copy.is_command { Ok(&self.copy.fix) } else { Err(&self.copy.fix) }
    }

    /// What it is, to be read behind its path.
    pub fn what(&self, guard_config: Option<&GuardConfig>) -> &'static str {
        let copy = &self.copy;
        match guard_config {
            _ if copy.is_include() => {
                "includes redisguard's rules file; nft cannot load this file after redisguard is removed"
            }
            _ if copy.is_unreadable() => {
                "holds redisguard's iptables rules as nft prints them; nft cannot read them, so that the whole \
                 file may not be loaded at boot"
            }
            Some(_) if self.is_note(guard_config) => {
                "holds a copy of redisguard's rules; after another bundle is applied or redisguard is removed, \
                 the copy comes back when this file is loaded, as at boot"
            }
            Some(_) => {
                "holds a copy of redisguard's rules that is not of this bundle; it comes back when this \
                 file is loaded, as at boot"
            }
            None => {
                "holds a copy of redisguard's rules; it blocks the ports again when this file is loaded, \
                 as at boot"
            }
        }
    }
}

/// Every such file of a host. One that cannot be read is left out.
pub fn find(host: &Host) -> Vec<SavedRules> {
    let mut paths: Vec<String> = FILES.iter().map(|path| (*path).to_owned()).collect();
    for file in NFT_FILES {
        add_nft_file(host, file, INCLUDE_DEPTH, &mut paths);
    }
    paths.iter().filter_map(|path| saved(host, path)).collect()
}

/// Adds a file of nft's, and those that it includes.
fn add_nft_file(host: &Host, path: &str, depth: usize, paths: &mut Vec<String>) {
    if depth == 0 || is_own(host, path) || paths.iter().any(|known| known == path) {
        return;
    }
    let Ok(Some(bytes)) = host.read(path) else { return };
    paths.push(path.to_owned());
    for line in String::from_utf8_lossy(&bytes).lines() {
        let included = line.trim().strip_prefix("include").map(str::trim);
        let included = included.and_then(|rest| rest.strip_prefix('"')?.split('"').next());
        for path in included.into_iter().flat_map(|pattern| matching(host, pattern)) {
            add_nft_file(host, &path, depth - 1, paths);
        }
    }
}

/// The files that a pattern of nft's names: one, or with a `*` in its last part several of a directory.
fn matching(host: &Host, pattern: &str) -> Vec<String> {
    let pattern = match pattern.starts_with('/') {
        true => pattern.to_owned(),
        false => format!("{INCLUDE_DIRECTORY}/{pattern}"),
    };
    let (directory, name) = pattern.rsplit_once('/').unwrap_or_default();
    let Some((before, after)) = name.split_once('*') else { return vec![pattern] };
    let entries = fs::read_dir(host.path(directory)).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let fits = |name: &String| {
        name.strip_prefix(before).is_some_and(|rest| rest.ends_with(after))
            && !name.starts_with('.')
    };
    let mut found: Vec<String> =
        names.filter(fits).map(|name| format!("{directory}/{name}")).collect();
    found.sort_unstable();
    found
}

fn saved(host: &Host, path: &str) -> Option<SavedRules> {
    if !host.path(path).is_file() || is_own(host, path) {
        return None;
    }
    let bytes = host.read(path).ok()??;
    // The fix must change the file, and not replace a link to it.
    let path = host.path(path).canonicalize().ok()?.display().to_string();
    let copy = SavedCopy::find(&path, &String::from_utf8_lossy(&bytes))?;
    Some(SavedRules { path, copy })
}

/// Whether a path is redisguard's own file or leads to one: such a file is not a copy.
fn is_own(host: &Host, path: &str) -> bool {
    let (path, settings) = (host.path(path), host.path(SETTINGS));
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    path.starts_with(&settings) || real(&path).starts_with(real(&settings))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_include_of_redisguards_file_is_a_note_and_that_file_is_no_copy() {
        let folder = tempfile::tempdir().unwrap();
        let etc = folder.path().canonicalize().unwrap().join("etc");
        fs::create_dir_all(etc.join("redisguard")).unwrap();
        let rules = "table inet redisguard {\n}\n";
        fs::write(etc.join("redisguard/redisguard.nft"), rules).unwrap();
        let main = etc.join("nftables.conf");
        let host = Host::at(folder.path()).unwrap();
        for (include, others) in [
            ("/etc/redisguard/redisguard.nft", ""),
            ("/etc/redisguard/*.nft", "include \"/etc/x/../redisguard/redisguard.nft\"\n"),
        ] {
            fs::write(&main, format!("{others}include \"{include}\"\n")).unwrap();
            let found = find(&host);
            let [saved] = found.as_slice() else { panic!("{found:?}") };
            assert_eq!(saved.path, main.display().to_string());
            assert!(saved.is_note(None));
            let described = saved.described(None);
            assert!(described.contains("nftables.conf includes redisguard's"), "{described}");
            assert!(!described.contains("copy"), "{described}");
        }
        // A file beside the include that holds a copy is still named.
        fs::write(etc.join("copy.nft"), rules).unwrap();
        fs::write(&main, "include \"/etc/redisguard/redisguard.nft\"\ninclude \"copy.nft\"\n")
            .unwrap();
        let copies = find(&host).into_iter().filter(|saved| !saved.is_note(None));
        let paths: Vec<String> = copies.map(|saved| saved.path).collect();
        assert_eq!(paths, [etc.join("copy.nft").display().to_string()]);
    }

    #[test]
    fn a_link_to_redisguards_file_is_no_copy() {
        let folder = tempfile::tempdir().unwrap();
        let etc = folder.path().join("etc");
        fs::create_dir_all(etc.join("redisguard")).unwrap();
        fs::create_dir_all(etc.join("iptables")).unwrap();
        fs::write(etc.join("redisguard/rules.v4"), ":REDISGUARD-IN - [0:0]\n").unwrap();
        let link = etc.join("iptables/rules.v4");
        std::os::unix::fs::symlink("../redisguard/rules.v4", link).unwrap();
        let host = Host::at(folder.path()).unwrap();
        assert!(is_own(&host, "/etc/iptables/rules.v4"));
        assert!(!is_own(&host, "/etc/redisguard2/rules.v4"));
        assert_eq!(find(&host), []);
    }
}
