//! Records of the real kernel, and messages that are cut off, forged or of no sense.
#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;
use std::net::{TcpListener, TcpStream};

/// The state of an open connection (linux/tcp_states.h).
const ESTABLISHED: u8 = 1;

fn addresses() -> (SocketAddr, SocketAddr) {
    ("127.0.0.1:40000".parse().unwrap(), "127.0.0.1:6379".parse().unwrap())
}

/// A message of the kernel about the socket of [`addresses`], with these attributes.
fn message(sequence: u32, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let (local, remote) = addresses();
    let mut message = vec![0; HEADER + RECORD];
    put(&mut message, 4, &BY_FAMILY.to_ne_bytes());
    put(&mut message, 8, &sequence.to_ne_bytes());
    (message[HEADER], message[HEADER + 1]) = (AF_INET as u8, ESTABLISHED);
    put(&mut message, RECORD_ID, &socket_id(local, remote));
    put(&mut message, RECORD_UID, &1000_u32.to_ne_bytes());
    put(&mut message, RECORD_INODE, &77_u32.to_ne_bytes());
    for (kind, value) in attributes {
        message.extend_from_slice(&(4 + value.len() as u16).to_ne_bytes());
        message.extend_from_slice(&kind.to_ne_bytes());
        message.extend_from_slice(value);
        message.resize(message.len().next_multiple_of(4), 0);
    }
    let length = message.len() as u32;
    put(&mut message, 0, &length.to_ne_bytes());
    message
}

fn read(bytes: &[u8]) -> Answer {
    let (local, remote) = addresses();
    read_answer(bytes, 7, local, remote)
}

fn record(cgroup: Option<u64>) -> Answer {
    Answer::Record(TcpRecord { state: ESTABLISHED, uid: 1000, inode: 77, cgroup })
}

/// Both ends of a connection through `address`.
fn pair(address: &str) -> Option<(TcpStream, TcpStream, TcpListener)> {
    let listener = TcpListener::bind((address, 0)).ok()?;
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let server = listener.accept().unwrap().0;
    Some((client, server, listener))
}

#[test]
fn the_kernel_tells_the_sockets_of_both_ends() {
    let mut kernel = SockDiag::open().unwrap();
    // A host may lack IPv6.
    for address in ["127.0.0.1", "::1"] {
        let Some((client, server, _listener)) = pair(address) else { continue };
        let (near, far) = (server.local_addr().unwrap(), client.local_addr().unwrap());
        for (local, remote) in [(near, far), (far, near)] {
            let found = kernel.tcp_socket(local, remote).unwrap().unwrap();
            assert!(found.is_connected() && found.inode > 0, "{found:?}");
            assert_eq!(found.uid, nix::unistd::Uid::effective().as_raw());
            assert!(found.cgroup.is_some(), "{found:?}");
        }
    }
}

#[test]
fn an_ipv6_socket_with_a_connection_over_ipv4_is_found() {
    let mut kernel = SockDiag::open().unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let near = listener.local_addr().unwrap();
    let Ok(client) = TcpStream::connect(("::ffff:127.0.0.1", near.port())) else { return };
    let (_server, far) = listener.accept().unwrap();
    assert!(client.local_addr().unwrap().is_ipv6() && far.is_ipv4());
    let found = kernel.tcp_socket(far, near).unwrap();
    assert!(found.is_some_and(|found| found.is_connected()), "{found:?}");
}

#[test]
fn a_socket_that_is_gone_is_not_taken_for_a_listening_one() {
    let mut kernel = SockDiag::open().unwrap();
    let (client, server, listener) = pair("127.0.0.1").unwrap();
    let (near, far) = (server.local_addr().unwrap(), client.local_addr().unwrap());
    // The listening socket has the port that is asked for, and the kernel would tell of it.
    let unused = SocketAddr::new(far.ip(), 1);
    assert_eq!(kernel.tcp_socket(near, unused).unwrap(), None);
    let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    let listening = kernel.tcp_socket(listener.local_addr().unwrap(), any).unwrap().unwrap();
    assert!(listening.state == LISTEN && !listening.is_connected());

    socket2::SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(client);
    assert_eq!(kernel.tcp_socket(far, near).unwrap(), None, "the client reset it");
}

#[test]
fn the_socket_of_an_ended_connection_has_no_owner() {
    let mut kernel = SockDiag::open().unwrap();
    let (client, server, _listener) = pair("127.0.0.1").unwrap();
    let (near, far) = (server.local_addr().unwrap(), client.local_addr().unwrap());
    drop((client, server));
    let left = kernel.tcp_socket(far, near).unwrap();
    assert!(left.is_none_or(|left| !left.is_connected() && left.inode == 0), "{left:?}");
}

#[test]
fn a_record_is_read_with_and_without_a_control_group() {
    let id = 4711_u64.to_ne_bytes();
    assert_eq!(read(&message(7, &[(CGROUP_ID, &id)])), record(Some(4711)));
    assert_eq!(read(&message(7, &[(8, &[0]), (14, &[]), (CGROUP_ID, &id)])), record(Some(4711)));
    assert_eq!(read(&message(7, &[(8, &[0])])), record(None));
    assert_eq!(read(&message(7, &[(CGROUP_ID, &id[..4])])), record(None), "half an id is none");
}

#[test]
fn only_the_answer_to_this_request_about_this_socket_counts() {
    assert_eq!(read(&message(6, &[])), Answer::Stale);
    let mut other = message(7, &[]);
    other[RECORD_ID + 1] ^= 1;
    assert_eq!(read(&other), Answer::OtherSocket);
    let mut other = message(7, &[]);
    other[RECORD_ID + 23] ^= 1;
    assert_eq!(read(&other), Answer::OtherSocket);
    let mut error = message(7, &[]);
    put(&mut error, 4, &(NLMSG_ERROR as u16).to_ne_bytes());
    put(&mut error, HEADER, &(-(Errno::ENOENT as i32)).to_ne_bytes());
    assert_eq!(read(&error), Answer::Error(Errno::ENOENT));
}

#[test]
fn a_message_that_is_cut_off_is_no_record_or_lacks_what_was_cut() {
    let whole = message(7, &[(8, &[0]), (CGROUP_ID, &4711_u64.to_ne_bytes())]);
    for length in 0..whole.len() {
        // As received, and as a kernel would send it that says so itself.
        assert_eq!(read(&whole[..length]), Answer::Malformed, "{length}");
        let mut stated = whole[..length].to_vec();
        if length >= 4 {
            put(&mut stated, 0, &(length as u32).to_ne_bytes());
        }
        let read = read(&stated);
        assert_eq!(read == record(None), length >= HEADER + RECORD, "{length}: {read:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_message_makes_the_reader_panic_or_loop(
        bytes in proptest::collection::vec(any::<u8>(), 0..256),
        attributes in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        read(&bytes);
        let mut forged = message(7, &[]);
        forged.extend_from_slice(&attributes);
        let length = forged.len() as u32;
        put(&mut forged, 0, &length.to_ne_bytes());
        prop_assert!(matches!(read(&forged), Answer::Record(_)));
    }
}
