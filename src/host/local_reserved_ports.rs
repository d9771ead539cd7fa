//! Owns the ports that outgoing connections keep off: net.ipv4.ip_local_reserved_ports, which the
//! kernel heeds for IPv6 too. It is one list for all, and of the files that assign it the last wins
//! (sysctl.d(5)): ours would lose to theirs, or theirs to ours. So the kernel is given both. Takes
//! out only what is ours and in nobody else's file.

use super::receipt;
use super::receipt::Receipt;
use super::{Host, lock};
use crate::error::Error;
use crate::files;
use crate::spec::PortSet;
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::Read;
use std::path::PathBuf;

/// The kernel's list.
const LIST: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";
/// The same as sysctl(8) names it, with the separators of a path.
const KEY: &str = "net/ipv4/ip_local_reserved_ports";
/// The file that a bundle brings.
pub const FILE: &str = "/etc/sysctl.d/60-redisguard.conf";
/// Where others' files are; of those with the same name the first counts.
const DIRECTORIES: [&str; 5] = [
    "/etc/sysctl.d",
    "/run/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
    "/lib/sysctl.d",
];
/// Read behind all others by sysctl(8).
const LAST: &str = "/etc/sysctl.conf";

/// The kernel's list; `None` where the kernel has none.
///
/// # Errors
/// A list that cannot be read.
pub fn live(host: &Host) -> Result<Option<PortSet>, Error> {
    let path = host.path(LIST);
    let Ok(mut file) = fs::File::open(&path) else { return Ok(None) };
    // The kernel gives this list to the first read only, cut to that read's size.
    let mut buffer = vec![0; 512 << 10];
    let length = file
        .read(&mut buffer)
        .map_err(|error| Error::new(format!("read {}", path.display()), error))?;
    Ok(Some(list(&String::from_utf8_lossy(&buffer[..length])).unwrap_or_default()))
}

/// Writes the kernel's list.
///
/// # Errors
/// A kernel interface that cannot be written.
pub fn write(host: &Host, ports: &PortSet) -> Result<(), Error> {
    let path = host.path(LIST);
    // What is longer than a page is taken in pieces, of which all but the first add.
    fs::write(&path, format!("{}\n", ports.joined(",")))
        .map_err(|error| Error::new(format!("write {}", path.display()), error))
}

/// Why the kernel's list cannot be written, in words: in a container /proc/sys mostly cannot.
pub fn why_fixed(host: &Host) -> Option<String> {
    let opened = fs::File::options().write(true).open(host.path(LIST));
    opened.err().map(|error| error.to_string())
}

/// The ports that a bundle's file keeps free.
pub fn of_file(bytes: &[u8]) -> PortSet {
    assigned(&String::from_utf8_lossy(bytes)).unwrap_or_default()
}

/// What the kernel lacks of ours and of what others' files assign; `None` where it lacks nothing, or
/// has no such list.
///
/// # Errors
/// A file or list that cannot be read.
pub fn missing(host: &Host, ours: &PortSet) -> Result<Option<PortSet>, Error> {
    let Some(live) = live(host)? else { return Ok(None) };
    let missing = without(&union(ours, &of_others(host, true)?), &live);
    Ok((!missing.ranges().is_empty()).then_some(missing))
}

/// Adds ports to the kernel's list; what it was before.
///
/// # Errors
/// A list that cannot be read or written.
pub fn add(host: &Host, more: &PortSet) -> Result<PortSet, Error> {
    let _lock = lock::take_for_rules()?;
    let before = live(host)?.unwrap_or_default();
    write(host, &union(&before, more))?;
    Ok(before)
}

/// Adds what the kernel lacks of the installed list and of others'; what it lacked.
///
/// # Errors
/// A file or list that cannot be read or written.
pub fn mend(host: &Host) -> Result<Option<PortSet>, Error> {
    let ours = installed(host)?;
    if ours.ranges().is_empty() {
        return Ok(None);
    }
    let missing = missing(host, &ours)?;
    if let Some(missing) = &missing {
        add(host, missing)?;
    }
    Ok(missing)
}

