//! Orders of an administrator that close a cycle through redisguard's units: systemd drops a job at boot to break
//! it, and that may be any job of the cycle.

use super::root::Host;
use crate::error::Error;
use crate::files;
use crate::os::unit_order::{self, Cycle};
use crate::plan::Wanted;
use crate::unit::{self, Unit};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Where unit files and drop-ins of an administrator are (systemd.unit(5)).
const DIRECTORIES: [&str; 5] = [
    unit::DIRECTORY,
    "/run/systemd/system",
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/usr/local/lib/systemd/system",
];

/// A unit file or a drop-in with orders.
struct OrderFile {
    path: PathBuf,
    /// The unit that it is for, or the part that the names of several have in common
    /// (`redis-.service` and `service` of their drop-in directories).
    subject: String,
    after: Vec<String>,
    before: Vec<String>,
}

/// Refuses unit files for a host where the next boot would have a cycle through them. It is not refused where
/// no file of an administrator orders redisguard's units, and where systemd-analyze cannot tell.
///
/// # Errors
/// Names the cycle, and the files that close it.
pub fn refuse_cycle(host: &Host, wanted: &Wanted) -> Result<(), Error> {
    let Some(closed) = next_cycle(host, wanted) else { return Ok(()) };
    let error = Error::new(format!("start {} at boot", closed.unit), closed.cause());
    Err(error.help(fix(&closed.files)))
}

/// A cycle through redisguard's units, as a finding of `status`.
pub struct CycleFinding {
    /// The unit that systemd drops, or the first of redisguard's units in the cycle.
    pub unit: String,
    /// What happens, and the fix.
    pub detail: String,
}

/// The cycle of the next boot with these unit files, and those that systemd has broken at this boot.
pub fn cycle_findings(host: &Host, wanted: &Wanted) -> Vec<CycleFinding> {
    let next = next_cycle(host, wanted);
    let mut found = Vec::new();
    for cycle in unit_order::of_this_boot() {
        let Some(own) = own_unit(&cycle) else { continue };
        let unit = cycle.dropped.clone().unwrap_or_else(|| own.to_owned());
        let cycle = in_words(&cycle);
        let detail = format!(
            "systemd dropped its job at this boot, to break a cycle: {cycle}; \
             systemd-analyze verify default.target tells whether the next boot has one too"
        );
        found.push(CycleFinding { unit, detail });
    }
    found.extend(next.map(|closed| CycleFinding {
        detail: format!("{}; fix: {}", closed.cause(), fix(&closed.files)),
        unit: closed.unit,
    }));
    found
}

/// A cycle that files of an administrator close.
struct ClosedCycle {
    /// The first of redisguard's units in it.
    unit: String,
    cycle: Cycle,
    files: Vec<String>,
}

impl ClosedCycle {
    fn cause(&self) -> String {
        format!(
            "{} orders it in a cycle, and systemd would drop a job of that cycle at boot: {}",
            self.files.join(", "),
            in_words(&self.cycle)
        )
    }
}

/// The first such cycle of the next boot.
fn next_cycle(host: &Host, wanted: &Wanted) -> Option<ClosedCycle> {
    if !host.has_systemd() {
        return None;
    }
    let orders = orders(host, |path| wanted.files.contains_key(path));
    if orders.is_empty() {
        return None;
    }
    let overlay = overlay(wanted).ok()?;
    unit_order::of_next_boot(overlay.path())?.into_iter().find_map(|cycle| {
        let files = closing(&orders, &cycle);
        let unit = own_unit(&cycle).filter(|_| !files.is_empty())?.to_owned();
        Some(ClosedCycle { unit, cycle, files })
    })
}

fn fix(closing: &[String]) -> String {
    format!(
        "remove the After= and Before= of that cycle from {}, then systemctl daemon-reload",
        closing.join(", ")
    )
}

fn in_words(cycle: &Cycle) -> String {
    let units = cycle.units.iter().chain(cycle.units.first());
    units.map(String::as_str).collect::<Vec<_>>().join(" after ")
}

fn own_unit(cycle: &Cycle) -> Option<&str> {
    cycle.units.iter().map(String::as_str).find(|name| Unit::is_name(name))
}

/// The files with an order of the cycle that has a unit of redisguard's on one side.
fn closing(orders: &[OrderFile], cycle: &Cycle) -> Vec<String> {
    let next = cycle.units.iter().cycle().skip(1);
    let pairs: Vec<(&String, &String)> = cycle.units.iter().zip(next).collect();
    let own = pairs.into_iter().filter(|(a, b)| Unit::is_name(a) || Unit::is_name(b));
    let closes = |order: &OrderFile, (later, earlier): &(&String, &String)| {
        (covers(&order.subject, later) && order.after.contains(earlier))
            || (covers(&order.subject, earlier) && order.before.contains(later))
    };
    let found = own.flat_map(|pair| orders.iter().filter(move |order| closes(order, &pair)));
    let found: BTreeSet<String> = found.map(|order| order.path.display().to_string()).collect();
    found.into_iter().collect()
}

/// Whether a unit file or a drop-in directory (without its `.d`) is for a unit.
fn covers(subject: &str, unit: &str) -> bool {
    let Some((name, kind)) = unit.rsplit_once('.') else { return false };
    let Some((stem, of_kind)) = subject.rsplit_once('.') else { return subject == kind };
    let template =
        name.split_once('@').is_some_and(|(front, _)| stem.strip_suffix('@') == Some(front));
    of_kind == kind && (stem == name || template || (stem.ends_with('-') && name.starts_with(stem)))
}

