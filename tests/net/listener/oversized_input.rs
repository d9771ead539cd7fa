//! Clients that send too much or read too little use bounded memory and get all replies.
//!
//! Nothing spins, and meanwhile other clients get the notice.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::thread;

use crate::listener::eviction_under_load::Victim;
use crate::listener::harness::many_clients::{connect_from, source};
use crate::listener::harness::process_usage::descriptors;
use crate::listener::harness::{Notice, read_to_end, wait_until};

/// Has several clients do the same at once.
fn by_eight(victim: &Victim, work: impl Fn(TcpStream) + Sync) {
    let port = victim.notice.port;
    victim.amid_clients(|| {
        thread::scope(|scope| {
            for number in 0..8 {
                let work = &work;
                scope.spawn(move || work(connect_from(source(number), port)));
            }
        });
    });
}

#[test]
fn commands_of_four_mebibytes_are_answered_once() {
    let victim = Victim::new(Notice::start(""));
    let line = victim.notice.line();
    let value = vec![b'\n'; 4 << 20];
    by_eight(&victim, |mut stream| {
        stream.write_all(b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$4194304\r\n").unwrap();
        stream.write_all(&value).unwrap();
        stream.write_all(b"\r\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&mut stream), line);
    });
    victim.bears_it();
    victim.recovers(8);
}

#[test]
fn a_hundred_thousand_pipelined_commands_are_answered_one_by_one() {
    let victim = Victim::new(Notice::start(""));
    let replies = victim.notice.line().repeat(100_000);
    let commands = b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n".repeat(100_000);
    by_eight(&victim, |mut stream| {
        stream.write_all(&commands).unwrap();
        // Nothing was read until here, and all of it is waiting.
        victim.keeps_its_bound();
        stream.shutdown(Shutdown::Write).unwrap();
        assert!(read_to_end(&mut stream) == replies, "not the same replies");
    });
    victim.bears_it();
    victim.recovers(8);
}

#[test]
fn endless_inline_input_is_told_and_ended() {
    let victim = Victim::new(Notice::start(""));
    let line = victim.notice.line();
    by_one(&victim, |mut stream| {
        let mut sending = stream.try_clone().unwrap();
        let endless = thread::spawn(move || {
            let piece = vec![b'x'; 1 << 20];
            // Until the other side has had enough.
            (0..2_000).find_map(|_| sending.write_all(&piece).err())
        });
        assert_eq!(read_to_end(&mut stream), line);
        victim.keeps_its_bound();
        stream.shutdown(Shutdown::Both).unwrap();
        assert!(endless.join().unwrap().is_some(), "it was never ended");
    });
    victim.recovers(1);
}

#[test]
fn peers_that_never_read_cost_nothing_while_they_wait() {
    let victim = Victim::new(Notice::start(""));
    let port = victim.notice.port;
    let commands = b"PING\r\n".repeat(100_000);
    let before = descriptors(victim.notice.pid());
    let deaf: Vec<TcpStream> = victim.amid_clients(|| {
        let send = |number| {
            let mut stream = connect_from(source(number), port);
            stream.write_all(&commands).unwrap();
            stream
        };
        (0..40).map(send).collect()
    });
    wait_until("all are there", || descriptors(victim.notice.pid()) >= before + deaf.len());
    victim.bears_it();
    drop(deaf);
    victim.recovers(40);
}

fn by_one(victim: &Victim, work: impl FnOnce(TcpStream) + Send) {
    let port = victim.notice.port;
    victim.amid_clients(|| work(connect_from(source(0), port)));
}
