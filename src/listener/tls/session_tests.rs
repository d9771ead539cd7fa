//! The session against the client side of rustls, over bytes in memory, at any split.
#![allow(clippy::unwrap_used)]
use std::io::Read;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion,
};

use super::*;

const NAME: &str = "redis.example.org";
const BOTH: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];
/// Sizes of the pieces that both sides get what the other one sent in.
const SPLITS: [usize; 6] = [1, 2, 7, 100, 4096, usize::MAX];

struct Pair {
    client: ClientConnection,
    session: TlsSession,
    /// What the session decrypted.
    plaintext: Vec<u8>,
    /// What the client decrypted, and whether close_notify came after it.
    read: Vec<u8>,
    got_close_notify: bool,
    broken: bool,
}

type Identity = (CertificateDer<'static>, PrivateKeyDer<'static>);

fn identity(issuer: &str) -> Identity {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new([NAME.to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, issuer);
    let cert = params.self_signed(&key).unwrap();
    (cert.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).unwrap())
}

fn server(identity: Identity) -> Arc<ServerConfig> {
    let builder = ServerConfig::builder().with_no_client_auth();
    Arc::new(builder.with_single_cert(vec![identity.0], identity.1).unwrap())
}

fn client(trusted: CertificateDer<'static>, version: &'static SupportedProtocolVersion) -> Client {
    let mut roots = RootCertStore::empty();
    roots.add(trusted).unwrap();
    let builder = ClientConfig::builder_with_protocol_versions(&[version]);
    Client(builder.with_root_certificates(roots).with_no_client_auth())
}

struct Client(ClientConfig);

impl Client {
    fn connect(self, server: &Arc<ServerConfig>) -> Pair {
        let name = ServerName::try_from(NAME).unwrap();
        let client = ClientConnection::new(Arc::new(self.0), name).unwrap();
        Pair::new(client, server)
    }
}

/// A client of this version that trusts the session's certificate.
fn pair(version: &'static SupportedProtocolVersion) -> Pair {
    let identity = identity("trusted");
    let client = client(identity.0.clone(), version);
    client.connect(&server(identity))
}

impl Pair {
    fn new(client: ClientConnection, server: &Arc<ServerConfig>) -> Pair {
        let (session, plaintext, read) = (TlsSession::new(server), Vec::new(), Vec::new());
        Pair { client, session, plaintext, read, got_close_notify: false, broken: false }
    }

    /// Carries bytes to and fro until neither has more to send.
    fn talk(&mut self, split: usize) -> Result<(), Error> {
        loop {
            let mut to_server = Vec::new();
            while matches!(self.client.write_tls(&mut to_server), Ok(1..)) {}
            let to_client = self.exchange(&to_server, split);
            for mut piece in to_client.chunks(split.min(1 << 20)) {
                while !piece.is_empty() && self.client.read_tls(&mut piece).unwrap() > 0 {
                    self.client.process_new_packets()?;
                    self.got_close_notify |=
                        self.client.reader().read_to_end(&mut self.read).is_ok();
                }
            }
            if to_server.is_empty() && to_client.is_empty() {
                return Ok(());
            }
        }
    }

    /// Gives the session bytes in pieces, and returns what it sends.
    fn exchange(&mut self, bytes: &[u8], split: usize) -> Vec<u8> {
        for piece in bytes.chunks(split.min(1 << 20)) {
            let plaintext = &mut self.plaintext;
            let taken =
                self.session.receive(piece, &mut |plain| plaintext.extend_from_slice(plain));
            self.broken |= taken.is_err();
        }
        self.sent(split)
    }

    /// Everything that the session has queued, taken in pieces by a socket that is often full.
    fn sent(&mut self, split: usize) -> Vec<u8> {
        let mut taken = Vec::new();
        let mut full = false;
        while self.session.has_to_send() {
            let before = taken.len();
            let sent = self.session.send(&mut |bytes| {
                full = !full;
                if full {
                    return Err(ErrorKind::WouldBlock.into());
                }
                let size = split.min(bytes.len());
                taken.extend_from_slice(&bytes[..size]);
                Ok(size)
            });
            assert_eq!(sent.unwrap(), taken.len() - before);
        }
        taken
    }

