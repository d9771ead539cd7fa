//! No attempt is lost or logged twice while logrotate rotates the log.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;

use tempfile::TempDir;

use crate::listener::harness::log_totals::Account;
use crate::listener::harness::many_clients::{all_at_once, expect_notice, source};
use crate::listener::harness::{Notice, run, wait_until};
use crate::support::{root, tools};

const SHIPPED: &str = "generated/host/etc/logrotate.d/redis-port-notice";
const SHIPPED_LOG: &str = "/var/log/redisguard/redis_port_notice.log";
const SHIPPED_RELOAD: &str = "systemctl --quiet is-active redis-port-notice.service && \
    systemctl reload redis-port-notice.service || true";
const ROTATIONS: u32 = 15;
const ATTEMPTS: u32 = 20_000;

/// logrotate with the shipped directives, for the log of one listener.
struct Rotator {
    folder: TempDir,
    log: PathBuf,
    /// Rotated files that logrotate may delete next, held by a second link.
    kept: HashSet<u64>,
}

impl Rotator {
    fn new(notice: &Notice) -> Rotator {
        let folder = TempDir::new().unwrap();
        let shipped = fs::read_to_string(root().join(SHIPPED)).unwrap();
        let log = notice.log_path();
        let mut text = shipped;
        for (from, to) in [
            (SHIPPED_LOG, log.display().to_string()),
            (SHIPPED_RELOAD, format!("kill -HUP {}", notice.pid())),
        ] {
            assert_eq!(text.matches(from).count(), 1, "{from} is not there once: {text}");
            text = text.replace(from, &to);
        }
        let settings = folder.path().join("logrotate.conf");
        fs::write(&settings, text).unwrap();
        fs::set_permissions(&settings, fs::Permissions::from_mode(0o644)).unwrap();
        fs::create_dir(folder.path().join("kept")).unwrap();
        Rotator { folder, log, kept: HashSet::new() }
    }

    /// Rotates now, whatever the shipped file says about when. Whether there was a file to rotate.
    fn rotate(&mut self) -> bool {
        self.keep_the_oldest();
        let before = fs::metadata(&self.log).map(|file| file.ino()).ok();
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let seen = run(&["logrotate", "-f", "-s", &path("state"), &path("logrotate.conf")], b"");
        assert!(seen.status.success() && seen.text.is_empty(), "{}", seen.text);
        let rotated = fs::metadata(self.log.with_extension("1")).map(|file| file.ino()).ok();
        before.is_some() && before == rotated
    }

    /// The shipped file keeps eight; the test wants all.
    fn keep_the_oldest(&mut self) {
        let Ok(oldest) = fs::File::open(self.log.with_extension("8.gz")) else { return };
        let inode = oldest.metadata().unwrap().ino();
        if self.kept.insert(inode) {
            let link = self.folder.path().join(format!("kept/{inode}.gz"));
            fs::hard_link(self.log.with_extension("8.gz"), link).unwrap();
        }
    }

    /// What all files together account for.
    fn account(&self) -> Account {
        let mut account = Account::default();
        let beside = files(self.log.parent().unwrap());
        let kept = files(&self.folder.path().join("kept"));
        // The newest of those kept may still lie beside the log as well.
        let mut seen = HashSet::new();
        for path in beside.into_iter().chain(kept) {
            let name = path.file_name().unwrap().to_str().unwrap();
            let is_log = name.starts_with("log") || name.ends_with(".gz");
            if !is_log || !seen.insert(fs::metadata(&path).unwrap().ino()) {
                continue;
            }
            if name.ends_with(".gz") {
                let unpacked = run(&["gzip", "-dc", path.to_str().unwrap()], b"");
                assert!(unpacked.status.success(), "{}", unpacked.text);
                account.add(&unpacked.text);
            } else {
                account.add(&fs::read_to_string(path).unwrap());
            }
        }
        account
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Makes attempts while the log is rotated again and again, and stops. Where the attempts came
/// from, and what the files account for.
fn attempts_during_rotations(
    notice: &mut Notice,
    whence: impl Fn(u32) -> Ipv4Addr + Sync,
) -> (HashMap<(String, u64), u64>, Account) {
    let port = notice.port;
    let mut rotator = Rotator::new(notice);
    let peers = thread::scope(|scope| {
        let rotations = scope.spawn(|| {
            let mut rotations = 0;
            while rotations < ROTATIONS {
                wait_until("there is something to rotate", || {
                    fs::metadata(&rotator.log).is_ok_and(|file| file.len() > 0)
                });
                // Twice: the second comes before the listener could see to the first.
                rotations += u32::from(rotator.rotate());
                rotations += u32::from(rotator.rotate());
            }
        });
        let goes_on = |number| number < ATTEMPTS || !rotations.is_finished();
        let peers = all_at_once(goes_on, |number| expect_notice(whence(number), port));
        rotations.join().unwrap();
        peers
    });
    assert!(notice.stop().0.success());
    let mut counts = HashMap::new();
    for peer in peers {
        *counts.entry((peer.ip().to_string(), u64::from(peer.port()))).or_default() += 1;
    }
    (counts, rotator.account())
}

#[test]
fn every_attempt_is_in_exactly_one_line_over_all_rotated_files() {
    if !tools(&["logrotate", "gzip"]) {
        return;
    }
    // No source has more lines than it is granted.
    let mut notice = Notice::start("log-per-source = 100000");
    let whence = |number| source(number % 2_000);
    let (peers, account) = attempts_during_rotations(&mut notice, whence);
    assert_eq!((account.folded, account.dropped), (0, 0), "{}", notice.diagnostics());
    let missing: Vec<_> =
        peers.iter().filter(|(peer, count)| account.lines.get(*peer) != Some(*count)).collect();
    assert!(missing.is_empty(), "{} are not logged as made: {missing:?}", missing.len());
    assert_eq!(account.written(), peers.values().sum::<u64>(), "lines that nobody caused");
}

#[test]
fn folded_attempts_add_up_exactly_over_all_rotated_files() {
    if !tools(&["logrotate", "gzip"]) {
        return;
    }
    let mut notice = Notice::start("log-per-source = 100\nlog-format = \"json\"");
    // Every other one is of a few noisy sources.
    let whence = |number| source(if number % 2 == 0 { number % 14 } else { 100 + number % 3_000 });
    let (peers, account) = attempts_during_rotations(&mut notice, whence);
    assert!(account.lines.keys().all(|peer| peers.contains_key(peer)));
    assert!(account.folded > 5_000, "only {} are folded", account.folded);
    assert_eq!((account.attempts(), account.dropped), (peers.values().sum::<u64>(), 0));
}