/// The ports that are in the kernel's list because of us: those that apply added, or those of the file
/// where it was applied to an offline tree.
///
/// # Errors
/// A file that cannot be read.
pub fn added(host: &Host, receipt: &Receipt) -> Result<PortSet, Error> {
    match &receipt.kept_free {
        Some(added) => Ok(list(added).unwrap_or_default()),
        None => installed(host),
    }
}

/// The ports of ours that a removal takes out: none that somebody else's file assigns.
///
/// # Errors
/// A file that cannot be read.
pub fn to_take_out(host: &Host, receipt: &Receipt) -> Result<PortSet, Error> {
    let ours = added(host, receipt)?;
    let live = live(host)?.unwrap_or_default();
    Ok(without(&among(&ours, &live), &of_others(host, true)?))
}

/// The ports that an earlier bundle added and neither `ours` nor anybody else's file needs; `None`
/// where there are none.
///
/// # Errors
/// A file or list that cannot be read.
pub fn needless(host: &Host, receipt: &Receipt, ours: &PortSet) -> Result<Option<PortSet>, Error> {
    let added = without(&added(host, receipt)?, ours);
    if added.ranges().is_empty() {
        return Ok(None);
    }
    let live = live(host)?.unwrap_or_default();
    let needless = without(&among(&added, &live), &of_others(host, true)?);
    Ok((!needless.ranges().is_empty()).then_some(needless))
}

/// Takes ports out of the kernel's list that no file assigns any more: ours is gone by now.
///
/// # Errors
/// A list that cannot be read or written.
pub fn take_out(host: &Host, ports: &PortSet) -> Result<(), Error> {
    let _lock = lock::take_for_rules()?;
    let Some(before) = live(host)? else { return Ok(()) };
    write(host, &without(&before, &without(ports, &of_others(host, false)?)))
}

/// What our file says, or the one that is kept beside the receipt where that is gone.
fn installed(host: &Host) -> Result<PortSet, Error> {
    let kept = format!("{}/host{FILE}", receipt::BUNDLE);
    for path in [FILE, &kept] {
        if let Some(bytes) = files::read(&host.path(path))? {
            return Ok(of_file(&bytes));
        }
    }
    Ok(PortSet::default())
}

