//! A client that connects again at once after each refusal is slowed down, and nobody else is.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::listener::harness::many_clients::{connect_from, source};
use crate::listener::harness::{Notice, around, wait_until};
use crate::support::machine::cgroups;
use crate::support::{need, tools};

/// What the brake grants one question at once, and then in a second; and its delay.
const BURST: f64 = 50.0;
const PER_SECOND: f64 = 10.0;
const DELAY: Duration = Duration::from_millis(200);
/// What a connection pool asks before it lends a connection.
const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

/// Asks, reads the answer, and closes.
fn ask(from: Ipv4Addr, port: u16, question: &[u8]) {
    let mut stream: TcpStream = connect_from(from, port);
    stream.write_all(question).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    assert!(line.starts_with("-PORTCLOSED "), "{line:?}");
}

/// How long the connections lasted whose lines have all of `parts`, in milliseconds.
fn durations(log: &str, parts: &[&str]) -> Vec<u64> {
    let lines = log.lines().filter(|line| parts.iter().all(|part| line.contains(part)));
    let duration = |line: &str| {
        let (_, rest) = line.split_once(" duration-ms=").unwrap();
        rest.split(' ').next().unwrap().parse().unwrap()
    };
    lines.map(duration).collect()
}

/// Asks until a connection was answered at once. A busy machine may delay some; a brake delays all.
fn is_answered_at_once(notice: &Notice, ask: impl Fn(), parts: &[&str]) {
    for attempts in 1..=20 {
        ask();
        wait_until("the line is there", || durations(&notice.log(), parts).len() >= attempts);
        let durations = durations(&notice.log(), parts);
        if durations.iter().any(|duration| u128::from(*duration) < DELAY.as_millis()) {
            return;
        }
    }
    panic!("{parts:?} was always delayed: {}", notice.log());
}

#[test]
fn a_storm_is_slowed_and_neither_other_questions_nor_other_clients_are() {
    let mut notice = Notice::start("");
    let (port, is_over) = (notice.port, AtomicBool::new(false));
    thread::scope(|scope| {
        let storm = scope.spawn(|| {
            let (started, mut count) = (Instant::now(), 0_u32);
            while !is_over.load(Ordering::Relaxed) {
                ask(source(1), port, PING);
                count += 1;
            }
            (count, started.elapsed())
        });
        let peer = format!(" peer={} ", source(1));
        let storms = [&peer, " refused=PING "];
        let is_slowed = || {
            let slow = durations(&notice.log(), &storms);
            slow.iter().filter(|duration| u128::from(**duration) >= DELAY.as_millis()).count() >= 5
        };
        wait_until("the storm is slowed", is_slowed);
        let get = || ask(source(1), port, b"*2\r\n$3\r\nGET\r\n$1\r\nx\r\n");
        is_answered_at_once(&notice, get, &[&peer, " refused=GET "]);
        let other = format!(" peer={} ", source(2));
        is_answered_at_once(&notice, || ask(source(2), port, PING), &[&other, " refused=PING "]);
        is_over.store(true, Ordering::Relaxed);
        let (count, time) = storm.join().unwrap();
        let granted = BURST + PER_SECOND * time.as_secs_f64();
        let delayed = time.as_secs_f64() / DELAY.as_secs_f64();
        assert!(f64::from(count) <= granted + delayed + 2.0, "{count} in {time:?}");
    });
    assert!(notice.end().success());
    assert!(notice.diagnostics().contains("delayed="), "{}", notice.diagnostics());
}

/// A control group of this test's own, named like a unit.
struct Group(PathBuf);

impl Group {
    fn new(service: &str) -> Option<Group> {
        let name = format!("redisguard-test-{}-{service}.service", std::process::id());
        let path = cgroups()?.join(name);
        fs::create_dir(&path).ok()?;
        Some(Group(path))
    }

    fn field(&self) -> String {
        format!(" unit={} ", self.0.file_name().unwrap().to_str().unwrap())
    }

    /// Has a shell run `script` in there.
    fn start(&self, script: &str) -> Child {
        let script = format!("echo 0 >{}/cgroup.procs && {script}", self.0.display());
        let mut shell = Command::new("bash");
        shell.args(["-c", &script]).stdin(Stdio::null()).spawn().unwrap()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        wait_until("the group is empty", || fs::remove_dir(&self.0).is_ok());
    }
}

#[test]
fn of_two_services_at_one_address_only_the_storming_one_is_slowed_and_both_are_named() {
    if !tools(&["bash", "unshare", "mount"]) {
        return;
    }
    let groups = Group::new("billing").zip(Group::new("orders"));
    if !need("root and a cgroup v2 that can be written", groups.is_some()) {
        return;
    }
    let (billing, orders) = groups.unwrap();
    // As a host without v1 has it.
    let script = format!(
        "mount --bind {} /sys/fs/cgroup 2>/dev/null; exec \"$@\"",
        cgroups().unwrap().display()
    );
    let mut notice = Notice::start_with("", |command| {
        around(command, &["unshare", "--mount", "sh", "-c", &script, "sh"])
    });
    let ask = format!(
        "{{ exec 3<>/dev/tcp/127.0.0.1/{}; printf 'PING\\r\\n' >&3; read -r line <&3; exec 3>&-; }}",
        notice.port
    );
    let mut storm = billing.start(&format!("while :; do {ask}; done"));
    let slow = |name: &str| {
        let durations = durations(&notice.log(), &[name, " refused=PING "]);
        durations.iter().filter(|duration| u128::from(**duration) >= DELAY.as_millis()).count()
    };
    wait_until("the storm is slowed", || slow(&billing.field()) >= 5);
    let once = || assert!(orders.start(&ask).wait().unwrap().success());
    is_answered_at_once(&notice, once, &[" peer=127.0.0.1 ", &orders.field()]);
    storm.kill().unwrap();
    storm.wait().unwrap();
    let (status, log) = notice.stop();
    assert!(status.success());
    assert!(log.lines().all(|line| line.contains(" unit=redisguard-test-")), "{log}");
}

#[test]
fn a_host_without_control_groups_v2_alone_is_said_once() {
    if !tools(&["unshare", "mount"]) || !need("root", nix::unistd::Uid::effective().is_root()) {
        return;
    }
    let script = "mount -t tmpfs tmpfs /sys/fs/cgroup && exec \"$@\"";
    let mut notice = Notice::start_with("", |command| {
        around(command, &["unshare", "--mount", "sh", "-c", script, "sh"])
    });
    (0..3).for_each(|_| ask(source(1), notice.port, PING));
    let (_, log) = notice.stop();
    assert_eq!(log.matches(" cgroup=unknown uid=0 ").count(), 3, "{log}");
    let said = notice.diagnostics();
    let reason = "cgroup=unknown: /sys/fs/cgroup is not of control groups v2 alone";
    assert_eq!(said.matches(reason).count(), 1, "{said}");
}
