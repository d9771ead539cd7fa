//! The session against a client that is not ours, over bytes in memory, at any split.
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
    /// What the session handed out.
    heard: Vec<u8>,
    /// What the client read, and whether the session said farewell behind it.
    read: Vec<u8>,
    farewell: bool,
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
    let identity = identity("us");
    let client = client(identity.0.clone(), version);
    client.connect(&server(identity))
}

impl Pair {
    fn new(client: ClientConnection, server: &Arc<ServerConfig>) -> Pair {
        let (session, heard, read) = (TlsSession::new(server), Vec::new(), Vec::new());
        Pair { client, session, heard, read, farewell: false, broken: false }
    }

    /// Carries bytes to and fro until neither has more to send.
    fn talk(&mut self, split: usize) -> Result<(), Error> {
        loop {
            let mut to_server = Vec::new();
            while matches!(self.client.write_tls(&mut to_server), Ok(1..)) {}
            let to_client = self.answer(&to_server, split);
            for mut piece in to_client.chunks(split.min(1 << 20)) {
                while !piece.is_empty() && self.client.read_tls(&mut piece).unwrap() > 0 {
                    self.client.process_new_packets()?;
                    self.farewell |= self.client.reader().read_to_end(&mut self.read).is_ok();
                }
            }
            if to_server.is_empty() && to_client.is_empty() {
                return Ok(());
            }
        }
    }

    /// Gives the session bytes in pieces, and returns what it sends.
    fn answer(&mut self, bytes: &[u8], split: usize) -> Vec<u8> {
        for piece in bytes.chunks(split.min(1 << 20)) {
            let heard = &mut self.heard;
            let taken = self.session.receive(piece, &mut |plain| heard.extend_from_slice(plain));
            self.broken |= taken.is_err();
        }
        self.sent(split)
    }

    /// Everything that the session owes, taken in pieces by a socket that is often full.
    fn sent(&mut self, split: usize) -> Vec<u8> {
        let mut taken = Vec::new();
        let mut full = false;
        while self.session.owes() {
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
fn what_is_sealed_on_one_side_is_read_on_the_other_at_any_split() {
    for version in BOTH {
        for split in SPLITS {
            let mut pair = pair(version);
            assert!(pair.session.is_handshaking() && !pair.session.is_ready());
            pair.client.writer().write_all(b"PING\r\n").unwrap();
            pair.talk(split).unwrap();
            assert_eq!(pair.heard, b"PING\r\n");
            assert!(pair.session.is_ready() && !pair.session.is_handshaking());
            pair.session.seal(b"-PORTCLOSED\r\n");
            assert!(pair.session.owes() && !pair.session.is_ready());
            pair.talk(split).unwrap();
            assert_eq!((pair.read().as_str(), pair.farewell), ("-PORTCLOSED\r\n", false));
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
                pair.session.seal(&"-NO\r\n".repeat(20_000).into_bytes());
                pair.talk(split).unwrap();
                assert!(pair.heard == value && pair.session.is_ready());
                pair.heard.clear();
                assert!(pair.read() == "-NO\r\n".repeat(20_000));
            }
        }
    }
}

#[test]
fn a_farewell_is_heard_and_what_is_owed_is_still_said() {
    for version in BOTH {
        let mut pair = pair(version);
        pair.talk(usize::MAX).unwrap();
        pair.client.writer().write_all(b"PING\r\n").unwrap();
        pair.client.send_close_notify();
        pair.talk(usize::MAX).unwrap();
        assert!(pair.session.peer_closed() && !pair.broken);
        assert_eq!(pair.heard, b"PING\r\n");
        assert_eq!(pair.answer(b"what comes behind it is ignored", 5), b"");
        pair.session.seal(b"-NO\r\n");
        pair.session.close();
        pair.session.close();
        assert!(!pair.session.is_ready());
        pair.talk(3).unwrap();
        assert_eq!((pair.read().as_str(), pair.farewell), ("-NO\r\n", true));
        assert!(!pair.session.owes() && !pair.session.is_ready() && !pair.broken);
    }
}

#[test]
fn a_client_that_does_not_trust_the_certificate_says_so_and_is_understood() {
    use CertificateError::{BadSignature, UnknownIssuer};
    for version in BOTH {
        // Nobody that it knows, and somebody who only has a name that it knows.
        for (issuer, cause) in [("them", UnknownIssuer), ("us", BadSignature)] {
            let client = client(identity("us").0, version);
            let mut pair = client.connect(&server(identity(issuer)));
            let refusal = pair.talk(usize::MAX).unwrap_err();
            assert_eq!(refusal, Error::InvalidCertificate(cause));
            let _ = pair.talk(usize::MAX);
            assert!(pair.broken && !pair.session.owes());
            assert_eq!(pair.session.outcome(), TlsOutcome::Untrusted);
        }
    }
}

#[test]
fn a_client_that_knows_nothing_in_common_reads_that_access_is_denied() {
    let identity = identity("us");
    let client = client(identity.0.clone(), &TLS12);
    let builder = ServerConfig::builder_with_protocol_versions(&[&TLS13]).with_no_client_auth();
    let config = builder.with_single_cert(vec![identity.0], identity.1).unwrap();
    let mut pair = client.connect(&Arc::new(config));
    let refusal = pair.talk(usize::MAX).unwrap_err();
    assert_eq!(refusal, Error::AlertReceived(AlertDescription::AccessDenied));
    assert_eq!(pair.session.outcome(), TlsOutcome::Incompatible);
}

#[test]
fn what_is_no_handshake_is_answered_with_an_alert_and_nothing_more() {
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
            let answer = pair.answer(garbage, split);
            assert!(pair.broken, "{garbage:?}: taken for a handshake");
            assert!(pair.heard.is_empty());
            assert_eq!((answer.first(), answer.len()), (Some(&0x15), 7), "{garbage:?}");
            assert_eq!(pair.session.outcome(), TlsOutcome::Broken);
            assert_eq!(pair.answer(b"more", 1), b"");
        }
    }
}

