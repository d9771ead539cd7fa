//! How many bytes a peer has acknowledged, as the kernel counts them (`TCP_INFO`, tcp(7)).
//!
//! Guarantees: correct after a reset too, which zeroes `tcpi_unacked`.

use std::net::TcpStream;

use nix::sys::socket::getsockopt;
use nix::{getsockopt_impl, libc, sockopt_impl};

/// The length of `struct tcp_info` (linux/tcp.h) up to and with the fields of Linux 4.2, in words of 64
/// bits. Kernels fill in as much as is asked for.
const WORDS: usize = 17;
/// The place of `tcpi_bytes_acked`.
const BYTES_ACKED: usize = 15;

sockopt_impl!(
    /// The connection's record in the kernel.
    TcpInfo, GetOnly, libc::IPPROTO_TCP, libc::TCP_INFO, [u64; WORDS]
);

/// Whether the peer has acknowledged `sent` bytes.
pub fn has_acknowledged(stream: &TcpStream, sent: u32) -> bool {
    getsockopt(stream, TcpInfo).is_ok_and(|info| info[BYTES_ACKED] >= u64::from(sent))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::time::Duration;

    use socket2::SockRef;

    #[test]
    fn bytes_are_acknowledged_exactly_and_a_reset_does_not_change_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        assert!(has_acknowledged(&server, 0));
        assert!(!has_acknowledged(&server, 1));
        server.write_all(b"sentence").unwrap();
        client.read_exact(&mut [0; 8]).unwrap();
        while !has_acknowledged(&server, 8) {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(!has_acknowledged(&server, 9));
        SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);
        assert!(server.read(&mut [0; 8]).is_err(), "the client resets");
        assert!(has_acknowledged(&server, 8));
        assert!(!has_acknowledged(&server, 9));
    }
}
