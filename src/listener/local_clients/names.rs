//! The names of control groups that were asked for. A search of the file system is only made for a number
//! that is not remembered, while the client waits for its answer: later the group of a program that ends
//! with it would be gone, and another thread would lose that race.
//!
//! Guarantees: searches take a bounded part of the time, however many groups are made to be searched for.
//! Never: remembers more than a bounded number of groups.

use std::collections::HashMap;
use std::io;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};

use super::name::Name;
use super::search::{Found, find};
use crate::listener::clock::Tick;

/// Where systemd mounts the control groups.
pub(super) const CGROUPS: &str = "/sys/fs/cgroup";
/// Groups whose names are remembered, found or not: a number is never used again.
const MAX_REMEMBERED: usize = 1024;
/// The time that searches may take at once, after a quiet time: those of a host that has just booted,
/// where each service is a new one. A search among 300 groups takes less than a millisecond.
const BURST: Duration = Duration::from_millis(50);
/// In the long run searches may take a twentieth of the time.
const PART: u32 = 20;

/// The names that are known.
#[derive(Debug)]
pub(super) struct Names {
    root: PathBuf,
    known: HashMap<NonZeroU64, Rc<Name>>,
    allowance: Allowance,
}

impl Names {
    /// No name is known yet; `root` is where control groups v2 are mounted.
    ///
    /// # Errors
    /// Something else is there, or nothing.
    pub(super) fn new(root: PathBuf) -> io::Result<Names> {
        if statfs(&root)?.filesystem_type() != CGROUP2_SUPER_MAGIC {
            let message = format!("{} is not of control groups v2 alone", root.display());
            return Err(io::Error::other(message));
        }
        Ok(Names::below(root))
    }

    /// As `new`, but does not check the file system.
    pub(super) fn below(root: PathBuf) -> Names {
        Names { root, known: HashMap::new(), allowance: Allowance::default() }
    }

    /// The name of the group `id`, searched for if it is not known.
    pub(super) fn get(&mut self, id: NonZeroU64, now: Tick) -> Rc<Name> {
        if let Some(name) = self.known.get(&id) {
            return Rc::clone(name);
        }
        if !self.allowance.permits(now) {
            // Not remembered: there may be time at the next connection.
            return Rc::new(Name::Id(id.get()));
        }
        let started = Instant::now();
        let found = find(&self.root, id.get());
        self.allowance.spend(started.elapsed());
        let name = match found {
            Found::Path(path) => Name::of_path(&path),
            Found::Nothing => Name::Id(id.get()),
            Found::OutOfTime => return Rc::new(Name::Id(id.get())),
        };
        if self.known.len() >= MAX_REMEMBERED {
            // Those of open connections stay.
            self.known.retain(|_, name| Rc::strong_count(name) > 1);
        }
        let name = Rc::new(name);
        if self.known.len() < MAX_REMEMBERED {
            self.known.insert(id, Rc::clone(&name));
        }
        name
    }
}

/// How much time searches may take now.
#[derive(Debug)]
struct Allowance {
    /// In microseconds; below zero after a search that took more than was left.
    left: i64,
    /// When `left` was last updated.
    at: Tick,
}

impl Default for Allowance {
    fn default() -> Allowance {
        Allowance { left: microseconds(BURST), at: Tick::default() }
    }
}

impl Allowance {
    /// Whether a search may begin.
    fn permits(&mut self, now: Tick) -> bool {
        let earned = microseconds(now.since(self.at) / PART);
        self.left = self.left.saturating_add(earned).min(microseconds(BURST));
        self.at = now;
        self.left > 0
    }

    /// A search took `time`.
    fn spend(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(microseconds(time));
    }
}

fn microseconds(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    fn make(path: &Path) -> NonZeroU64 {
        fs::create_dir_all(path).unwrap();
        NonZeroU64::new(fs::metadata(path).unwrap().ino()).unwrap()
    }

    #[test]
    fn a_name_outlives_its_group_and_a_missing_group_has_its_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("system.slice/cron.service");
        let (id, now) = (make(&path), Tick::default());
        let mut names = Names::below(folder.path().to_owned());
        let name = Name::Unit((*b"cron.service").into());
        assert_eq!(*names.get(id, now), name);
        let missing = NonZeroU64::MAX;
        assert_eq!(*names.get(missing, now), Name::Id(u64::MAX));
        fs::remove_dir(&path).unwrap();
        assert_eq!(*names.get(id, now), name);
        assert!(names.known.contains_key(&missing), "it is searched for once");
    }

    #[test]
    fn without_time_a_group_has_its_number_until_there_is_time_again() {
        let folder = tempfile::tempdir().unwrap();
        let (id, now) = (make(&folder.path().join("a.service")), Tick::default());
        let mut names = Names::below(folder.path().to_owned());
        names.allowance.spend(BURST);
        assert_eq!(*names.get(id, now), Name::Id(id.get()));
        let later = now.after(Duration::from_millis(20));
        assert_eq!(*names.get(id, later), Name::Unit((*b"a.service").into()));
    }

    #[test]
    fn names_are_bounded_and_those_of_open_connections_stay() {
        let folder = tempfile::tempdir().unwrap();
        let mut names = Names::below(folder.path().to_owned());
        let ids = || (1..=3 * MAX_REMEMBERED as u64).filter_map(NonZeroU64::new);
        let get = |names: &mut Names, id| {
            names.allowance = Allowance::default();
            names.get(id, Tick::default())
        };
        let held: Vec<_> = ids().take(10).map(|id| get(&mut names, id)).collect();
        for id in ids() {
            get(&mut names, id);
            assert!(names.known.len() <= MAX_REMEMBERED);
        }
        for (id, name) in ids().zip(&held) {
            assert!(names.known.get(&id).is_some_and(|known| Rc::ptr_eq(known, name)));
        }
    }

    #[test]
    fn searches_take_a_twentieth_of_the_time() {
        let (mut allowance, mut now) = (Allowance::default(), Tick::default());
        let (step, search) = (Duration::from_millis(3), Duration::from_millis(2));
        let mut spent = Duration::ZERO;
        for _ in 0..10_000 {
            if allowance.permits(now) {
                allowance.spend(search);
                spent += search;
            }
            now = now.after(step);
        }
        let all = now.since(Tick::default());
        assert!(spent <= BURST + all / PART + search, "{spent:?} of {all:?}");
        assert!(spent >= all / PART - search, "{spent:?} of {all:?}");
    }

    #[test]
    fn another_file_system_is_refused() {
        let error = Names::new("/proc".into()).unwrap_err();
        assert_eq!(error.to_string(), "/proc is not of control groups v2 alone");
    }
}
