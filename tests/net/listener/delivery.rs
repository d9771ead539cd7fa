//! The log says whether a client's own call was answered and the answer arrived, however the connection
//! ended.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use crate::listener::harness::{Notice, read_like, read_to_end, wait_until};

const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";

/// Runs `client` on a connection of its own, and returns its line.
fn line_of(notice: &Notice, client: impl FnOnce(TcpStream)) -> String {
    let lines = notice.log().lines().count();
    client(notice.connect());
    wait_until("the connection is logged", || notice.log().lines().count() > lines);
    notice.log().lines().last().unwrap().to_owned()
}

#[track_caller]
fn assert_told(line: &str, told: &str, outcome: &str) {
    assert!(line.ends_with(&format!(" told={told} outcome={outcome}")), "{line}");
}

/// Closes the way Jedis does.
fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

#[test]
fn a_client_that_reads_its_reply_and_resets_was_told() {
    let notice = Notice::start("");
    let line = line_of(&notice, |mut stream| {
        stream.write_all(SET).unwrap();
        assert_eq!(read_like(&mut stream, &notice.line()), notice.line());
        reset(stream);
    });
    assert_told(&line, "true", "reset");
    assert!(line.contains(" refused=SET "), "{line}");
}

#[test]
fn a_client_that_closes_after_its_reply_was_told() {
    let notice = Notice::start("");
    let told = line_of(&notice, |mut stream| {
        stream.write_all(SET).unwrap();
        read_like(&mut stream, &notice.line());
    });
    assert_told(&told, "true", "told");
    let half_closed = line_of(&notice, |mut stream| {
        stream.write_all(SET).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&mut stream), notice.line());
    });
    assert_told(&half_closed, "true", "told");
    let silent = line_of(&notice, |mut stream| {
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&mut stream), notice.line());
    });
    assert_told(&silent, "true", "told");
}

#[test]
fn set_up_alone_tells_nobody() {
    let notice = Notice::start("");
    for setup in [
        &b"HELLO 3\r\nCLIENT SETINFO LIB-NAME x\r\n"[..],
        b"COMMAND DOCS\r\n",
        b"info\r\n",
        b"CLIENT MAINT_NOTIFICATIONS ON\r\n",
    ] {
        let line = line_of(&notice, |mut stream| {
            stream.write_all(setup).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            read_to_end(&mut stream);
        });
        assert_told(&line, "false", "closed");
    }
}

#[test]
fn told_stays_told_when_the_listener_ends_the_connection() {
    let mut notice = Notice::start("idle = 1\nmax-per-source = 1");
    let ask = |stream: &mut TcpStream| {
        stream.write_all(SET).unwrap();
        assert_eq!(read_like(stream, &notice.line()), notice.line());
    };
    let idle = line_of(&notice, |mut stream| {
        ask(&mut stream);
        assert_eq!(read_to_end(&mut stream), "");
    });
    assert_told(&idle, "true", "idle");
    let (mut shed, mut newcomer) = (notice.connect(), None);
    ask(&mut shed);
    let line = line_of(&notice, |mut stream| {
        ask(&mut stream);
        newcomer = Some(stream);
        assert_eq!(read_to_end(&mut shed), "");
        drop(shed);
    });
    assert_told(&line, "true", "shed");
    drop(newcomer);
    let mut open = notice.connect();
    ask(&mut open);
    let (_, log) = notice.stop();
    assert_told(log.lines().last().unwrap(), "true", "shutdown");
}

#[test]
fn a_client_that_ends_and_never_reads_does_not_stop_the_listener() {
    let mut notice = Notice::start("");
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    // So small that the kernel acknowledges only some of the replies.
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&SocketAddr::from(([127, 0, 0, 1], notice.port)).into()).unwrap();
    let mut deaf = TcpStream::from(socket);
    deaf.write_all(&b"PING\r\n".repeat(2000)).unwrap();
    deaf.shutdown(Shutdown::Write).unwrap();
    // Over several looks for the acknowledgement.
    for _ in 0..10 {
        let mut other = notice.connect();
        other.write_all(SET).unwrap();
        assert_eq!(read_like(&mut other, &notice.line()), notice.line());
        std::thread::sleep(Duration::from_millis(50));
    }
    let (status, log) = notice.stop();
    assert!(status.success());
    assert_eq!(log.matches(" told=false outcome=").count(), 1, "{log}");
    drop(deaf);
}
