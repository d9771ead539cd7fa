//! A full or read-only disk does not stop replies, and lost lines are counted.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;

use crate::listener::harness::log_totals::Account;
use crate::listener::harness::many_clients::{all_at_once, expect_notice, source};
use crate::listener::harness::{Notice, around, run, wait_until};
use crate::support::{need, tools};

/// A listener whose log lies on a disk of its own, 64 KiB large, in namespaces of its own.
pub struct Disk {
    /// The disk, seen from outside, also once the listener is gone or something lies over it.
    folder: File,
    /// The path of the folder inside.
    inside: PathBuf,
    pub notice: Notice,
    attempts: u32,
}

impl Disk {
    /// Starts the listener once `prepare` was run inside, with the disk's folder as `$1`.
    fn start(prepare: &str) -> Option<Disk> {
        Disk::start_with(prepare, |command| command)
    }

    /// The same, with the command changed before it starts.
    pub fn start_with(
        prepare: &str,
        change: impl Fn(&mut Command) -> &mut Command,
    ) -> Option<Disk> {
        if !namespaces_work() {
            return None;
        }
        let script = format!(
            "mkdir $1; mount -t tmpfs -o size=64k disk $1; {prepare}; \
             folder=$1; shift; exec \"$@\" --log $folder/log"
        );
        let notice = Notice::start_with("log-per-source = 3", |command| {
            let folder = Path::new(command.get_args().nth(2).unwrap()).with_file_name("disk");
            let folder = folder.to_str().unwrap().to_owned();
            change(around(command, &["unshare", "-Urm", "sh", "-ec", &script, "sh", &folder]))
        });
        let inside = notice.log_path().with_file_name("disk");
        let seen = format!("/proc/{}/root{}", notice.pid(), inside.display());
        let folder = File::open(seen).unwrap();
        Some(Disk { folder, inside, notice, attempts: 0 })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.folder.as_raw_fd()))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Runs a shell script in the listener's namespaces, with the disk's folder as `$1`.
    pub fn sh(&self, script: &str) {
        let pid = self.notice.pid().to_string();
        let folder = self.inside.to_str().unwrap();
        let enter = ["nsenter", "--preserve-credentials", "-t", &pid, "-U", "-m", "--"];
        let seen = run(&[&enter[..], &["sh", "-ec", script, "sh", folder]].concat(), b"");
        assert!(seen.status.success(), "{script}: {}", seen.text);
    }

    /// Makes attempts, some of which are folded; all must be told.
    pub fn connect_clients(&mut self, attempts: u32) {
        let first = self.attempts;
        let port = self.notice.port;
        all_at_once(
            |number| number < attempts,
            |number| expect_notice(source((first + number) / 8), port),
        );
        self.attempts += attempts;
    }

    /// Leaves no room on the disk.
    pub fn fill(&self) {
        let mut filler = File::create(self.path("filler")).unwrap();
        let full = (0..100).find_map(|_| filler.write_all(&[0; 4096]).err());
        assert!(full.is_some(), "the disk is larger than it should be");
    }

    /// Leaves so little room that a line is begun and not ended.
    fn leave_one_page(&self) {
        let filler = File::options().write(true).open(self.path("filler")).unwrap();
        filler.set_len(filler.metadata().unwrap().len() - 4096).unwrap();
    }

    pub fn make_room(&self) {
        fs::remove_file(self.path("filler")).unwrap();
    }

    fn complaints(&self) -> usize {
        self.notice.diagnostics().matches(" ERROR ").count()
    }

    /// Stops the listener, and adds up the files `names`.
    fn stop(&mut self, names: &[&str]) -> Account {
        assert!(self.notice.stop().0.success());
        let mut account = Account::default();
        names.iter().for_each(|name| account.add(&self.read(name)));
        account
    }
}

fn namespaces_work() -> bool {
    if !tools(&["unshare", "nsenter", "mount"]) {
        return false;
    }
    let probe = "mount -t tmpfs probe /mnt && mount -o remount,ro /mnt";
    let output = Command::new("unshare").args(["-Urm", "sh", "-c", probe]).output().unwrap();
    need("user namespaces that may mount", output.status.success())
}

