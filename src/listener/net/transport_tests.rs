//! The transport changes neither what is sent nor when a reply counts as sent.
#![allow(clippy::unwrap_used)]
use std::io::Write;

use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::*;
use crate::listener::protocol::client_info::Protocol;
use crate::listener::protocol::encode::Notice;
use crate::listener::protocol::known_commands::CommandName;

fn notice() -> Notice {
    Notice { sentence: "PORTCLOSED".into(), port: 6379, address: [127, 0, 0, 1].into() }
}

fn pair() -> (ClientConnection, Arc<ServerConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let server = ServerConfig::builder().with_no_client_auth();
    let server = server.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    (ClientConnection::new(Arc::new(client), name).unwrap(), Arc::new(server))
}

/// What the client sends now.
fn sealed(client: &mut ClientConnection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).unwrap();
    }
    bytes
}

/// What is sent to a socket whose send buffer takes `space` bytes.
fn sent(transport: &mut Transport, session: &mut Session, mut space: usize) -> Vec<u8> {
    let (mut buffer, mut taken) = (WriteBuffer::default(), Vec::new());
    while transport.has_output(session) {
        let mut write = |bytes: &[u8]| match space.min(bytes.len()) {
            0 => Err(ErrorKind::WouldBlock.into()),
            size => {
                taken.extend_from_slice(&bytes[..size]);
                space -= size;
                Ok(size)
            }
        };
        if transport.send(session, &notice(), &mut buffer, &mut write).unwrap() == 0 {
            break;
        }
    }
    taken
}

/// Exchanges bytes until neither side has any; the client's are split in two at `split`.
fn handshake(
    transport: &mut Transport,
    session: &mut Session,
    (client, config): &mut (ClientConnection, Arc<ServerConfig>),
    split: usize,
) {
    loop {
        let bytes = sealed(client);
        let (first, rest) = bytes.split_at(split.min(bytes.len()));
        for piece in [first, rest].into_iter().filter(|piece| !piece.is_empty()) {
            transport.receive(piece, session, || Some(&*config));
        }
        let answer = sent(transport, session, usize::MAX);
        if bytes.is_empty() && answer.is_empty() {
            break;
        }
        client.read_tls(&mut answer.as_slice()).unwrap();
        client.process_new_packets().unwrap();
    }
    assert!(!client.is_handshaking() && !transport.is_handshaking());
}

#[test]
fn a_reply_counts_when_its_last_sealed_byte_is_sent() {
    let mut pair = pair();
    let (mut transport, mut session) = (Transport::default(), Session::default());
    handshake(&mut transport, &mut session, &mut pair, 0);
    let client = &mut pair.0;
    client.writer().write_all(b"PING\r\nPING\r\n").unwrap();
    transport.receive(&sealed(client), &mut session, || None);
    let mut answers = sent(&mut transport, &mut session, 20);
    let counts = |session: &Session| (session.record().stats.sent, session.record().told_user());
    assert_eq!((answers.len(), counts(&session)), (20, (0, false)));
    // A reply that is added meanwhile comes after them.
    client.writer().write_all(b"QUIT\r\n").unwrap();
    transport.receive(&sealed(client), &mut session, || None);
    answers.extend(sent(&mut transport, &mut session, usize::MAX));
    assert_eq!(counts(&session), (3, true));
    client.read_tls(&mut answers.as_slice()).unwrap();
    client.process_new_packets().unwrap();
    let mut text = [0; 99];
    let length = std::io::Read::read(&mut client.reader(), &mut text).unwrap();
    assert_eq!(&text[..length], b"-PORTCLOSED\r\n-PORTCLOSED\r\n+OK\r\n");
    assert_eq!(transport.finish(&mut session), Some(TlsOutcome::Version13));
}

#[test]
fn there_is_no_output_before_there_are_keys() {
    let (mut client, config) = pair();
    let (mut transport, mut session) = (Transport::default(), Session::default());
    transport.receive(&sealed(&mut client)[..60], &mut session, || Some(&config));
    session.close_with_notice();
    assert!(
        session.owes_replies() && transport.is_handshaking() && !transport.has_output(&session)
    );
    transport.end_of_input(&mut session);
    assert!(session.is_closing() && !session.owes_replies());
    transport.close();
    assert_eq!(transport.finish(&mut session), Some(TlsOutcome::Unfinished));
}

#[test]
fn the_first_bytes_decide_wherever_they_are_split() {
    for split in 0..=3 {
        let mut pair = pair();
        let (mut transport, mut session) = (Transport::default(), Session::default());
        handshake(&mut transport, &mut session, &mut pair, split);
        assert_eq!(transport.finish(&mut session), Some(TlsOutcome::Version13));
    }
    let (_, config) = pair();
    for (bytes, command) in [(&b"\x16PING\r\n"[..], "other"), (b"PING\r\n", "PING")] {
        for split in 0..=2 {
            let (mut transport, mut session) = (Transport::default(), Session::default());
            for piece in [&bytes[..split], &bytes[split..]] {
                transport.receive(piece, &mut session, || Some(&config));
            }
            let recorded = session.record().client.command.map(CommandName::as_str);
            assert_eq!(recorded, Some(command), "{split}");
            assert_eq!(sent(&mut transport, &mut session, usize::MAX), b"-PORTCLOSED\r\n");
            assert_eq!(transport.finish(&mut session), None);
        }
    }
}

#[test]
fn a_client_whose_handshake_may_not_begin_gets_the_alert() {
    let (mut client, _) = pair();
    for hello in [&sealed(&mut client)[..], b"\x80\x2e\x01\x03\x01"] {
        let (mut transport, mut session) = (Transport::default(), Session::default());
        transport.receive(hello, &mut session, || None);
        assert_eq!(sent(&mut transport, &mut session, 99), [0x15, 3, 3, 0, 2, 2, 49]);
        assert_eq!(session.record().client.protocol, Protocol::Tls);
        assert_eq!(transport.finish(&mut session), None);
    }
}

#[test]
fn a_proxy_header_comes_before_tls_and_is_not_part_of_it() {
    let mut pair = pair();
    let (mut transport, mut session) = (Transport::default(), Session::default());
    let header = b"PROXY TCP4 192.0.2.7 192.0.2.1 50000 6379\r\n";
    transport.receive(header, &mut session, || None);
    handshake(&mut transport, &mut session, &mut pair, usize::MAX);
    let stated = session.record().client.stated().peer;
    assert_eq!(stated, Some("192.0.2.7:50000".parse().unwrap()));
}

#[test]
fn held_bytes_are_not_lost_at_the_end_of_input() {
    for (bytes, protocol) in [
        (&b""[..], Protocol::None),
        (b"PRO", Protocol::Inline),
        (b"\x16", Protocol::Unknown),
        (b"PROXY TCP4", Protocol::Proxy),
        (b"\r\n\r\n", Protocol::Inline),
    ] {
        let (mut transport, mut session) = (Transport::default(), Session::default());
        transport.receive(bytes, &mut session, || None);
        transport.end_of_input(&mut session);
        assert_eq!(sent(&mut transport, &mut session, 99), b"-PORTCLOSED\r\n");
        assert_eq!(session.record().client.protocol, protocol, "{}", bytes.escape_ascii());
    }
}
