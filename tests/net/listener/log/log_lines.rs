//! Each connection is one line of the log, without passwords, keys and values.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use crate::listener::harness::{Notice, read_like, read_to_end, run, wait_until};
use crate::support::{need, tools};

/// Sends `bytes`, ends, and reads everything.
fn exchange(notice: &Notice, bytes: &[u8]) -> String {
    let mut stream = notice.connect();
    stream.write_all(bytes).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    read_to_end(&mut stream)
}

#[test]
fn a_connection_is_one_line_soon_after_it_ended() {
    let notice = Notice::start("");
    exchange(&notice, b"*1\r\n$4\r\nPING\r\n");
    wait_until("the line is there", || notice.log().ends_with('\n'));
    let log = notice.log();
    let port = notice.port;
    for part in [
        " peer=127.0.0.1 peer-port=",
        &format!(" port={port} family=4 via=local protocol=resp command=PING replies=1 "),
        " refused=PING ",
        " told=true outcome=told\n",
    ] {
        assert!(log.contains(part), "{log}");
    }
    let mode = std::fs::metadata(notice.log_path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}

#[test]
fn neither_passwords_nor_keys_nor_values_are_logged() {
    let mut notice = Notice::start("");
    for bytes in [
        &b"AUTH hunter2\r\nSET hunter2 hunter2\r\n"[..],
        b"*3\r\n$4\r\nAUTH\r\n$4\r\nuser\r\n$7\r\nhunter2\r\n",
        b"HELLO 3 AUTH hunter2 hunter2 SETNAME billing\r\nGET hunter2\r\n",
        b"HELLO 3 TOKEN hunter2 SETNAME hunter2\r\nECHO hunter2\r\n",
        b"GET /hunter2 HTTP/1.1\r\nAuthorization: hunter2\r\n\r\n",
        b"\"hunter2\" x\r\n",
    ] {
        exchange(&notice, bytes);
    }
    let (_, log) = notice.stop();
    assert_eq!(log.lines().count(), 6, "{log}");
    assert!(log.contains(" refused=GET client-name=billing "), "{log}");
    let log = log.to_lowercase();
    for secret in ["hunter", "user"] {
        assert!(!log.contains(secret), "{log}");
    }
    assert!(!notice.diagnostics().contains("hunter"));
}

#[test]
fn a_hostile_library_name_stays_in_its_line() {
    let mut notice = Notice::start("");
    let name = b"x\" outcome=told\r\ntime=1 \x1b[2J\0\xff";
    let mut bytes = b"*4\r\n$6\r\nCLIENT\r\n$7\r\nSETINFO\r\n$8\r\nLIB-NAME\r\n".to_vec();
    bytes.extend_from_slice(format!("${}\r\n", name.len()).as_bytes());
    bytes.extend_from_slice(name);
    bytes.extend_from_slice(b"\r\n");
    assert_eq!(exchange(&notice, &bytes), "+OK\r\n");
    exchange(&notice, b"A\x1b[31m\r\n");
    let (_, log) = notice.stop();
    assert_eq!(log.lines().count(), 2, "{log}");
    assert!(log.contains(r#"library="x\" outcome=told\x0d\x0atime=1 \x1b[2J\x00\xff""#), "{log}");
    assert!(log.contains("command=other"), "{log}");
    assert!(log.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)));
}

#[test]
fn json_lines_are_valid_json() {
    let mut notice = Notice::start("log-format = \"json\"");
    exchange(&notice, b"CLIENT SETINFO LIB-NAME redis-py\r\nCLIENT SETINFO LIB-VER 5.0\r\n");
    let (_, log) = notice.stop();
    let line: serde_json::Value = serde_json::from_str(&log).unwrap();
    assert_eq!(line["command"], "CLIENT");
    assert_eq!(line["library"], "redis-py");
    assert_eq!(line["library-version"], "5.0");
    assert_eq!(line["outcome"], "closed");
    assert_eq!(line["port"], notice.port);
}

#[test]
fn redisguards_own_questions_are_not_logged_where_root_asks() {
    let is_root = need("root", nix::unistd::Uid::effective().is_root());
    if !is_root || !tools(&["setpriv", "redis-cli"]) {
        return;
    }
    let mut notice = Notice::start("");
    exchange(&notice, b"PING\r\nCLIENT SETNAME redisguard\r\n");
    let port = notice.port.to_string();
    let script =
        format!("printf 'PING\\r\\nCLIENT SETNAME redisguard\\r\\n' | redis-cli -p {port}");
    let other = ["setpriv", "--reuid=1", "--clear-groups", "sh", "-c", &script];
    assert!(run(&other, b"").text.contains("PORTCLOSED"));
    exchange(&notice, b"PING\r\n");
    let (_, log) = notice.stop();
    assert_eq!(log.lines().count(), 2, "{log}");
    assert!(log.lines().next().unwrap().contains(" client-name=redisguard "), "{log}");
}

#[test]
fn lines_and_counts_add_up_to_the_attempts() {
    let mut notice = Notice::start("log-per-source = 10");
    // Each as often as the listener answers it at once.
    for question in ["PING\r\n", "GET\r\n"] {
        (0..50).for_each(|_| drop(exchange(&notice, question.as_bytes())));
    }
    let (_, log) = notice.stop();
    assert_eq!(log.matches("outcome=told").count(), 10, "{log}");
    let last = log.lines().last().unwrap();
    assert!(last.contains(" peer=127.0.0.1 attempts=90 "), "{last}");
    assert!(last.ends_with(" outcome=folded"), "{last}");
}

#[test]
fn a_full_disk_does_not_stop_replies_and_is_reported() {
    let notice = Notice::start_with("", |command| {
        let path = std::path::Path::new(command.get_args().nth(2).unwrap()).with_file_name("log");
        std::os::unix::fs::symlink("/dev/full", path).unwrap();
        command
    });
    for _ in 0..3 {
        let mut stream = notice.connect();
        stream.write_all(b"PING\r\n").unwrap();
        assert_eq!(read_like(&mut stream, &notice.line()), notice.line());
    }
    wait_until("the trouble is told", || notice.diagnostics().contains("could not write the log"));
    std::fs::remove_file(notice.log_path()).unwrap();
    notice.signal(nix::sys::signal::Signal::SIGHUP);
    wait_until("the loss is told in the new file", || {
        notice.log_path().exists() && notice.log().contains(" attempts=3 outcome=dropped\n")
    });
    assert_eq!(notice.diagnostics().matches("could not write the log").count(), 1);
}

#[test]
fn the_log_can_go_to_standard_output() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("stdout");
    let mut notice = Notice::start_with("", |command| {
        command.args(["--log", "-"]).stdout(std::fs::File::create(&path).unwrap())
    });
    exchange(&notice, b"PING\r\n");
    assert!(notice.stop().0.success());
    let log = std::fs::read_to_string(&path).unwrap();
    assert!(log.ends_with(" outcome=told\n"), "{log}");
    assert!(!notice.log_path().exists());
}
