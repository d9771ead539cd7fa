//! What is recognised, and that it does not depend on how the bytes are split.
#![allow(clippy::unwrap_used)]

use super::*;

/// What came of `bytes` in pieces of `step`: the addresses that headers state, the opening, and the bytes
/// that the protocol gets.
fn read(bytes: &[u8], step: usize) -> (Vec<Option<SocketAddr>>, Option<Opening>, Vec<u8>) {
    let (mut first, mut stated) = (FirstBytes::default(), Vec::new());
    let mut pieces = bytes.chunks(step);
    while let Some(mut piece) = pieces.next() {
        while !piece.is_empty() {
            match first.read(&mut piece) {
                Progress::NeedsMore => assert!(piece.is_empty()),
                Progress::ProxyHeader(address) => stated.push(address),
                Progress::Opened { opening, held } => {
                    let rest = [&held, piece, &pieces.collect::<Vec<_>>().concat()].concat();
                    return (stated, Some(opening), rest);
                }
            }
        }
    }
    let held = match first.end() {
        Unfinished::Bytes(held) => held,
        Unfinished::ProxyHeader => b"(header)".to_vec(),
    };
    (stated, None, held)
}

#[track_caller]
fn assert_read(
    bytes: &[u8],
    stated: &[Option<&str>],
    opening: impl Into<Option<Opening>>,
    rest: &[u8],
) {
    let stated: Vec<_> = stated.iter().map(|text| text.map(|it| it.parse().unwrap())).collect();
    let expected = (stated, opening.into(), rest.to_vec());
    for step in [1, 2, 3, 5, usize::MAX] {
        assert_eq!(read(bytes, step), expected, "in steps of {step}: {}", bytes.escape_ascii());
    }
}

/// The first bytes of real clients, and what they are.
#[test]
fn protocols_are_recognised() {
    let mongodb =
        [&[0x2b, 0x01, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0xdd, 0x07, 0, 0][..], b"\0\0\0\0\0hello"];
    let mysql = [&[0x2c, 0, 0, 1, 0x85, 0xa6, 0x03, 0, 0, 0, 0, 1, 0x21][..], &[0; 23], b"root\0"];
    for (bytes, opening) in [
        (&b"*1\r\n$4\r\nPING\r\n"[..], Opening::Commands),
        (b"PING\r\n", Opening::Commands),
        (b"PROXYING is no command\r\n", Opening::Commands),
        (b"PROXY\r\n", Opening::Commands),
        (b"SSHOW me\r\n", Opening::Commands),
        (b"GET / HTTP/1.1\r\n", Opening::Commands),
        (b"x\n", Opening::Commands),
        (b"\r\nPING\r\n", Opening::Commands),
        (b"\x16PING\r\n", Opening::Commands),
        (b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", Opening::Commands),
        (b"\xff\xff\xff\xff\xff\xff", Opening::Commands),
        (b"\x16\x03\x01\x02\0", Opening::Tls),
        (b"\x80\x2e\x01\x03\x01", Opening::SslV2Hello),
        (b"\x80\x2e\x01\x00\x02", Opening::SslV2Hello),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Opening::Foreign(Protocol::Ssh)),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Opening::Foreign(Protocol::Http2)),
        (b"RCmb\0\0\x08\xfc", Opening::Foreign(Protocol::ClusterBus)),
        (b"AMQP\0\0\x09\x01", Opening::Foreign(Protocol::Amqp)),
        (b"\x10\x10\0\x04MQTT\x04\x02", Opening::Foreign(Protocol::Mqtt)),
        (b"\x10\x80\x01\0\x06MQIsdp\x03", Opening::Foreign(Protocol::Mqtt)),
        (b"\x10\xff\xff\xff\xff\0\x04MQTT", Opening::Commands),
        (b"\0\0\0\x08\x04\xd2\x16\x2f", Opening::Foreign(Protocol::PostgreSql)),
        (b"\0\0\0\x54\0\x03\0\0user\0", Opening::Foreign(Protocol::PostgreSql)),
        (&mongodb.concat(), Opening::Foreign(Protocol::MongoDb)),
        (&mysql.concat(), Opening::Foreign(Protocol::MySql)),
    ] {
        assert_read(bytes, &[], opening, bytes);
    }
}

#[test]
fn too_few_bytes_are_held_back() {
    for bytes in [&b"\x16"[..], b"PRO", b"\r\n", b"\r\n\r\n", b"P", b"\0\0\0\x08", b"SSH"] {
        assert_read(bytes, &[], None, bytes);
    }
    assert_read(b"PROXY TCP4 192.0.2.7 192.", &[], None, b"(header)");
    assert_read(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0", &[], None, b"(header)");
    assert_read(b"", &[], None, b"");
}

#[test]
fn proxy_headers_are_consumed_and_the_protocol_behind_them_is_recognised() {
    let v1 = b"PROXY TCP4 192.0.2.7 192.0.2.1 50000 6379\r\n";
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x08\xc0\0\x02\x01\xc3\x50\x18\xeb";
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    let (one, two) = (Some("192.0.2.7:50000"), Some("192.0.2.8:50000"));
    let get = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
    let followed = |header: &[u8], rest: &[u8]| [header, rest].concat();
    assert_read(&followed(v1, get), &[one], Opening::Commands, get);
    assert_read(&followed(v2, get), &[two], Opening::Commands, get);
    assert_read(&followed(local, b"PING\r\n"), &[None], Opening::Commands, b"PING\r\n");
    assert_read(&followed(v2, b"\x16\x03\x01"), &[two], Opening::Tls, b"\x16\x03\x01");
    assert_read(&[&v1[..], v2, get].concat(), &[one, two], Opening::Commands, get);
    assert_read(v1, &[one], None, b"");
    let malformed = b"PROXY me\r\nPING\r\n";
    assert_read(malformed, &[], Opening::MalformedProxy, b"PING\r\n");
}
