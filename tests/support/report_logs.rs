//! Logs for `redisguard-install report`, in a host's offline tree.

use super::{INSTALL, exit_status, transcript};

use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// Where a host's listener writes.
pub const LOG: &str = "var/log/redisguard/redis_port_notice.log";

/// The files of a host with logs.
pub struct Tree(TempDir);

impl Tree {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// One with the listener's log.
    pub fn with_log(text: &str) -> Self {
        let tree = Self::new();
        tree.write(LOG, text);
        tree
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(INSTALL);
        command.arg("--root").arg(self.0.path()).arg("report").args(arguments);
        command.env("LC_ALL", "C.UTF-8").env_remove("TERM").stdin(Stdio::null());
        command
    }

    pub fn report(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The report as JSON, and its exit status.
    pub fn json(&self, arguments: &[&str]) -> (Value, i32) {
        let output = self.report(&[arguments, &["--json"]].concat());
        let value = serde_json::from_slice(&output.stdout);
        (
            value.unwrap_or_else(|error| panic!("{error}\n{}", transcript(&output))),
            exit_status(&output),
        )
    }
}

/// What a tool makes of bytes.
pub fn piped(program: &str, arguments: &[&str], bytes: &[u8]) -> Vec<u8> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program}");
    output.stdout
}

/// A line of the listener's.
pub fn line(day: u32, peer: &str, port: u16, library: &str, outcome: &str) -> String {
    let library = if library.is_empty() { String::new() } else { format!(" library={library}") };
    let family = if peer.contains(':') { 6 } else { 4 };
    format!(
        "time=2026-11-{day:02}T05:45:00.123Z peer={peer} peer-port=50000 port={port} family={family} \
         via=redirected protocol=resp command=PING{library} replies=3 duration-ms=12 outcome={outcome}\n"
    )
}

/// A line of the kernel's in a file of syslog.
pub fn packet(day: u32, answer: &str, source: &str, port: u16) -> String {
    format!(
        "2026-11-{day:02}T05:45:00.123456+00:00 web kernel: [12.3] redisguard {answer}: IN=eth0 OUT= \
         MAC=02:42 SRC={source} DST=203.0.113.1 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=1 DF PROTO=TCP \
         SPT=50000 DPT={port} WINDOW=64240 RES=0x00 SYN URGP=0 \n"
    )
}

/// A little of everything.
pub fn everything() -> Tree {
    let mut text = String::new();
    for day in 1..=20 {
        text.push_str(&line(day, "198.51.100.7", 6379, "redis-py library-version=5.0.1", "told"));
        if day < 10 {
            text.push_str(&line(
                day,
                "2001:db8:85a3:1234:5678:8a2e:370:7334",
                6380,
                "lettuce",
                "told",
            ));
            text.push_str(&line(day, "198.51.100.7", 6380, "", "reset"));
        }
    }
    for name in HOSTILE {
        text.push_str(&line(20, "203.0.113.66", 6379, name, "told"));
    }
    for text_of_day in (1..=6).map(local_lines) {
        text.push_str(&text_of_day);
    }
    text.push_str("time=2026-11-20T05:46:00.000Z peer=198.51.100.7 attempts=1234 outcome=folded\n");
    text.push_str("time=2026-11-20T05:46:00.000Z lines=2 attempts=9 outcome=dropped\n");
    text.push_str(
        "\u{1b}[2Jnot ours\ntime=2026-11-20T05:46:00.000Z peer=evil port=1 outcome=told\n",
    );
    text.push_str("time=2026-11-20T05:47:00.0");
    let tree = Tree::with_log(&text);
    let kernel =
        packet(3, "drop", "192.0.2.1", 6380).repeat(3) + &packet(4, "reject", "192.0.2.2", 6379);
    tree.write("var/log/kern.log", kernel + "2026-11-05T05:45:00+00:00 web sshd[1]: hello\n");
    tree.write("etc/hostname", "web\n");
    tree
}

/// Lines of version 0.2 on one day: programs on the host, a proxy, a reset that leaves open what arrived.
fn local_lines(day: u32) -> String {
    let line = |peer: &str, before: &str, after: &str, end: &str| {
        format!(
            "time=2026-11-{day:02}T06:00:00.000Z peer={peer} peer-port=50000 port=6379 family=4 \
             via=local {before} command=GET refused=GET {after}replies=2 {end}\n"
        )
    };
    let told = "told=true duration-ms=3 outcome=idle";
    let unknown = "told=unknown duration-ms=3 outcome=reset";
    let hostile = HOSTILE[day as usize % HOSTILE.len()];
    let cgroup = "cgroup=/user.slice/user-1000.slice/user@1000.service/app.slice/run-u4711.service/a-worker.scope";
    [
        line("127.0.0.1", "unit=billing.service uid=998 protocol=resp", "", told),
        line("127.0.0.1", "container=1a2b3c4d5e6f protocol=resp", "library=jedis ", unknown),
        line("127.0.0.1", &format!("{cgroup} uid=1000 protocol=resp"), "", told),
        line(
            "192.0.2.80",
            &format!("stated-peer=198.51.100.{}:4000 protocol=unknown", day.min(4)),
            &format!("client-name={hostile} "),
            unknown,
        ),
        format!(
            "time=2026-11-{day:02}T06:01:00.000Z peer=127.0.0.1 unit=billing.service attempts=2 \
             outcome=folded\n"
        ),
    ]
    .concat()
}

/// What somebody may call a library, as the log has it.
pub const HOSTILE: [&str; 4] = [
    r#""</script><script>alert(1)</script>""#,
    r#""\" onmouseover=\"alert(1)""#,
    r#""=cmd|'/C calc'!A0""#,
    r#""\x1b[31mred\x0aforged""#,
];
