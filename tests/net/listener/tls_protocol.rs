//! Sockets with TLS: handshakes, alerts, close_notify and idle sessions.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::listener::certificates::Certificate;
use crate::listener::clients::tls_clients::start;
use crate::listener::harness::{Notice, read_like, read_to_end, wait_until};

type Sealed = StreamOwned<ClientConnection, TcpStream>;

fn client(certificate: &Certificate) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    let pem = fs::read(certificate.path("cert.pem")).unwrap();
    roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    ClientConnection::new(Arc::new(config), name).unwrap()
}

/// A connection whose handshake is done.
fn connect(notice: &Notice, certificate: &Certificate) -> Sealed {
    let mut stream = StreamOwned::new(client(certificate), notice.connect());
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
    stream
}

/// Everything up to the listener's farewell; an end without one is a failure.
fn read_to_farewell(stream: &mut Sealed) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn read_line(stream: &mut Sealed, expected: &str) -> String {
    let mut bytes = vec![0; expected.len()];
    stream.read_exact(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn close_notify_after_commands_gets_all_replies_and_close_notify() {
    let Some((mut notice, certificate)) = start() else { return };
    let mut stream = connect(&notice, &certificate);
    stream.write_all(b"PING\r\nPING\r\nPI").unwrap();
    stream.conn.send_close_notify();
    stream.flush().unwrap();
    assert_eq!(read_to_farewell(&mut stream), notice.line().repeat(3));
    drop(stream);
    assert!(notice.stop().1.ends_with(" outcome=told\n"));
}

#[test]
fn a_fin_without_close_notify_ends_the_session() {
    let Some((mut notice, certificate)) = start() else { return };
    let mut stream = connect(&notice, &certificate);
    stream.write_all(b"PING\r\n").unwrap();
    stream.sock.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_farewell(&mut stream), notice.line());
    // Nor is one before anything was said, or before there were keys.
    let mut mute = connect(&notice, &certificate);
    mute.sock.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_farewell(&mut mute), notice.line());
    let mut early = notice.connect();
    let mut hello = Vec::new();
    client(&certificate).write_tls(&mut hello).unwrap();
    early.write_all(&hello[..100]).unwrap();
    early.shutdown(Shutdown::Write).unwrap();
    let mut farewell = Vec::new();
    early.read_to_end(&mut farewell).unwrap();
    assert_eq!(farewell, b"\x15\x03\x03\x00\x02\x01\x00");
    let (_, log) = notice.stop();
    assert_eq!(log.matches(" outcome=told\n").count(), 2, "{log}");
    assert!(log.contains(" protocol=tls tls=1.3 command=none replies=1 "), "{log}");
    assert!(log.contains(" protocol=tls tls=unfinished command=none replies=0 "), "{log}");
}

#[test]
fn a_peer_that_pauses_in_its_handshake_gets_no_unprompted_notice() {
    let Some((notice, certificate)) = start() else { return };
    let mut stream = StreamOwned::new(client(&certificate), notice.connect());
    let mut hello = Vec::new();
    stream.conn.write_tls(&mut hello).unwrap();
    // It rests in the middle of its hello.
    stream.sock.write_all(&hello[..50]).unwrap();
    stream.sock.set_read_timeout(Some(Duration::from_millis(1300))).unwrap();
    let nothing = stream.sock.read(&mut [0]);
    assert_eq!(nothing.unwrap_err().kind(), ErrorKind::WouldBlock, "said before there were keys");
    stream.sock.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.sock.write_all(&hello[50..]).unwrap();
    // Nor did that make it one that has to be told unasked.
    stream.write_all(b"PING\r\nQUIT\r\n").unwrap();
    assert_eq!(read_to_farewell(&mut stream), format!("{}+OK\r\n", notice.line()));
}

#[test]
fn a_pipeline_that_nobody_reads_until_it_is_sent_is_answered_in_full() {
    let Some((notice, certificate)) = start() else { return };
    let mut stream = connect(&notice, &certificate);
    stream.conn.set_buffer_limit(None);
    // More than the kernel's buffers hold, in both directions.
    let commands = 100_000;
    let command = format!("*2\r\n$3\r\nGET\r\n$100\r\n{}\r\n", "x".repeat(100));
    stream.write_all(command.repeat(commands).as_bytes()).unwrap();
    stream.conn.send_close_notify();
    while stream.conn.wants_write() {
        stream.conn.write_tls(&mut stream.sock).unwrap();
    }
    let answers = read_to_farewell(&mut stream);
    assert!(answers == notice.line().repeat(commands), "not the same replies");
}