/// The list that the host would have from its files; `besides` ours, or with what stands there.
fn of_others(host: &Host, besides: bool) -> Result<PortSet, Error> {
    let mut named: BTreeMap<String, PathBuf> = BTreeMap::new();
    for directory in DIRECTORIES.map(|directory| host.path(directory)) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".conf") {
                named.entry(name).or_insert_with(|| entry.path());
            }
        }
    }
    if besides && let Some((_, name)) = FILE.rsplit_once('/') {
        named.remove(name);
    }
    let mut ports = PortSet::default();
    for path in named.into_values().chain([host.path(LAST)]) {
        // A link to /dev/null hides the others of its name.
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

/// What the text of such a file assigns last to our key; `None` where it assigns nothing that the
/// kernel would take.
fn assigned(text: &str) -> Option<PortSet> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    lines.rev().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        // A failure to assign it may be ignored.
        let key = key.strip_prefix('-').unwrap_or(key).trim().trim_start_matches('/');
        (path_like(key) == KEY).then(|| list(value)).flatten()
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

/// A list as the kernel writes and reads it. Port 0 may be in there, and is none.
fn list(text: &str) -> Option<PortSet> {
    let parts = text.trim().split(',').filter(|part| !part.is_empty() && *part != "0");
    let parts = parts.map(|part| match part.strip_prefix("0-") {
        Some(last) => format!("1-{last}").parse(),
        None => part.parse(),
    });
    parts.collect::<Result<Vec<_>, String>>().ok().map(|ranges| ranges.into_iter().collect())
}

/// Those of both.
pub fn union(one: &PortSet, other: &PortSet) -> PortSet {
    one.ranges().iter().chain(other.ranges()).copied().collect()
}

/// Those of the ports that are among others.
pub fn among(ports: &PortSet, others: &PortSet) -> PortSet {
    without(ports, &without(ports, others))
}

/// All but some.
pub fn without(all: &PortSet, gone: &PortSet) -> PortSet {
    let gone: HashSet<u16> = gone.ports().collect();
    all.ports().filter(|port| !gone.contains(port)).map(Into::into).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn ports(text: &str) -> PortSet {
        list(text).unwrap()
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
    fn port_0_is_passed_over() {
        assert_eq!(list("0,8080\n"), Some(ports("8080")));
        assert_eq!(list("0-3"), Some(ports("1-3")));
        assert_eq!(list("\n"), Some(PortSet::default()));
    }

    #[test]
    fn of_others_files_the_one_with_the_last_name_counts_wherever_it_is() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path()).unwrap();
        let put = |path: &str, list: &str| {
            let text = format!("net.ipv4.ip_local_reserved_ports = {list}\n");
            files::replace(&host.path(path), text.as_bytes(), 0o644).unwrap();
        };
        let others = || of_others(&host, true).unwrap().joined(",");
        assert_eq!(others(), "");
        put("/usr/lib/sysctl.d/50-vendor.conf", "1000");
        put("/run/sysctl.d/70-run.conf", "2000");
        put("/etc/sysctl.d/10-early.conf", "3000");
        put("/etc/sysctl.d/90-no-conf.txt", "4000");
        put(FILE, "6379");
        assert_eq!(others(), "2000");
        assert_eq!(missing(&host, &ports("6379")).unwrap(), None, "an offline tree has no kernel");
        put("/etc/sysctl.d/70-run.conf", "5000");
        assert_eq!(others(), "5000");
        fs::remove_file(host.path("/etc/sysctl.d/70-run.conf")).unwrap();
        std::os::unix::fs::symlink("/dev/null", host.path("/etc/sysctl.d/70-run.conf")).unwrap();
        assert_eq!(others(), "1000");
        assert_eq!(of_others(&host, false).unwrap().joined(","), "6379");
        put(LAST, "7777");
        assert_eq!(others(), "7777");
    }

    #[test]
    fn what_a_removal_takes_out_is_nobody_elses() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path()).unwrap();
        let put = |path: &str, text: &str| {
            files::replace(&host.path(path), text.as_bytes(), 0o644).unwrap();
        };
        put(LIST, "6379-6380,7000,8080\n");
        put(FILE, "net.ipv4.ip_local_reserved_ports = 6379-6380,7000\n");
        let mut receipt = Receipt::default();
        let taken = |receipt: &Receipt| to_take_out(&host, receipt).unwrap().joined(",");
        assert_eq!(taken(&receipt), "6379-6380,7000");
        receipt.kept_free = Some(String::new());
        assert_eq!(taken(&receipt), "", "they were there before us");
        receipt.kept_free = Some("6380,7000,7001".into());
        assert_eq!(taken(&receipt), "6380,7000");
        put("/etc/sysctl.d/99-site.conf", "net.ipv4.ip_local_reserved_ports = 7000,9000\n");
        assert_eq!(taken(&receipt), "6380");
        fs::remove_file(host.path(FILE)).unwrap();
        take_out(&host, &ports("6380,7000")).unwrap();
        assert_eq!(live(&host).unwrap().unwrap().joined(","), "6379,7000,8080");
        assert_eq!(missing(&host, &ports("6379")).unwrap(), Some(ports("9000")));
        assert_eq!(mend(&host).unwrap(), None, "nothing of ours is installed");
        put(FILE, "net.ipv4.ip_local_reserved_ports = 6379\n");
        assert_eq!(mend(&host).unwrap(), Some(ports("9000")));
        assert_eq!(mend(&host).unwrap(), None);
    }
}
