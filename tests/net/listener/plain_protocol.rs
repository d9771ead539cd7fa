//! Sockets without TLS: pipelines, silence, limits and time-outs.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use crate::listener::harness::many_clients::{connect_from, source};
use crate::listener::harness::process_usage::times_slept;
use crate::listener::harness::{Notice, around, read_like, read_to_end, wait_until};
use crate::support::tools;

#[test]
fn nothing_is_sent_before_the_client_speaks() {
    let notice = Notice::start("");
    let mut stream = notice.connect();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(stream.read(&mut [0]).is_err(), "something was said on accept");
}

#[test]
fn a_silent_peer_is_told_once_and_still_answered() {
    let notice = Notice::start("");
    let mut stream = notice.connect();
    assert_eq!(read_like(&mut stream, &notice.line()), notice.line());
    stream.write_all(b"PING\r\n").unwrap();
    assert_eq!(read_like(&mut stream, &notice.line()), notice.line());
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut stream), "");
}

#[test]
fn an_unfinished_line_is_told_and_then_answered() {
    let notice = Notice::start("");
    let mut stream = notice.connect();
    stream.write_all(b"PI").unwrap();
    assert_eq!(read_like(&mut stream, &notice.line()), notice.line());
    stream.write_all(b"NG\r\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut stream), notice.line());
}

#[test]
fn a_pipeline_that_nobody_reads_until_it_is_sent_is_answered_in_full() {
    let notice = Notice::start("");
    let mut stream = notice.connect();
    // More than the kernel's buffers hold, in both directions.
    let commands = 200_000;
    let command = format!("*2\r\n$3\r\nGET\r\n$100\r\n{}\r\n", "x".repeat(100));
    stream.write_all(command.repeat(commands).as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(read_to_end(&mut stream) == notice.line().repeat(commands), "not the same replies");
}

#[test]
fn a_client_that_waits_for_each_answer_gets_each() {
    let notice = Notice::start("");
    let mut stream = notice.connect();
    for _ in 0..60 {
        stream.write_all(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n").unwrap();
        assert_eq!(read_like(&mut stream, &notice.line()), notice.line());
    }
}

#[test]
fn a_loop_of_small_requests_is_overtaken_by_newcomers() {
    let notice = Notice::start("");
    let mut busy = notice.connect();
    for _ in 0..60 {
        busy.write_all(b"PING\r\n").unwrap();
        assert_eq!(read_like(&mut busy, &notice.line()), notice.line());
    }
    // One thread serves all: without a delay who asked first is answered long before. Each newcomer is
    // another source, because the brake delays a source that repeats its question.
    let overtaken = (0..10).any(|round| {
        busy.write_all(b"PING\r\n").unwrap();
        for number in 0..30 {
            let mut newcomer = connect_from(source(30 * round + number), notice.port);
            newcomer.write_all(b"PING\r\n").unwrap();
            assert_eq!(read_like(&mut newcomer, &notice.line()), notice.line());
        }
        busy.set_nonblocking(true).unwrap();
        let answered = busy.peek(&mut [0]).is_ok();
        busy.set_nonblocking(false).unwrap();
        assert_eq!(read_like(&mut busy, &notice.line()), notice.line());
        !answered
    });
    assert!(overtaken);
}

#[test]
fn a_client_that_never_reads_delays_neither_others_nor_the_shutdown() {
    let mut notice = Notice::start("");
    let mut deaf = notice.connect();
    deaf.write_all(&b"PING\r\n".repeat(400_000)).unwrap();
    let mut other = notice.connect();
    other.write_all(b"PING\r\n").unwrap();
    assert_eq!(read_like(&mut other, &notice.line()), notice.line());
    let (status, log) = notice.stop();
    assert!(status.success());
    assert_eq!(log.matches("outcome=shutdown").count(), 2, "{log}");
}

#[test]
fn discovery_names_the_address_and_the_reserved_port() {
    let notice = Notice::start("");
    let mut stream = TcpStream::connect(("::1", notice.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(b"CLUSTER SLOTS\r\nQUIT\r\nPING\r\n").unwrap();
    let slots = read_to_end(&mut stream);
    assert!(slots.contains(&format!("$3\r\n::1\r\n:{}\r\n", notice.port)), "{slots}");
    assert!(slots.ends_with("\r\n+OK\r\n"), "{slots}");
}

#[test]
fn a_value_past_the_limit_is_told_while_it_is_still_sent() {
    let notice = Notice::start("");
    let mut stream = notice.connect();
    stream.write_all(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$400000000\r\n").unwrap();
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..50 {
        stream.write_all(&piece).unwrap();
    }
    assert_eq!(read_to_end(&mut stream), notice.line());
    // Only one direction is closed: who is still sending is not cut off.
    for _ in 0..3 {
        stream.write_all(&piece).unwrap();
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_thousand_simultaneous_connections_are_all_served() {
    let notice = Notice::start("");
    let mut streams: Vec<TcpStream> = (0..1000).map(|_| notice.connect()).collect();
    for stream in &mut streams {
        let _ = stream.write_all(b"*1\r\n$4\r\nPING\r\n");
    }
    for stream in &mut streams {
        assert_eq!(read_like(stream, &notice.line()), notice.line());
    }
}

#[test]
fn idle_peers_are_evicted_for_a_new_client() {
    let mut notice = Notice::start("max-connections = 8\nmax-per-source = 100");
    let mut idle: Vec<TcpStream> = (0..8).map(|_| notice.connect()).collect();
    for stream in &mut idle {
        stream.write_all(b"PING\r\n").unwrap();
        assert_eq!(read_like(stream, &notice.line()), notice.line());
    }
    let mut newcomers: Vec<TcpStream> = (0..3).map(|_| notice.connect()).collect();
    for stream in &mut newcomers {
        stream.write_all(b"PING\r\n").unwrap();
        assert_eq!(read_like(stream, &notice.line()), notice.line());
    }
    for stream in &mut idle[..3] {
        assert_eq!(read_to_end(stream), "", "the oldest should be closed");
    }
    for stream in &mut idle[3..] {
        stream.write_all(b"PING\r\n").unwrap();
        assert_eq!(read_like(stream, &notice.line()), notice.line());
    }
    drop((idle, newcomers));
    assert_eq!(notice.stop().1.matches("outcome=shed").count(), 3);
}

#[test]
fn a_source_over_its_limit_loses_its_own_connections() {
    let notice = Notice::start("max-per-source = 2");
    let mut streams: Vec<TcpStream> = (0..4).map(|_| notice.connect()).collect();
    // Even who has to go before it spoke is told.
    assert_eq!(read_to_end(&mut streams[0]), notice.line());
    assert_eq!(read_to_end(&mut streams[1]), notice.line());
    let mut other = TcpStream::connect(("::1", notice.port)).unwrap();
    other.write_all(b"PING\r\n").unwrap();
    assert_eq!(read_like(&mut other, &notice.line()), notice.line());
}

#[test]
fn idle_peers_are_closed_after_their_timeout() {
    let mut notice = Notice::start("idle = 1");
    let mut stream = notice.connect();
    stream.write_all(b"AUTH secret\r\n").unwrap();
    assert_eq!(read_to_end(&mut stream), format!("+OK\r\n{}", notice.line()));
    drop(stream);
    wait_until("its line is there", || notice.log().contains("outcome=idle"));
    assert!(notice.stop().0.success());
}

#[test]
fn idle_peers_are_evicted_when_descriptors_run_out() {
    let settings = "max-connections = 5000\nmax-per-source = 5000";
    let notice = Notice::start_with(settings, |command| {
        // The hard limit is lowered, so that the listener cannot raise it again.
        around(command, &["sh", "-c", "ulimit -n 40; exec \"$@\"", "sh"])
    });
    let mut streams: Vec<TcpStream> = (0..100).map(|_| notice.connect()).collect();
    for stream in streams.iter_mut().rev().take(5) {
        stream.write_all(b"PING\r\n").unwrap();
        assert_eq!(read_like(stream, &notice.line()), notice.line());
    }
    assert!(notice.diagnostics().contains("could not accept"), "{}", notice.diagnostics());
}

#[test]
fn without_a_descriptor_it_waits_without_spinning_and_then_goes_on() {
    if !tools(&["prlimit"]) {
        return;
    }
    let notice = Notice::start("");
    let limit = |most: usize| {
        let (pid, limit) = (notice.pid().to_string(), format!("--nofile={most}:"));
        assert!(Command::new("prlimit").args(["--pid", &pid, &limit]).status().unwrap().success());
    };
    let is_free =
        |number: &usize| !Path::new(&format!("/proc/{}/fd/{number}", notice.pid())).exists();
    limit((0..).find(is_free).unwrap());
    let mut stream = notice.connect();
    stream.write_all(b"PING\r\n").unwrap();
    wait_until("accepting fails", || notice.diagnostics().contains("could not accept"));
    let before = times_slept(notice.pid());
    wait_until("it sleeps between its tries", || times_slept(notice.pid()) >= before + 20);
    limit(1000);
    assert_eq!(read_like(&mut stream, &notice.line()), notice.line());
    let mut another = notice.connect();
    another.write_all(b"PING\r\n").unwrap();
    assert_eq!(read_like(&mut another, &notice.line()), notice.line());
}