#[test]
fn a_client_that_waits_for_each_answer_gets_each() {
    let Some((notice, certificate)) = start() else { return };
    let mut stream = connect(&notice, &certificate);
    for _ in 0..60 {
        stream.write_all(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n").unwrap();
        assert_eq!(read_line(&mut stream, &notice.line()), notice.line());
    }
}

#[test]
fn a_handshake_in_packets_of_one_byte_succeeds() {
    let Some((notice, certificate)) = start() else { return };
    let mut stream = StreamOwned::new(client(&certificate), notice.connect());
    stream.sock.set_nodelay(true).unwrap();
    while stream.conn.is_handshaking() {
        let mut sealed = Vec::new();
        while stream.conn.wants_write() {
            stream.conn.write_tls(&mut sealed).unwrap();
        }
        for byte in sealed {
            stream.sock.write_all(&[byte]).unwrap();
        }
        if stream.conn.is_handshaking() {
            stream.conn.read_tls(&mut stream.sock).unwrap();
            stream.conn.process_new_packets().unwrap();
        }
    }
    stream.write_all(b"PING\r\n").unwrap();
    assert_eq!(read_line(&mut stream, &notice.line()), notice.line());
}

#[test]
fn bytes_that_only_look_like_tls_get_an_alert_or_are_a_command() {
    let Some((mut notice, _certificate)) = start() else { return };
    for garbage in [&b"\x16\x03PING\r\n"[..], b"\x16\x03\x01\x00\x04\xff\xff\xff\xff"] {
        let mut stream = notice.connect();
        stream.write_all(garbage).unwrap();
        let mut alert = [0; 7];
        stream.read_exact(&mut alert).unwrap();
        assert_eq!(alert[0], 0x15, "{garbage:?}");
        assert_eq!(read_to_end(&mut stream), "");
    }
    for (first, rest) in [(&b"\x16"[..], &b"PING\r\n"[..]), (b"\x16PING\r\n", b"")] {
        let mut stream = notice.connect();
        stream.set_nodelay(true).unwrap();
        stream.write_all(first).unwrap();
        stream.write_all(rest).unwrap();
        assert_eq!(read_like(&mut stream, &notice.line()), notice.line());
    }
    let (_, log) = notice.stop();
    assert_eq!(log.matches(" protocol=tls tls=broken ").count(), 2, "{log}");
    assert_eq!(log.matches(" protocol=inline command=other ").count(), 2, "{log}");
}

#[test]
fn a_shutdown_tells_established_sessions_and_is_not_delayed() {
    let Some((mut notice, certificate)) = start() else { return };
    let mut resting = connect(&notice, &certificate);
    resting.write_all(b"PING\r\n").unwrap();
    assert_eq!(read_line(&mut resting, &notice.line()), notice.line());
    let mut silent = connect(&notice, &certificate);
    let mut without_keys = notice.connect();
    without_keys.write_all(b"\x16\x03\x01").unwrap();
    // It has taken in what was sent before when it answers what was sent after.
    let mut other = notice.connect();
    other.write_all(b"PING\r\n").unwrap();
    assert_eq!(read_like(&mut other, &notice.line()), notice.line());
    let (status, log) = notice.stop();
    assert!(status.success());
    assert_eq!(log.matches(" outcome=shutdown\n").count(), 4, "{log}");
    assert_eq!(read_to_farewell(&mut resting), "");
    assert_eq!(read_to_farewell(&mut silent), notice.line());
    assert_eq!(read_to_end(&mut without_keys), "");
}

#[test]
fn idle_sessions_are_evicted_with_close_notify() {
    let Some(certificate) = Certificate::new() else { return };
    let settings = format!("max-connections = 8\nmax-per-source = 9\n{}", certificate.settings());
    let mut notice = Notice::start(&settings);
    let mut idle: Vec<Sealed> = (0..8).map(|_| connect(&notice, &certificate)).collect();
    for stream in &mut idle {
        stream.write_all(b"PING\r\n").unwrap();
        assert_eq!(read_line(stream, &notice.line()), notice.line());
    }
    let mut newcomer = connect(&notice, &certificate);
    newcomer.write_all(b"PING\r\n").unwrap();
    assert_eq!(read_line(&mut newcomer, &notice.line()), notice.line());
    assert_eq!(read_to_farewell(&mut idle[0]), "");
    drop(idle);
    wait_until("it is logged", || notice.log().contains(" outcome=shed\n"));
    assert_eq!(notice.stop().1.matches(" outcome=shed\n").count(), 1);
}