    /// What the client read since it was asked last.
    fn read(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.read)).unwrap()
    }
}

#[test]
fn what_one_side_encrypts_the_other_reads_at_any_split() {
    for version in BOTH {
        for split in SPLITS {
            let mut pair = pair(version);
            assert!(pair.session.is_handshaking() && !pair.session.is_ready());
            pair.client.writer().write_all(b"PING\r\n").unwrap();
            pair.talk(split).unwrap();
            assert_eq!(pair.plaintext, b"PING\r\n");
            assert!(pair.session.is_ready() && !pair.session.is_handshaking());
            pair.session.encrypt(b"-PORTCLOSED\r\n");
            assert!(pair.session.has_to_send() && !pair.session.is_ready());
            pair.talk(split).unwrap();
            assert_eq!((pair.read().as_str(), pair.got_close_notify), ("-PORTCLOSED\r\n", false));
            let spoken =
                if version == &TLS12 { TlsOutcome::Version12 } else { TlsOutcome::Version13 };
            assert_eq!(pair.session.outcome(), spoken);
        }
    }
}

#[test]
fn values_and_batches_of_many_records_arrive_whole() {
    for version in BOTH {
        for split in [1000, usize::MAX] {
            let mut pair = pair(version);
            pair.talk(split).unwrap();
            let value: Vec<u8> = (0..60_000_u32).map(|index| index as u8).collect();
            for _ in 0..4 {
                pair.client.writer().write_all(&value).unwrap();
                pair.session.encrypt(&"-NO\r\n".repeat(20_000).into_bytes());
                pair.talk(split).unwrap();
                assert!(pair.plaintext == value && pair.session.is_ready());
                pair.plaintext.clear();
                assert!(pair.read() == "-NO\r\n".repeat(20_000));
            }
        }
    }
}

#[test]
fn after_close_notify_queued_replies_are_still_sent() {
    for version in BOTH {
        let mut pair = pair(version);
        pair.talk(usize::MAX).unwrap();
        pair.client.writer().write_all(b"PING\r\n").unwrap();
        pair.client.send_close_notify();
        pair.talk(usize::MAX).unwrap();
        assert!(pair.session.peer_closed() && !pair.broken);
        assert_eq!(pair.plaintext, b"PING\r\n");
        assert_eq!(pair.exchange(b"what comes behind it is ignored", 5), b"");
        pair.session.encrypt(b"-NO\r\n");
        pair.session.close();
        pair.session.close();
        assert!(!pair.session.is_ready());
        pair.talk(3).unwrap();
        assert_eq!((pair.read().as_str(), pair.got_close_notify), ("-NO\r\n", true));
        assert!(!pair.session.has_to_send() && !pair.session.is_ready() && !pair.broken);
    }
}

#[test]
fn a_client_that_does_not_trust_the_certificate_is_recognised() {
    use CertificateError::{BadSignature, UnknownIssuer};
    for version in BOTH {
        // Nobody that it knows, and somebody who only has a name that it knows.
        for (issuer, cause) in [("unknown", UnknownIssuer), ("trusted", BadSignature)] {
            let client = client(identity("trusted").0, version);
            let mut pair = client.connect(&server(identity(issuer)));
            let refusal = pair.talk(usize::MAX).unwrap_err();
            assert_eq!(refusal, Error::InvalidCertificate(cause));
            let _ = pair.talk(usize::MAX);
            assert!(pair.broken && !pair.session.has_to_send());
            assert_eq!(pair.session.outcome(), TlsOutcome::Untrusted);
        }
    }
}

#[test]
fn a_client_without_a_common_version_gets_access_denied() {
    let identity = identity("trusted");
    let client = client(identity.0.clone(), &TLS12);
    let builder = ServerConfig::builder_with_protocol_versions(&[&TLS13]).with_no_client_auth();
    let config = builder.with_single_cert(vec![identity.0], identity.1).unwrap();
    let mut pair = client.connect(&Arc::new(config));
    let refusal = pair.talk(usize::MAX).unwrap_err();
    assert_eq!(refusal, Error::AlertReceived(AlertDescription::AccessDenied));
    assert_eq!(pair.session.outcome(), TlsOutcome::Incompatible);
}

