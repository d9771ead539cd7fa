//! PROXY headers are consumed in silence, other protocols are named, and blank lines are no command.

use std::io::Write;
use std::net::{Shutdown, TcpStream};

use crate::listener::harness::{Notice, read_like, read_to_end, wait_until};

const V1: &[u8] = b"PROXY TCP4 192.0.2.7 192.0.2.1 50000 6379\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\xc0\0\x02\x01\xc3\x50\x18\xeb";
const SELECT_AND_SET: &[u8] = b"*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n\
    *3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";

/// Sends `bytes`, ends, and reads everything.
fn exchange(notice: &Notice, bytes: &[u8]) -> Vec<u8> {
    let mut stream = notice.connect();
    stream.write_all(bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    read_bytes(&mut stream)
}

fn read_bytes(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(stream, &mut bytes).unwrap();
    bytes
}

#[test]
fn commands_behind_a_proxy_header_get_their_own_replies() {
    let mut notice = Notice::start("");
    let expected = format!("+OK\r\n{}", notice.line());
    for header in [V1, V2, &[V1, V2].concat(), b"PROXY UNKNOWN\r\n"] {
        let replies = exchange(&notice, &[header, SELECT_AND_SET].concat());
        assert_eq!(String::from_utf8_lossy(&replies), expected, "{}", header.escape_ascii());
    }
    let (_, log) = notice.stop();
    assert_eq!(log.matches(" refused=SET stated-peer=192.0.2.7:50000 ").count(), 3, "{log}");
    assert_eq!(log.matches(" peer=127.0.0.1 ").count(), 4, "{log}");
}

#[test]
fn a_header_that_is_none_ends_the_connection_with_one_notice() {
    let mut notice = Notice::start("");
    for header in [&b"PROXY me\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x11\x11\0\0"] {
        let replies = exchange(&notice, &[header, SELECT_AND_SET].concat());
        assert_eq!(String::from_utf8_lossy(&replies), notice.line());
    }
    let (_, log) = notice.stop();
    assert_eq!(log.matches(" protocol=proxy command=none replies=1 ").count(), 2, "{log}");
}

#[test]
fn a_stated_address_counts_towards_no_limit() {
    let notice = Notice::start("max-per-source = 2");
    let mut streams: Vec<TcpStream> = (0..3).map(|_| notice.connect()).collect();
    for (number, stream) in streams.iter_mut().enumerate() {
        let header = format!("PROXY TCP4 192.0.2.{number} 192.0.2.1 50000 6379\r\nPING\r\n");
        stream.write_all(header.as_bytes()).unwrap();
    }
    assert_eq!(read_to_end(&mut streams[0]), notice.line(), "the oldest made room");
}

/// The first bytes of clients that were pointed at the port by mistake.
#[test]
fn other_protocols_are_answered_at_once_and_named() {
    let mongodb = [&[0x2b, 0x01, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0xdd, 0x07, 0, 0][..], &[0; 99]];
    let mysql = [&[0x2c, 0, 0, 1, 0x85, 0xa6, 0x03, 0, 0, 0, 0, 1, 0x21][..], &[0; 35]];
    let mut notice = Notice::start("");
    for (protocol, bytes) in [
        ("ssh", &b"SSH-2.0-OpenSSH_9.2\r\n"[..]),
        ("http2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("cluster-bus", b"RCmb\0\0\x08\xfc"),
        ("amqp", b"AMQP\0\0\x09\x01"),
        ("mqtt", b"\x10\x10\0\x04MQTT\x04\x02\0\x3c\0\x04test"),
        ("postgresql", b"\0\0\0\x08\x04\xd2\x16\x2f"),
        ("mongodb", &mongodb.concat()),
        ("mysql", &mysql.concat()),
        ("tls", b"\x16\x03\x01\x02\0"),
        ("tls", b"\x80\x2e\x01\x03\x01"),
    ] {
        let mut stream = notice.connect();
        stream.write_all(bytes).unwrap();
        let reply = read_bytes(&mut stream);
        match protocol {
            "tls" => assert_eq!(reply, [0x15, 3, 3, 0, 2, 2, 49]),
            "http2" => assert!(reply.starts_with(b"HTTP/1.1 421 PORTCLOSED")),
            _ => assert_eq!(String::from_utf8_lossy(&reply), notice.line(), "{protocol}"),
        }
        drop(stream);
        let line = format!(" protocol={protocol} command=none replies=1 ");
        wait_until("it is logged", || notice.log().contains(&line));
    }
    let (_, log) = notice.stop();
    assert_eq!(log.lines().count(), 10, "{log}");
}

#[test]
fn bytes_that_are_nothing_known_are_logged_as_unknown() {
    let mut notice = Notice::start("");
    for bytes in [&b"\x16"[..], b"\xff\xfe\xfd", b"\0"] {
        assert_eq!(String::from_utf8_lossy(&exchange(&notice, bytes)), notice.line());
    }
    exchange(&notice, b"");
    let (_, log) = notice.stop();
    assert_eq!(log.matches(" protocol=unknown ").count(), 3, "{log}");
    assert_eq!(log.matches(" protocol=none ").count(), 1, "{log}");
}

#[test]
fn blank_lines_and_empty_arrays_do_not_silence_the_listener() {
    let notice = Notice::start("");
    let blanks = [&b"\r\n"[..], b"\r\n\r\n", b"\n", b"*0\r\n", b"*-1\r\n", b" \r\n"];
    let mut waiting: Vec<TcpStream> = blanks.iter().map(|_| notice.connect()).collect();
    for (stream, blank) in waiting.iter_mut().zip(blanks) {
        stream.write_all(blank).unwrap();
    }
    for blank in blanks {
        let ended = exchange(&notice, blank);
        assert_eq!(String::from_utf8_lossy(&ended), notice.line(), "{}", blank.escape_ascii());
    }
    for stream in &mut waiting {
        assert_eq!(read_like(stream, &notice.line()), notice.line());
    }
    let after = exchange(&notice, b"\r\nPING\r\n\r\n");
    assert_eq!(String::from_utf8_lossy(&after), notice.line());
}