#[test]
fn a_truncated_hello_is_waited_for_in_silence() {
    let mut pair = pair(&TLS13);
    let mut hello = Vec::new();
    pair.client.write_tls(&mut hello).unwrap();
    assert_eq!(pair.answer(&hello[..hello.len() - 1], 50), b"");
    assert!(!pair.broken && pair.session.is_handshaking());
    assert!(!pair.answer(&hello[hello.len() - 1..], 50).is_empty());
    pair.session.close();
    assert_eq!(pair.session.outcome(), TlsOutcome::Unfinished);
}

#[test]
fn bytes_that_were_altered_on_the_way_end_it() {
    let mut pair = pair(&TLS13);
    pair.talk(usize::MAX).unwrap();
    pair.client.writer().write_all(b"PING\r\n").unwrap();
    let mut sealed = Vec::new();
    pair.client.write_tls(&mut sealed).unwrap();
    *sealed.last_mut().unwrap() ^= 1;
    assert!(!pair.answer(&sealed, usize::MAX).is_empty(), "no alert");
    assert!(pair.broken && pair.heard.is_empty());
    assert_eq!(pair.session.outcome(), TlsOutcome::Version13);
}

#[test]
fn who_sends_nothing_but_overhead_is_not_listened_to_for_ever() {
    // A handshake message that would be the largest one, in small records.
    let mut endless = vec![0x16, 0x03, 0x01, 0x00, 0x04, 0x01, 0x00, 0xff, 0x00];
    for _ in 0..4000 {
        endless.extend_from_slice(&[0x16, 0x03, 0x01, 0x00, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
    let mut starting = pair(&TLS13);
    starting.answer(&endless, usize::MAX);
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
fn nothing_is_kept_for_a_session_that_comes_back() {
    for version in BOTH {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        let folder = tempfile::TempDir::new().unwrap();
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let files = crate::listener::settings::TlsFiles { cert, key };
        let ours = crate::listener::tls::Identity::read(Some(files), None);
        let config = Arc::new(client(made.cert.der().clone(), version).0);
        for _ in 0..2 {
            let name = ServerName::try_from(NAME).unwrap();
            let client = ClientConnection::new(Arc::clone(&config), name).unwrap();
            let mut pair = Pair::new(client, ours.server_config().unwrap());
            pair.talk(usize::MAX).unwrap();
            assert_eq!(pair.client.handshake_kind(), Some(rustls::HandshakeKind::Full));
            assert_eq!(pair.client.tls13_tickets_received(), 0);
        }
    }
}
