//! That what lies between changes nothing of what is said, or of what counts as said.
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

/// What is sent to a socket that takes so many bytes and is full then.
fn sent(layer: &mut Transport, dialogue: &mut Session, mut room: usize) -> Vec<u8> {
    let (mut batch, mut taken) = (WriteBuffer::default(), Vec::new());
    while layer.has_to_send(dialogue) {
        let mut write = |bytes: &[u8]| match room.min(bytes.len()) {
            0 => Err(ErrorKind::WouldBlock.into()),
            size => {
                taken.extend_from_slice(&bytes[..size]);
                room -= size;
                Ok(size)
            }
        };
        if layer.send(dialogue, &notice(), &mut batch, &mut write).unwrap() == 0 {
            break;
        }
    }
    taken
}

/// Carries bytes to and fro, the client's first ones in two pieces, until nobody has any.
fn shake_hands(
    layer: &mut Transport,
    dialogue: &mut Session,
    client: &mut ClientConnection,
    split: usize,
) {
    loop {
        let bytes = sealed(client);
        let (first, rest) = bytes.split_at(split.min(bytes.len()));
        for piece in [first, rest].into_iter().filter(|piece| !piece.is_empty()) {
            layer.receive(piece, dialogue, || true);
        }
        let answer = sent(layer, dialogue, usize::MAX);
        if bytes.is_empty() && answer.is_empty() {
            break;
        }
        client.read_tls(&mut answer.as_slice()).unwrap();
        client.process_new_packets().unwrap();
    }
    assert!(!client.is_handshaking() && !layer.is_handshaking());
}

#[test]
fn an_answer_counts_when_its_last_sealed_byte_is_sent() {
    let (mut client, config) = pair();
    let (mut layer, mut dialogue) = (Transport::new(Some(config)), Session::new());
    shake_hands(&mut layer, &mut dialogue, &mut client, 0);
    client.writer().write_all(b"PING\r\nPING\r\n").unwrap();
    layer.receive(&sealed(&mut client), &mut dialogue, || true);
    let mut answers = sent(&mut layer, &mut dialogue, 20);
    assert_eq!((answers.len(), dialogue.replies_sent(), dialogue.notice_sent()), (20, 0, false));
    // What is added meanwhile comes behind it.
    client.writer().write_all(b"QUIT\r\n").unwrap();
    layer.receive(&sealed(&mut client), &mut dialogue, || true);
    answers.extend(sent(&mut layer, &mut dialogue, usize::MAX));
    assert_eq!((dialogue.replies_sent(), dialogue.notice_sent()), (3, true));
    client.read_tls(&mut answers.as_slice()).unwrap();
    client.process_new_packets().unwrap();
    let mut text = [0; 99];
    let length = std::io::Read::read(&mut client.reader(), &mut text).unwrap();
    assert_eq!(&text[..length], b"-PORTCLOSED\r\n-PORTCLOSED\r\n+OK\r\n");
    assert_eq!(layer.finish(), Some(TlsOutcome::Version13));
}

#[test]
fn nothing_is_owed_to_the_socket_before_there_are_keys() {
    let (mut client, config) = pair();
    let (mut layer, mut dialogue) = (Transport::new(Some(config)), Session::new());
    layer.receive(&sealed(&mut client)[..60], &mut dialogue, || true);
    dialogue.close_with_notice();
    assert!(dialogue.owes_replies() && layer.is_handshaking() && !layer.has_to_send(&dialogue));
    layer.end_of_input(&mut dialogue);
    assert!(dialogue.is_closing() && !dialogue.owes_replies());
    layer.close();
    assert_eq!(layer.finish(), Some(TlsOutcome::Unfinished));
}

#[test]
fn the_first_two_bytes_decide_wherever_they_are_split() {
    for split in 0..=3 {
        let (mut client, config) = pair();
        let (mut layer, mut dialogue) = (Transport::new(Some(config)), Session::new());
        shake_hands(&mut layer, &mut dialogue, &mut client, split);
        assert_eq!(layer.finish(), Some(TlsOutcome::Version13));
    }
    for (bytes, command) in [(&b"\x16PING\r\n"[..], "other"), (b"PING\r\n", "PING")] {
        for split in 0..=2 {
            let (mut layer, mut dialogue) = (Transport::new(Some(pair().1)), Session::new());
            for piece in [&bytes[..split], &bytes[split..]].into_iter().filter(|it| !it.is_empty())
            {
                layer.receive(piece, &mut dialogue, || true);
            }
            assert_eq!(
                dialogue.client().command.map(CommandName::as_str),
                Some(command),
                "{split}"
            );
            assert_eq!(sent(&mut layer, &mut dialogue, usize::MAX), b"-PORTCLOSED\r\n");
            assert_eq!(layer.finish(), None);
        }
    }
    let (mut layer, mut dialogue) = (Transport::new(None), Session::new());
    layer.receive(b"\x16\x03\x01", &mut dialogue, || true);
    assert_eq!(dialogue.client().protocol, Protocol::Tls);
    assert_eq!(layer.finish(), None);
}

#[test]
fn who_comes_when_no_handshake_may_begin_gets_the_alert() {
    let (mut client, config) = pair();
    let (mut layer, mut dialogue) = (Transport::new(Some(config)), Session::new());
    layer.receive(&sealed(&mut client), &mut dialogue, || false);
    assert_eq!(sent(&mut layer, &mut dialogue, 99), [0x15, 3, 3, 0, 2, 2, 49]);
}
