//! net.ipv4.ip_local_reserved_ports: the ports that the kernel does not give to outgoing connections, of
//! IPv6 too.
//!
//! It is one list for everything, and of the files that assign it the last one wins (sysctl.d(5)):
//! redisguard's list would replace that of others, or theirs would replace redisguard's. So the kernel is
//! given both.
//!
//! Never: takes out a port that redisguard did not add, or that a file of others assigns.

use super::lock;
use super::receipt::{self, Receipt};
use super::root::Host;
use crate::error::Error;
use crate::files;
use crate::plan::{LocalPorts, Wanted};
use crate::spec::{PortRange, PortSet};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::io::Read;
use std::path::PathBuf;

/// The kernel's list.
const LIST: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";
/// Its sysctl(8) key, with the separators of a path.
const KEY: &str = "net/ipv4/ip_local_reserved_ports";
/// The file that a bundle brings.
pub const FILE: &str = "/etc/sysctl.d/60-redisguard.conf";
/// The directories of sysctl.d(5); of files with the same name the first one counts.
const DIRECTORIES: [&str; 5] = [
    "/etc/sysctl.d",
    "/run/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
    "/lib/sysctl.d",
];
/// Read after all others by sysctl(8).
const LAST: &str = "/etc/sysctl.conf";

/// The kernel's list; `None` where the kernel has none.
///
/// # Errors
/// A list that cannot be read.
pub fn read(host: &Host) -> Result<Option<PortSet>, Error> {
    let path = host.path(LIST);
    let Ok(mut file) = fs::File::open(&path) else { return Ok(None) };
    let failed = |cause: &dyn Display| Error::new(format!("read {}", path.display()), cause);
    // The kernel returns this list on the first read only, cut to the size of that read. The longest one,
    // every second port, takes less than 200 KiB.
    let mut buffer = vec![0; 512 << 10];
    let length = file.read(&mut buffer).map_err(|error| failed(&error))?;
    let text = String::from_utf8_lossy(&buffer[..length]);
    parse(&text).map(Some).map_err(|cause| failed(&cause))
}

/// Replaces the kernel's list.
///
/// # Errors
/// A kernel interface that cannot be written.
pub fn write(host: &Host, ports: &PortSet) -> Result<(), Error> {
    let path = host.path(LIST);
    // The kernel takes more than a page in pieces: the first one replaces, the others add.
    fs::write(&path, format!("{}\n", ports.joined(",")))
        .map_err(|error| Error::new(format!("write {}", path.display()), error))
}

/// Why the kernel's list cannot be written, in words: in a container /proc/sys mostly cannot.
fn write_fault(host: &Host) -> Option<String> {
    let opened = fs::File::options().write(true).open(host.path(LIST));
    opened.err().map(|error| error.to_string())
}

/// The ports that a bundle's [`FILE`] assigns.
pub fn wanted(wanted: &Wanted) -> PortSet {
    wanted.files.get(FILE).map(|file| assigned_by(&file.bytes)).unwrap_or_default()
}

fn assigned_by(bytes: &[u8]) -> PortSet {
    assigned(&String::from_utf8_lossy(bytes)).unwrap_or_default()
}

/// What is to change in the kernel's list where redisguard wants the ports of `own` in it and has applied
/// `receipt`; nothing where the kernel has no such list.
///
/// # Errors
/// A file or list that cannot be read.
pub fn observe(host: &Host, own: &PortSet, receipt: Option<&Receipt>) -> Result<LocalPorts, Error> {
    let Some(live) = read(host)? else { return Ok(LocalPorts::default()) };
    let others = assigned_by_files(host, Files::ButOwn)?;
    let missing = own.union(&others).difference(&live);
    let added = added(host, receipt)?;
    let stale = added.intersection(&live).difference(&others).difference(own);
    let is_to_change = !missing.is_empty() || !stale.is_empty();
    let fault = is_to_change.then(|| write_fault(host)).flatten();
    Ok(LocalPorts { missing, stale, fault })
}

/// Adds ports to the kernel's list.
///
/// # Errors
/// A list that cannot be read or written.
pub fn add(host: &Host, ports: &PortSet) -> Result<(), Error> {
    let _lock = lock::take_for_rules()?;
    write(host, &read(host)?.unwrap_or_default().union(ports))
}