/// The files that order redisguard's units, but for redisguard's own.
fn orders(host: &Host, is_own: impl Fn(&str) -> bool) -> Vec<OrderFile> {
    let mut found = Vec::new();
    for directory in DIRECTORIES {
        for entry in entries(&host.path(directory)) {
            let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if is_own(&format!("{directory}/{name}")) {
                continue;
            }
            match name.strip_suffix(".d") {
                Some(subject) => {
                    let drop_ins = entries(&entry).into_iter();
                    let drop_ins =
                        drop_ins.filter(|path| path.extension().is_some_and(|end| end == "conf"));
                    found.extend(drop_ins.filter_map(|path| read(path, subject)));
                }
                None => found.extend(read(entry, &name)),
            }
        }
    }
    let own = Unit::ALL.map(Unit::name);
    found.retain(|order| {
        let names = || order.after.iter().chain(&order.before);
        own.iter().any(|unit| covers(&order.subject, unit))
            || names().any(|name| Unit::is_name(name))
    });
    found
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// The orders of a file; `None` where it has none, or cannot be read.
fn read(path: PathBuf, subject: &str) -> Option<OrderFile> {
    let text = files::read(&path).ok()??;
    let text = String::from_utf8_lossy(&text).replace("\\\n", " ");
    let named = |key: &str| -> Vec<String> {
        let settings = text.lines().filter_map(|line| line.split_once('='));
        let values = settings.filter(|(name, _)| name.trim() == key).map(|(_, value)| value);
        values.flat_map(str::split_whitespace).map(str::to_owned).collect()
    };
    let (after, before) = (named("After"), named("Before"));
    let some = !after.is_empty() || !before.is_empty();
    some.then(|| OrderFile { path, subject: subject.to_owned(), after, before })
}

/// A directory with the unit files that a host will have, and the links that enable them.
fn overlay(wanted: &Wanted) -> Result<TempDir, Error> {
    let failed = |error| Error::io("make a temporary directory", &error);
    let overlay = tempfile::tempdir().map_err(failed)?;
    for (path, state) in &wanted.files {
        if let Some(name) = unit::below_directory(path) {
            files::replace(&overlay.path().join(name), &state.bytes, 0o644)?;
        }
    }
    for path in wanted.links.keys() {
        let Some((directory, name)) =
            unit::below_directory(path).and_then(|path| path.split_once('/'))
        else {
            continue;
        };
        let directory = overlay.path().join(directory);
        fs::create_dir_all(&directory).map_err(failed)?;
        symlink(Path::new("..").join(template(name)), directory.join(name)).map_err(failed)?;
    }
    Ok(overlay)
}

/// The name of the file of a unit: for an instance that of its template.
fn template(unit: &str) -> String {
    match (unit.split_once('@'), unit.rsplit_once('.')) {
        (Some((front, _)), Some((_, kind))) => format!("{front}@.{kind}"),
        _ => unit.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_drop_in_directory_covers_its_unit_its_prefix_its_template_and_its_type() {
        let block = Unit::Block.name();
        for subject in [block, "redis-ports-.service", "redis-.service", "service"] {
            assert!(covers(subject, block), "{subject}");
        }
        for subject in ["redis-ports-check.service", "redis.service", "timer", "redis-.timer"] {
            assert!(!covers(subject, block), "{subject}");
        }
        assert!(covers("redis-ports-check@.service", "redis-ports-check@ufw.service"));
        assert!(covers("redis-ports-check@ufw.service", "redis-ports-check@ufw.service"));
        assert!(!covers("redis-ports-check@ufw.service", "redis-ports-check@nftables.service"));
    }

    #[test]
    fn the_files_that_close_a_cycle_are_found_on_both_sides_and_no_others() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("etc/systemd/system/redis-ports-block.service", "[Unit]\nAfter=local-fs.target\n");
        write(
            "etc/systemd/system/redis-ports-block.service.d/late.conf",
            "After=a.mount \\\n  network.target\n",
        );
        write("etc/systemd/system/redis-ports-block.service.d/harmless.conf", "After=a.mount\n");
        write(
            "run/systemd/system/redis-ports-.service.d/b.conf",
            "[Unit]\n Before = late.service\n",
        );
        write("etc/systemd/system/first.service", "[Unit]\nBefore=redis-ports-block.service\n");
        write("etc/systemd/system/other.service", "[Unit]\nBefore=network.target\n");
        write("etc/systemd/system/redis-ports-block.service.d/note.txt", "After=network.target\n");
        let host = Host::at(root.path()).unwrap();
        let orders = orders(&host, |path| path == "/etc/systemd/system/redis-ports-block.service");
        assert_eq!(orders.len(), 4);
        let closed_by = |units: &[&str]| {
            let units = units.iter().map(|unit| (*unit).to_owned()).collect();
            let found = closing(&orders, &Cycle { units, dropped: None }).into_iter();
            let name = |path: String| path.rsplit_once('/').unwrap().1.to_owned();
            found.map(name).collect::<Vec<_>>()
        };
        let block = "redis-ports-block.service";
        assert_eq!(closed_by(&[block, "network.target", "network-pre.target"]), ["late.conf"]);
        assert_eq!(closed_by(&[block, "first.service", "x.target"]), ["first.service"]);
        assert_eq!(closed_by(&[block, "x.target", "late.service"]), ["b.conf"]);
        assert!(closed_by(&["other.service", "network.target"]).is_empty());
    }
}