#[test]
fn a_full_disk_is_reported_once_and_lost_lines_are_counted() {
    let Some(mut disk) = Disk::start("true") else { return };
    disk.connect_clients(20);
    wait_until("lines are written", || disk.read("log").lines().count() >= 8);
    disk.fill();
    disk.connect_clients(200);
    wait_until("the trouble is told", || disk.complaints() == 1);
    disk.connect_clients(100);
    disk.make_room();
    wait_until("the loss is told without a further attempt", || {
        disk.read("log").contains("outcome=dropped")
    });
    disk.connect_clients(40);
    let account = disk.stop(&["log"]);
    assert!(account.dropped > 0 && account.folded > 0 && account.written() > 0, "{account:?}");
    assert_eq!(account.attempts(), u64::from(disk.attempts));
    assert_eq!(disk.complaints(), 1, "{}", disk.notice.diagnostics());
}

#[test]
fn a_rotation_on_a_full_disk_leaves_no_torn_line() {
    let Some(mut disk) = Disk::start("true") else { return };
    disk.fill();
    disk.leave_one_page();
    disk.connect_clients(200);
    wait_until("the trouble is told", || disk.complaints() == 1);
    fs::rename(disk.path("log"), disk.path("log.1")).unwrap();
    disk.notice.signal(Signal::SIGHUP);
    wait_until("the new file is there", || disk.path("log").exists());
    disk.make_room();
    disk.connect_clients(40);
    let account = disk.stop(&["log.1", "log"]);
    assert!(account.dropped > 0, "{account:?}");
    assert_eq!(account.attempts(), u64::from(disk.attempts));
}

#[test]
fn a_disk_full_at_shutdown_keeps_whole_lines_and_the_loss_is_reported() {
    let Some(mut disk) = Disk::start("true") else { return };
    disk.fill();
    disk.leave_one_page();
    disk.connect_clients(200);
    wait_until("the trouble is told", || disk.complaints() == 1);
    let account = disk.stop(&["log"]);
    assert!(account.written() > 0, "{account:?}");
    let lacking = 200 - account.attempts();
    let diagnostics = disk.notice.diagnostics();
    assert!(diagnostics.contains(&format!(", for {lacking} attempts")), "{diagnostics}");
}

#[test]
fn a_rotation_on_a_read_only_disk_keeps_the_old_file_until_it_is_writable() {
    let Some(mut disk) = Disk::start("true") else { return };
    disk.connect_clients(20);
    fs::rename(disk.path("log"), disk.path("log.1")).unwrap();
    disk.sh("mount --bind $1 $1; mount -o remount,bind,ro $1");
    disk.notice.signal(Signal::SIGHUP);
    wait_until("the trouble is told", || disk.complaints() == 1);
    disk.connect_clients(40);
    disk.sh("umount $1");
    // Also while attempts never cease.
    wait_until("the new file is there", || {
        disk.connect_clients(1);
        disk.path("log").exists()
    });
    disk.connect_clients(20);
    let account = disk.stop(&["log.1", "log"]);
    assert_eq!((account.attempts(), account.dropped), (u64::from(disk.attempts), 0));
    assert!(Account::of(&disk.read("log")).attempts() >= 20);
    assert_eq!(disk.complaints(), 1, "{}", disk.notice.diagnostics());
}

#[test]
fn a_disk_that_is_read_only_from_the_start_does_not_stop_the_listener() {
    let Some(mut disk) = Disk::start("mount -o remount,ro $1") else { return };
    assert_eq!(disk.complaints(), 1, "{}", disk.notice.diagnostics());
    disk.connect_clients(24);
    disk.sh("mount -o remount,rw $1");
    wait_until("the loss is told", || disk.read("log").contains(" outcome=dropped"));
    disk.connect_clients(24);
    let account = disk.stop(&["log"]);
    // Five of eight attempts of each source is folded.
    assert_eq!((account.written(), account.dropped, account.folded), (9, 9, 30));
    assert_eq!(disk.complaints(), 1, "{}", disk.notice.diagnostics());
}