#[test]
fn what_is_no_handshake_gets_an_alert_and_nothing_more() {
    for garbage in [
        &b"\x16\x03\x01\x00\x05PING\r"[..],
        b"\x16\x03PING\r\n",
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01\x00\x00\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\x00\x04\x01\xff\xff\xff",
        b"\x16\x03\x03\x00\x04\x0e\x00\x00\x00",
        b"\x17\x03\x03\x00\x05hello",
    ] {
        for split in SPLITS {
            let mut pair = pair(&TLS13);
            let answer = pair.exchange(garbage, split);
            assert!(pair.broken, "{garbage:?}: taken for a handshake");
            assert!(pair.plaintext.is_empty());
            assert_eq!((answer.first(), answer.len()), (Some(&0x15), 7), "{garbage:?}");
            assert_eq!(pair.session.outcome(), TlsOutcome::Broken);
            assert_eq!(pair.exchange(b"more", 1), b"");
        }
    }
}

#[test]
fn a_truncated_hello_is_waited_for_in_silence() {
    let mut pair = pair(&TLS13);
    let mut hello = Vec::new();
    pair.client.write_tls(&mut hello).unwrap();
    assert_eq!(pair.exchange(&hello[..hello.len() - 1], 50), b"");
    assert!(!pair.broken && pair.session.is_handshaking());
    assert!(!pair.exchange(&hello[hello.len() - 1..], 50).is_empty());
    pair.session.close();
    assert_eq!(pair.session.outcome(), TlsOutcome::Unfinished);
}

#[test]
fn altered_bytes_end_the_session() {
    let mut pair = pair(&TLS13);
    pair.talk(usize::MAX).unwrap();
    pair.client.writer().write_all(b"PING\r\n").unwrap();
    let mut sealed = Vec::new();
    pair.client.write_tls(&mut sealed).unwrap();
    *sealed.last_mut().unwrap() ^= 1;
    assert!(!pair.exchange(&sealed, usize::MAX).is_empty(), "no alert");
    assert!(pair.broken && pair.plaintext.is_empty());
    assert_eq!(pair.session.outcome(), TlsOutcome::Version13);
}

#[test]
fn a_client_that_sends_only_overhead_is_cut_off() {
    // A handshake message that would be the largest one, in small records.
    let mut endless = vec![0x16, 0x03, 0x01, 0x00, 0x04, 0x01, 0x00, 0xff, 0x00];
    for _ in 0..4000 {
        endless.extend_from_slice(&[0x16, 0x03, 0x01, 0x00, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
    let mut starting = pair(&TLS13);
    starting.exchange(&endless, usize::MAX);
    assert!(starting.broken);
    // Fresh keys, again and again.
    let mut established = pair(&TLS13);
    established.talk(usize::MAX).unwrap();
    for _ in 0..(2 * MAX_OVERHEAD_BYTES / 20) {
        established.client.refresh_traffic_keys().unwrap();
        let _ = established.talk(usize::MAX);
    }
    assert!(established.broken);
}

#[test]
fn no_session_can_be_resumed() {
    for version in BOTH {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        let folder = tempfile::TempDir::new().unwrap();
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let files = crate::listener::settings::TlsFiles { cert, key };
        let identity = crate::listener::tls::Identity::read(Some(files), None, Arc::default());
        let config = Arc::new(client(made.cert.der().clone(), version).0);
        for _ in 0..2 {
            let name = ServerName::try_from(NAME).unwrap();
            let client = ClientConnection::new(Arc::clone(&config), name).unwrap();
            let mut pair = Pair::new(client, identity.server_config().unwrap());
            pair.talk(usize::MAX).unwrap();
            assert_eq!(pair.client.handshake_kind(), Some(rustls::HandshakeKind::Full));
            assert_eq!(pair.client.tls13_tickets_received(), 0);
        }
    }
}
