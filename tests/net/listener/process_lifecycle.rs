//! Signals, ports in use and the service manager.

use std::fs;
use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::listener::harness::{
    Manager, Notice, free_port, notice_command, read_like, read_to_end, run, sentence, wait_until,
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

/// What a client of this address is told.
fn told(address: &str, port: u16) -> String {
    let Ok(mut stream) = TcpStream::connect((address, port)) else { return "refused".to_owned() };
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    read_to_end(&mut stream)
}

#[test]
fn a_taken_port_silences_no_other_and_is_taken_once_it_is_free() {
    let folder = TempDir::new().unwrap();
    let manager = Manager::new();
    let [other, notice, scrape] = [free_port(), free_port(), free_port()];
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    let held_notice = TcpListener::bind(("0.0.0.0", notice)).unwrap();
    let more = format!(
        "port = {notice}\nscrape-port = {scrape}\n[[reserved]]\nfirst = {other}\nlast = {other}\n\
         listen = \"always\"\nsentence = \"PORTCLOSED {{port}}\""
    );
    write_settings(folder.path(), &more, port, "always");
    let mut command = notice_command(folder.path());
    manager.known_to(&mut command);
    let _listener = Owned(command.spawn().unwrap());
    let ready = manager.hear();
    let missing = format!(
        "; trouble: 0.0.0.0:{port} is in use by another program; \
         0.0.0.0:{notice} is in use by another program"
    );
    assert!(ready.starts_with("READY=1\nSTATUS=answers on port "), "{ready}");
    assert!(ready.trim_end().ends_with(&missing), "{ready}");
    for address in ["127.0.0.1", "::1"] {
        assert_eq!(told(address, other), format!("-PORTCLOSED {other}\r\n"), "{address}");
    }
    let line = format!("-{}\r\n", sentence(port));
    assert_eq!(told("::1", port), line, "the other family is served");
    let unbound = |port: u16| {
        let mut stream = TcpStream::connect(("127.0.0.1", scrape)).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
        let name = format!("redisguard_notice_unbound_addresses{{port=\"{port}\"}} ");
        let metrics = read_to_end(&mut stream);
        metrics.lines().find_map(|line| line.strip_prefix(&name).map(str::to_owned)).unwrap()
    };
    assert_eq!([unbound(port), unbound(other), unbound(notice)], ["1", "0", "1"]);

    drop(held);
    let status = manager.hear();
    assert!(!status.contains(&format!("0.0.0.0:{port}")), "{status}");
    assert!(status.contains(&format!("0.0.0.0:{notice} is in use")), "{status}");
    assert_eq!(told("127.0.0.1", port), line);
    assert_eq!(unbound(port), "0");
    drop(held_notice);
    assert!(!manager.hear().contains("trouble"));
    // Asked directly and not redirected, it stands for the first reserved port.
    assert_eq!(told("127.0.0.1", notice), format!("-PORTCLOSED {other}\r\n"));
    assert_eq!(unbound(notice), "0");
}

#[test]
fn a_port_that_is_left_alone_is_not_taken_when_its_holder_restarts() {
    let folder = TempDir::new().unwrap();
    let manager = Manager::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let always = taken.local_addr().unwrap().port();
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    let more = format!(
        "[[reserved]]\nfirst = {always}\nlast = {always}\nlisten = \"always\"\nsentence = \"x\""
    );
    write_settings(folder.path(), &more, port, "if-free");
    let mut command = notice_command(folder.path());
    manager.known_to(&mut command);
    let _listener = Owned(command.spawn().unwrap());
    assert!(manager.hear().contains("READY=1"));
    drop(held);
    // What is tried again is bound at this moment, so the other port was free all the time before.
    drop(taken);
    assert!(!manager.hear().contains("trouble"));
    for address in ["127.0.0.1", "::1"] {
        assert_eq!(told(address, port), "refused", "{address}");
    }
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
    let manager = Manager::new();
    let mut notice = Notice::start_with("", |command| manager.known_to(command));
    let ready = manager.hear();
    assert!(ready.contains("READY=1"), "{ready}");
    assert!(ready.contains(&format!("STATUS=answers on port {}", notice.port)), "{ready}");
    notice.stop();
    assert!(manager.hear().contains("STOPPING=1"));
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