/// Adds the ports of the installed file and of others' that the kernel's list lacks; those ports.
///
/// # Errors
/// A file or list that cannot be read or written.
pub fn add_missing(host: &Host) -> Result<PortSet, Error> {
    let own = installed(host)?;
    if own.is_empty() {
        return Ok(own);
    }
    let missing = observe(host, &own, None)?.missing;
    if !missing.is_empty() {
        add(host, &missing)?;
    }
    Ok(missing)
}

/// The ports that redisguard added to the kernel's list: those of the receipt, or those of the file where
/// it was applied to an offline tree.
///
/// # Errors
/// A file that cannot be read.
pub fn added(host: &Host, receipt: Option<&Receipt>) -> Result<PortSet, Error> {
    match receipt {
        None => Ok(PortSet::default()),
        Some(Receipt { local_ports: Some(ports), .. }) => Ok(ports.clone()),
        Some(_) => installed(host),
    }
}

/// Takes ports out of the kernel's list, but for those that a file assigns.
///
/// # Errors
/// A file or list that cannot be read or written.
pub fn remove(host: &Host, ports: &PortSet) -> Result<(), Error> {
    let _lock = lock::take_for_rules()?;
    let Some(live) = read(host)? else { return Ok(()) };
    let ports = ports.difference(&assigned_by_files(host, Files::All)?);
    write(host, &live.difference(&ports))
}

/// The ports of the installed file, or of the last good bundle's where that is missing.
fn installed(host: &Host) -> Result<PortSet, Error> {
    let kept = format!("{}/host{FILE}", receipt::BUNDLE);
    for path in [FILE, &kept] {
        if let Some(bytes) = files::read(&host.path(path))? {
            return Ok(assigned_by(&bytes));
        }
    }
    Ok(PortSet::default())
}

/// Which of the files that assign the list are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Files {
    /// All of them.
    All,
    /// All but redisguard's.
    ButOwn,
}

/// The list that these files give a host at boot.
fn assigned_by_files(host: &Host, which: Files) -> Result<PortSet, Error> {
    let mut named: BTreeMap<String, PathBuf> = BTreeMap::new();
    for directory in DIRECTORIES.map(|directory| host.path(directory)) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".conf") {
                named.entry(name).or_insert_with(|| entry.path());
            }
        }
    }
    if which == Files::ButOwn
        && let Some((_, name)) = FILE.rsplit_once('/')
    {
        named.remove(name);
    }
    let mut ports = PortSet::default();
    for path in named.into_values().chain([host.path(LAST)]) {
        // A link to /dev/null masks the files of its name in later directories (sysctl.d(5)).
        if !fs::metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
            continue;
        }
        let text = files::read(&path)?.unwrap_or_default();
        if let Some(list) = assigned(&String::from_utf8_lossy(&text)) {
            ports = list;
        }
    }
    Ok(ports)
}

/// The last value that a file's text assigns to the key; `None` where it assigns none that the kernel
/// would take.
fn assigned(text: &str) -> Option<PortSet> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    lines.rev().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        // `-`: sysctl(8) ignores a failure to assign it.
        let key = key.strip_prefix('-').unwrap_or(key).trim().trim_start_matches('/');
        (path_like(key) == KEY).then(|| parse(value).ok()).flatten()
    })
}

