//! The service manager and the metrics are told of a log that cannot be written, until it can be.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use nix::sys::signal::Signal;
use redisguard::listener_contract::degraded;

use super::unwritable_disk::Disk;
use crate::listener::harness::log_totals::Account;
use crate::listener::harness::{Manager, Notice, free_port, read_to_end, wait_until};

/// A listener whose log is in a directory of its own, and that serves metrics.
struct Logged {
    notice: Notice,
    manager: Manager,
    log: PathBuf,
    metrics: u16,
}

impl Logged {
    fn start() -> Logged {
        let (manager, metrics) = (Manager::new(), free_port());
        let notice = Notice::start_with(&format!("scrape-port = {metrics}"), |command| {
            let settings = PathBuf::from(command.get_args().nth(2).unwrap());
            let folder = settings.with_file_name("logs");
            fs::create_dir(&folder).unwrap();
            manager.known_to(command.arg("--log").arg(folder.join("log")))
        });
        let log = notice.log_path().with_file_name("logs").join("log");
        manager.hears_that_all_works();
        Logged { notice, manager, log, metrics }
    }

    fn tell_a_client(&self) {
        let mut stream = self.notice.connect();
        stream.write_all(b"QUIT\r\n").unwrap();
        assert_eq!(read_to_end(&mut stream), "+OK\r\n");
    }

    /// The values of the metrics with these names.
    fn metrics<const COUNT: usize>(&self, names: [&str; COUNT]) -> [String; COUNT] {
        let mut stream = TcpStream::connect(("127.0.0.1", self.metrics)).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        names.map(|name| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            value.unwrap_or_else(|| panic!("{name}: {text}")).to_owned()
        })
    }

    /// Whether the log can be written, and how many lines were lost.
    fn shown(&self) -> [String; 2] {
        self.metrics(["redisguard_notice_log_writable", "redisguard_notice_log_lost_lines_total"])
    }

    fn account(&self) -> Account {
        Account::of(&fs::read_to_string(&self.log).unwrap_or_default())
    }
}

#[test]
fn a_directory_that_is_gone_is_told_until_it_is_back() {
    let logged = Logged::start();
    logged.tell_a_client();
    wait_until("it is logged", || logged.account().written() == 1);
    assert_eq!(logged.shown(), ["1", "0"]);
    let folder = logged.log.parent().unwrap();
    fs::remove_dir_all(folder).unwrap();
    // Nobody connects: it is found all the same.
    let told = logged.manager.hears_of("No such file or directory");
    let begin = format!("the log {} cannot be written since 20", logged.log.display());
    let fault = degraded(&told).unwrap();
    assert!(fault.starts_with(&begin) && fault.ends_with(", no line is lost yet"), "{told}");
    logged.tell_a_client();
    logged.manager.hears_of("1 line is lost so far");
    logged.tell_a_client();
    logged.manager.hears_of("2 lines are lost so far");
    assert_eq!(logged.shown(), ["0", "2"]);
    fs::create_dir(folder).unwrap();
    logged.manager.hears_that_all_works();
    assert_eq!(logged.shown(), ["1", "2"]);
    logged.tell_a_client();
    wait_until("all are accounted for", || logged.account().attempts() == 3);
    assert_eq!(logged.account().dropped, 2);
}

#[test]
fn a_directory_in_the_place_of_the_log_is_told_until_it_is_gone() {
    let logged = Logged::start();
    fs::remove_file(&logged.log).unwrap();
    fs::create_dir(&logged.log).unwrap();
    logged.manager.hears_of("Is a directory");
    logged.tell_a_client();
    logged.manager.hears_of("1 line is lost so far");
    fs::remove_dir(&logged.log).unwrap();
    logged.manager.hears_that_all_works();
    wait_until("the loss is counted", || logged.account().dropped == 1);

    // The former file has still a name, and takes what comes meanwhile.
    let former = logged.log.with_file_name("former");
    fs::rename(&logged.log, &former).unwrap();
    fs::create_dir(&logged.log).unwrap();
    logged.manager.hears_of("Is a directory (os error 21), no line is lost yet");
    logged.tell_a_client();
    wait_until("it is logged", || {
        Account::of(&fs::read_to_string(&former).unwrap()).written() == 1
    });
    fs::remove_dir(&logged.log).unwrap();
    logged.manager.hears_that_all_works();
    assert_eq!(logged.shown(), ["1", "1"]);
}

#[test]
fn a_log_that_cannot_be_opened_keeps_no_client_from_the_notice() {
    let manager = Manager::new();
    let notice = Notice::start_with("", |command| {
        let settings = PathBuf::from(command.get_args().nth(2).unwrap());
        fs::create_dir(settings.with_file_name("log")).unwrap();
        manager.known_to(command)
    });
    manager.hears_of("Is a directory");
    let mut stream = notice.connect();
    stream.write_all(b"QUIT\r\n").unwrap();
    assert_eq!(read_to_end(&mut stream), "+OK\r\n");
    manager.hears_of("1 line is lost so far");
    fs::remove_dir(notice.log_path()).unwrap();
    manager.hears_that_all_works();
    wait_until("the loss is counted", || notice.log().contains("outcome=dropped"));
}

#[test]
fn a_full_disk_is_told_before_a_line_is_lost_and_until_there_is_room() {
    let manager = Manager::new();
    let Some(mut disk) = Disk::start_with("true", |command| manager.known_to(command)) else {
        return;
    };
    manager.hears_that_all_works();
    disk.fill();
    manager.hears_of("No space left on device (os error 28), no line is lost yet");
    disk.connect_clients(200);
    manager.hears_of("lines are lost so far");
    disk.make_room();
    manager.hears_that_all_works();
}

#[test]
fn a_read_only_disk_is_told_until_it_can_be_written() {
    let manager = Manager::new();
    let start = |prepare| Disk::start_with(prepare, |command| manager.known_to(command));
    let Some(disk) = start("mount -o remount,ro $1") else { return };
    manager.hears_of("Read-only file system");
    disk.sh("mount -o remount,rw $1");
    manager.hears_that_all_works();
    fs::rename(disk.path("log"), disk.path("log.1")).unwrap();
    disk.sh("mount --bind $1 $1; mount -o remount,bind,ro $1");
    disk.notice.signal(Signal::SIGHUP);
    manager.hears_of("Read-only file system (os error 30), no line is lost yet");
    disk.sh("umount $1");
    manager.hears_that_all_works();
}
