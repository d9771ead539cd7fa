//! Signals, ports in use and the service manager.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::listener::harness::{
    Manager, Notice, free_port, notice_command, read_like, read_to_end, run, wait_until,
    write_settings,
};
use crate::support::tools;

#[test]
fn sigterm_stops_it_with_a_complete_log() {
    let mut notice = Notice::start("");
    let mut clients: Vec<_> = (0..30).map(|_| notice.connect()).collect();
    for client in &mut clients[..20] {
        client.write_all(b"PING\r\n").unwrap();
        assert_eq!(read_like(client, &notice.line()), notice.line());
    }
    drop(clients.drain(..10));
    wait_until("ten have left", || notice.log().matches("outcome=told").count() == 10);
    let (status, log) = notice.stop();
    assert_eq!(status.code(), Some(0));
    assert_eq!(log.lines().count(), 30, "{log}");
    assert_eq!(log.matches("outcome=shutdown").count(), 20, "{log}");
    let last = clients.last_mut().unwrap();
    assert_eq!(read_to_end(last), notice.line(), "the silent are told when it stops");
}

#[test]
fn sighup_continues_in_a_new_log_file() {
    let mut notice = Notice::start("log-per-source = 2");
    let connect = |notice: &Notice| {
        let mut stream = notice.connect();
        stream.write_all(b"QUIT\r\n").unwrap();
        assert_eq!(read_to_end(&mut stream), "+OK\r\n");
    };
    (0..5).for_each(|_| connect(&notice));
    wait_until("two lines are there", || notice.log().lines().count() == 2);
    let rotated = notice.log_path().with_extension("1");
    fs::rename(notice.log_path(), &rotated).unwrap();
    notice.signal(Signal::SIGHUP);
    wait_until("the new file is there", || notice.log_path().exists());
    assert_eq!(fs::metadata(notice.log_path()).unwrap().permissions().mode() & 0o777, 0o640);
    let old = fs::read_to_string(&rotated).unwrap();
    let last = old.lines().last().unwrap();
    assert!(last.contains(" peer=127.0.0.1 attempts=3 "), "{last}");
    assert!(last.ends_with(" outcome=folded"), "{last}");
    connect(&notice);
    let (_, new) = notice.stop();
    let last = new.lines().last().unwrap();
    assert!(last.contains(" peer=127.0.0.1 attempts=1 "), "{last}");
    assert!(last.ends_with(" outcome=folded"), "{last}");
    assert_eq!(fs::read_to_string(&rotated).unwrap(), old);
}

/// A process that ends with the test.
pub struct Owned(Child);

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A Redis on a free port of `address`.
pub fn redis_server(folder: &Path, address: &str) -> (Owned, u16) {
    let port = free_port();
    let child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", address, "--save", "", "--dir"])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let server = Owned(child);
    wait_until("redis-server answers", || {
        run(&["redis-cli", "-h", address, "-p", &port.to_string(), "ping"], b"").text == "PONG\n"
    });
    (server, port)
}

#[test]
fn a_port_held_by_redis_is_left_alone_in_both_families() {
    if !tools(&["redis-server"]) || !tools(&["redis-cli"]) {
        return;
    }
    for address in ["127.0.0.1", "::1"] {
        let folder = TempDir::new().unwrap();
        let (_server, port) = redis_server(folder.path(), address);
        write_settings(folder.path(), "", port, "if-free");
        let _notice = Owned(notice_command(folder.path()).spawn().unwrap());
        let stderr = folder.path().join("stderr");
        wait_until("it says what it left alone", || {
            fs::read_to_string(&stderr).unwrap().contains(&format!("port {port} is left alone"))
        });
        for host in ["127.0.0.1", "::1"] {
            let seen = run(&["redis-cli", "-h", host, "-p", &port.to_string(), "ping"], b"").text;
            let expected = if host == address { "PONG" } else { "refused" };
            assert!(seen.contains(expected), "{address} is held, {host} says {seen}");
        }
    }
}

#[test]
fn a_busy_port_that_must_be_bound_is_an_error_with_a_fix() {
    let folder = TempDir::new().unwrap();
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    write_settings(folder.path(), "", port, "always");
    let status = notice_command(folder.path()).status().unwrap();
    assert_eq!(status.code(), Some(2));
    let diagnostics = fs::read_to_string(folder.path().join("stderr")).unwrap();
    for part in [&format!("could not listen on 0.0.0.0:{port}"), "in use", "if-free"] {
        assert!(diagnostics.contains(part), "{diagnostics}");
    }
    assert!(!folder.path().join("log").exists());
}

#[test]
fn diagnostics_that_cannot_be_written_do_not_stop_it() {
    let folder = TempDir::new().unwrap();
    let port = free_port();
    write_settings(folder.path(), "", port, "always");
    let mut command = notice_command(folder.path());
    command.stderr(fs::File::options().write(true).open("/dev/full").unwrap());
    let mut listener = Owned(command.spawn().unwrap());
    wait_until("somebody is told", || {
        assert_eq!(listener.0.try_wait().unwrap(), None, "it stopped");
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
        stream.write_all(b"QUIT\r\n").unwrap();
        read_to_end(&mut stream) == "+OK\r\n"
    });
}

#[test]
fn the_service_manager_is_notified_of_ready_and_stop() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("manager");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let hear = || {
        let mut buffer = [0; 1024];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let mut notice = Notice::start_with("", |command| command.env("NOTIFY_SOCKET", &path));
    let ready = hear();
    assert!(ready.contains("READY=1"), "{ready}");
    assert!(ready.contains(&format!("STATUS=answers on port {}", notice.port)), "{ready}");
    notice.stop();
    assert!(hear().contains("STOPPING=1"));
}

#[test]
fn a_metrics_port_that_is_taken_is_named_and_taken_when_it_is_free() {
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    let manager = Manager::new();
    let settings = format!("scrape-port = {port}");
    let notice = Notice::start_with(&settings, |command| manager.known_to(command));
    manager.hears_of(&format!("no metrics on port {port}: Address already in use"));
    let mut stream = notice.connect();
    stream.write_all(b"QUIT\r\n").unwrap();
    assert_eq!(read_to_end(&mut stream), "+OK\r\n");
    drop(held);
    manager.hears_that_all_works();
    let mut scrape = TcpStream::connect(("127.0.0.1", port)).unwrap();
    scrape.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
    assert!(read_to_end(&mut scrape).contains("redisguard_notice_log_writable 1\n"));
}