/// A key with the separators of a path: where its first one is a dot, dots and slashes trade places.
fn path_like(key: &str) -> String {
    let swapped = |letter| match letter {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    match key.find(['.', '/']) {
        Some(at) if key[at..].starts_with('.') => key.chars().map(swapped).collect(),
        _ => key.to_owned(),
    }
}

/// Reads the kernel's form of a list. It may hold port 0, which is no TCP port.
fn parse(text: &str) -> Result<PortSet, String> {
    let parts = text.trim().split(',').filter(|part| !part.is_empty() && *part != "0");
    let range = |part: &str| match part.strip_prefix("0-") {
        Some(last) => format!("1-{last}").parse::<PortRange>(),
        None => part.parse(),
    };
    parts.map(range).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn ports(text: &str) -> PortSet {
        parse(text).unwrap()
    }

    #[test]
    fn every_way_of_writing_the_key_is_read_and_the_last_wins() {
        for line in [
            "net.ipv4.ip_local_reserved_ports=8080",
            "  net/ipv4/ip_local_reserved_ports = 8080 ",
            "-net.ipv4.ip_local_reserved_ports = 8080\nnet.ipv4.tcp_syncookies=1",
            "/net/ipv4/ip_local_reserved_ports = 8080",
            "net.ipv4.ip_local_reserved_ports = 1\nnet.ipv4.ip_local_reserved_ports = 8080",
        ] {
            assert_eq!(assigned(line), Some(ports("8080")), "{line}");
        }
        for line in [
            "# net.ipv4.ip_local_reserved_ports = 8080",
            "; net.ipv4.ip_local_reserved_ports = 8080",
            "net.ipv4.ip_local_port_range = 1024 60999",
            "net.ipv4.ip_local_reserved_ports = redis",
            "net.ipv4/ip_local_reserved_ports = 8080",
            "net.ipv4.ip_local_reserved_ports",
        ] {
            assert_eq!(assigned(line), None, "{line}");
        }
        let emptied = "net.ipv4.ip_local_reserved_ports=1\nnet.ipv4.ip_local_reserved_ports=\n";
        assert_eq!(assigned(emptied), Some(PortSet::default()));
    }

    #[test]
    fn port_0_is_skipped() {
        assert_eq!(parse("0,8080\n"), Ok(ports("8080")));
        assert_eq!(parse("0-3"), Ok(ports("1-3")));
        assert_eq!(parse("\n"), Ok(PortSet::default()));
    }

    #[test]
    fn of_others_files_the_one_with_the_last_name_counts_wherever_it_is() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path()).unwrap();
        let put = |path: &str, list: &str| {
            let text = format!("net.ipv4.ip_local_reserved_ports = {list}\n");
            files::replace(&host.path(path), text.as_bytes(), 0o644).unwrap();
        };
        let others = || assigned_by_files(&host, Files::ButOwn).unwrap().joined(",");
        assert_eq!(others(), "");
        put("/usr/lib/sysctl.d/50-vendor.conf", "1000");
        put("/run/sysctl.d/70-run.conf", "2000");
        put("/etc/sysctl.d/10-early.conf", "3000");
        put("/etc/sysctl.d/90-no-conf.txt", "4000");
        put(FILE, "6379");
        assert_eq!(others(), "2000");
        assert_eq!(
            observe(&host, &ports("6379"), None).unwrap().missing,
            PortSet::default(),
            "an offline tree has no kernel"
        );
        put("/etc/sysctl.d/70-run.conf", "5000");
        assert_eq!(others(), "5000");
        fs::remove_file(host.path("/etc/sysctl.d/70-run.conf")).unwrap();
        std::os::unix::fs::symlink("/dev/null", host.path("/etc/sysctl.d/70-run.conf")).unwrap();
        assert_eq!(others(), "1000");
        assert_eq!(assigned_by_files(&host, Files::All).unwrap().joined(","), "6379");
        put(LAST, "7777");
        assert_eq!(others(), "7777");
    }

    #[test]
    fn a_removal_takes_out_no_port_that_a_file_of_others_assigns() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path()).unwrap();
        let put = |path: &str, text: &str| {
            files::replace(&host.path(path), text.as_bytes(), 0o644).unwrap();
        };
        put(LIST, "6379-6380,7000,8080\n");
        put(FILE, "net.ipv4.ip_local_reserved_ports = 6379-6380,7000\n");
        let mut receipt = Receipt::default();
        let taken = |receipt: &Receipt| {
            observe(&host, &PortSet::default(), Some(receipt)).unwrap().stale.joined(",")
        };
        assert_eq!(taken(&receipt), "6379-6380,7000");
        receipt.local_ports = Some(PortSet::default());
        assert_eq!(taken(&receipt), "", "they were there before");
        receipt.local_ports = Some(ports("6380,7000,7001"));
        assert_eq!(taken(&receipt), "6380,7000");
        put("/etc/sysctl.d/99-site.conf", "net.ipv4.ip_local_reserved_ports = 7000,9000\n");
        assert_eq!(taken(&receipt), "6380");
        fs::remove_file(host.path(FILE)).unwrap();
        remove(&host, &ports("6380,7000")).unwrap();
        assert_eq!(read(&host).unwrap().unwrap().joined(","), "6379,7000,8080");
        assert_eq!(observe(&host, &ports("6379"), None).unwrap().missing, ports("9000"));
        assert_eq!(add_missing(&host).unwrap(), PortSet::default(), "nothing is installed");
        put(FILE, "net.ipv4.ip_local_reserved_ports = 6379\n");
        assert_eq!(add_missing(&host).unwrap(), ports("9000"));
        assert_eq!(add_missing(&host).unwrap(), PortSet::default());
    }
}
